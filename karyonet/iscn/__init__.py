"""Karyotypes written by the rules of the International System for Human Cytogenomic Nomenclature (ISCN)."""

from karyonet.iscn.numerical import numerical_karyotype

__all__ = ["numerical_karyotype"]
