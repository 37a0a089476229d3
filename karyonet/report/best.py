"""Which metaphase of a case is shown first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import get_args

from karyonet.case import MetaphaseState
from karyonet.report.schema import MetaphaseRecord

_STATES = (None, *get_args(MetaphaseState))


def best_first(metaphases: Sequence[MetaphaseRecord]) -> list[MetaphaseRecord]:
    """Metaphases by state (karyotyped, analysed, counted, none), then by quality; equals in their own order."""

    def merit(metaphase: MetaphaseRecord) -> tuple[int, float]:
        return _STATES.index(metaphase.state), -1.0 if metaphase.quality is None else metaphase.quality.score

    return sorted(metaphases, key=merit, reverse=True)
