from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from karyonet.case import LABELS
from karyonet.stages.karyotype.likelihood import Counted, Named

MALE = [*(label for label in LABELS[:22] for _ in range(2)), "X", "Y"]
FEMALE = [*MALE[:44], "X", "X"]


def counted(name: str, labels: Sequence[str], odds: float = 5.5, missed: float = -5.0) -> Counted:
    """A metaphase of whose chromosomes all are as credible as each other."""
    return Counted(name, {label: (Named(odds),) * copies for label, copies in Counter(labels).items()}, missed)


def besides(cell: Counted, **left_out: float) -> Counted:
    """A metaphase with something that was left out, by what it looks like."""
    return replace(cell, left_out={label: (odds,) for label, odds in left_out.items()})


def without(labels: Sequence[str], *lost: str) -> list[str]:
    rest = list(labels)
    for label in lost:
        rest.remove(label)
    return rest
