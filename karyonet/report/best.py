"""Which metaphase of a case is shown first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import get_args

from karyonet.case import MetaphaseState
from karyonet.report.schema import CloneRecord, MetaphaseRecord

_STATES = (None, *get_args(MetaphaseState))


def best_first(metaphases: Sequence[MetaphaseRecord], clones: Sequence[CloneRecord] = ()) -> list[MetaphaseRecord]:
    """Metaphases that show the first clone of the karyotype before all others, each by merit.

    Merit is the state (karyotyped, analysed, counted, none), then the quality; equals stay in their own order.
    """
    first = clones[0].iscn if clones else None

    def merit(metaphase: MetaphaseRecord) -> tuple[bool, int, float]:
        quality = -1.0 if metaphase.quality is None else metaphase.quality.score
        return metaphase.iscn is not None and metaphase.iscn == first, _STATES.index(metaphase.state), quality

    return sorted(metaphases, key=merit, reverse=True)
