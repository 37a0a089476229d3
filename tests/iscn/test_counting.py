from __future__ import annotations

import pytest

from karyonet.iscn import parse
from karyonet.iscn.coherence import check
from karyonet.iscn.counting import ploidy_of
from karyonet.iscn.explain import explain

HYPERDIPLOID = "58,XX,+X,+4,+6,+8,+10,+14,+14,+17,+18,+21,+21,+22"


@pytest.mark.parametrize(
    ("text", "sets"),
    [
        ("46,XX", 2),
        ("69,XXY", 3),
        ("70,XXX,+21", 3),
        ("92,XXYY", 4),
        ("70<3n>,XXX,+21", 3),
        (HYPERDIPLOID, 2),
        ("33,X,-X,-1,-2,-3,-4,-5,-7,-9,-11,-13,-15,-16,-17", 2),
    ],
)
def test_the_sets_are_those_from_which_the_clone_is_written(text: str, sets: int) -> None:
    karyotype = parse(text)
    assert check(karyotype) == []
    assert ploidy_of(karyotype.clones, 0) == sets


def test_a_hyperdiploid_clone_is_not_called_triploid() -> None:
    words = explain(parse(HYPERDIPLOID))
    assert "triploid" not in words
    assert "trisomy 4" in words and "tetrasomy 21" in words
