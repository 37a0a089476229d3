"""Edits that a person makes to a finished case, and the history that remembers them."""
