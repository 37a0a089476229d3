"""Choosing a split, or a representative part, of a data set without tearing cases apart."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Protocol, TypeVar

from karyonet.errors import DataError


class OfCase(Protocol):
    """Something that belongs to a case."""

    @property
    def case(self) -> str:
        """Name of the patient or culture; all images of a case stay on one side of a split."""
        ...


T = TypeVar("T", bound=OfCase)


def case_order(case: str) -> bytes:
    """A key that sorts cases in a pseudo-random order, the same on every machine and in every subset."""
    return hashlib.sha256(case.encode()).digest()


def in_split(items: Iterable[T], split: str | None, names: Callable[[T], Iterable[str]], path: Path) -> list[T]:
    """The items of one split.

    Args:
        items: to choose from.
        split: its name; None takes all.
        names: the splits that an item is in.
        path: the data set, for the error message.

    Raises:
        DataError: K403 if no item is in that split.
    """
    items = list(items)
    if split is None:
        return items
    chosen = [item for item in items if split in names(item)]
    if not chosen:
        known = sorted({name for item in items for name in names(item)})
        raise DataError("K403", path=path, split=split, known=", ".join(known) or "none")
    return chosen


def limited(items: Sequence[T], limit: int | None) -> list[T]:
    """Whole cases with at most ``limit`` items together, but at least one case, in the order in which the items came.

    Which cases are taken depends on their names alone (:func:`case_order`), so that a part is representative,
    and a larger limit only adds to a smaller one.
    """
    if limit is None or limit >= len(items):
        return list(items)
    sizes: dict[str, int] = {}
    for item in items:
        sizes[item.case] = sizes.get(item.case, 0) + 1
    chosen, count = set[str](), 0
    for case in sorted(sizes, key=case_order):
        count += sizes[case]
        if chosen and count > limit:
            break
        chosen.add(case)
    return [item for item in items if item.case in chosen]
