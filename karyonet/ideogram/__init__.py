"""The ideogram of the human chromosomes at 400, 550 and 850 bands, and the grey profiles that follow from it.

Positions are in ISCN units from the end of the short arm, which is what a drawing or an image shows. The band tables
are NCBI's (Genome Decoration Page, public domain); they come with the package and are read once.
"""

from __future__ import annotations

from karyonet.ideogram.band import CHROMOSOMES, FINEST_LEVEL, LEVELS, Band, bands
from karyonet.ideogram.profile import Segment, grey_profile
from karyonet.ideogram.queries import (
    band_at,
    centromere_of,
    centromeric_index,
    find_band,
    length_of,
    position_of,
    relative_length,
    to_level,
)
from karyonet.ideogram.variable import ACROCENTRIC, VARIABLE_BANDS, variable_stretch

__all__ = [
    "ACROCENTRIC",
    "CHROMOSOMES",
    "FINEST_LEVEL",
    "LEVELS",
    "VARIABLE_BANDS",
    "Band",
    "Segment",
    "band_at",
    "bands",
    "centromere_of",
    "centromeric_index",
    "find_band",
    "grey_profile",
    "length_of",
    "position_of",
    "relative_length",
    "to_level",
    "variable_stretch",
]
