"""Configurations that ship with karyonet."""
