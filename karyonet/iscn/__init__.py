"""Karyotypes written by the rules of the International System for Human Cytogenomic Nomenclature (ISCN).

The short form of banded karyotypes, of the editions 2020 and 2024: a typed syntax tree, its parser and writer, a check
that a karyotype agrees with itself, and what it means in plain words. The rules are put in the project's own words.
"""

from karyonet.iscn.ast import Karyotype
from karyonet.iscn.numerical import numerical_karyotype
from karyonet.iscn.parser import parse
from karyonet.iscn.writer import write

__all__ = ["Karyotype", "numerical_karyotype", "parse", "write"]
