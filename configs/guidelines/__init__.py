"""Guideline profiles that ship with karyonet: how many metaphases must be looked at, and how closely."""
