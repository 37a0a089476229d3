"""The stages that ship with karyonet, one folder each."""
