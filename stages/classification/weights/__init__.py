"""Shipped weight files and their model cards."""
