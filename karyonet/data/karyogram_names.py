"""Which slot of a karyogram each chromosome stands in, and the slot's name.

A slot is a printed name with the chromosomes over (or under) it. Names are read by their look and by their order: the
autosomes rise in reading order. Whoever reads a number differently from what the order asks for is told so.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np

from karyonet.case import LABELS
from karyonet.data.printed_labels import LEGIBLE, Token, likeness_of_glyphs
from karyonet.errors import DataError
from karyonet.geometry.region import Region

TOLERANCE = 0.12
"""Likeness that the name asked for by the order may lack to the name that looks best."""
FEWEST_NAMES = 8
"""Legible names in rows beside chromosomes, from which a picture is taken for a karyogram."""
FOREIGN = 0.12
"""Likeness by which a sign may look more like a different sign of the picture than like its own."""
_AUTOSOMES = LABELS[:22]
_SEX = LABELS[22:]


def name_slots(
    rows: Sequence[Sequence[Region]],
    lines: Sequence[Sequence[Token]],
    layout: Sequence[Sequence[str]] | None,
    path: str | Path,
) -> tuple[dict[str, list[Region]], int]:
    """The slots of a karyogram.

    Args:
        rows: chromosomes from top to bottom and left to right.
        lines: what is printed, from :func:`text_lines`.
        layout: the slots' names row by row, where they are stated; ``-`` for an empty slot, ``?`` for one left out.
        path: for error messages.

    Returns:
        The regions of every filled slot by its label, from left to right, and how many chromosomes stand in none that
        has a name.

    Raises:
        DataError: K408 if no name can be read, K409 if one is in doubt or the slots cannot be told apart.
    """
    if layout is not None:
        return _stated(rows, lines, layout, path)
    chosen = _label_lines(rows, lines)
    if sum(token.likeness > 0 for line in chosen for token in line) < FEWEST_NAMES:
        reason = "no names 1–22, X and Y can be read under or above its chromosomes"
        raise DataError("K408", path=path, reason=reason)
    names = _read_in_order(chosen, path)
    missing = [label for label in _AUTOSOMES if not any(label in row for row in names)]
    if missing:
        raise _doubt(path, f"slot {missing[0]}", "its printed name was not found")
    slots: dict[str, list[Region]] = {}
    unnamed = 0
    for number, (row, line, row_names) in enumerate(zip(rows, chosen, names, strict=True), start=1):
        if not line:  # all 22 autosomes are named elsewhere: a last row of what nobody named
            unnamed += len(row)
            continue
        found = _shared_out(row, [token.x for token in line])
        _check(found, row_names, line, number, path)
        for name, chromosomes in zip(row_names, found, strict=True):
            if name == "?":
                unnamed += len(chromosomes)
            elif chromosomes:
                slots[name] = chromosomes
    return slots, unnamed


def _label_lines(rows: Sequence[Sequence[Region]], lines: Sequence[Sequence[Token]]) -> list[list[Token]]:
    """For every row the line that names its slots, empty where there is none: all below the rows, or all above."""
    below, above = (_choose(rows, lines, shift) for shift in (1, 0))
    legible = [sum(token.likeness for line in lines for token in line) for lines in (below, above)]
    chosen = below if legible[0] >= legible[1] else above
    if min(legible) > 0.8 * max(legible):  # an unnamed last row, or a word in the title: the names stand close
        chosen = min((below, above), key=lambda lines: _distance(rows, lines))
    heights = [token.height for line in chosen for token in line if token.likeness]
    usual = float(np.median(heights)) if heights else 0.0
    return [[token for token in line if 0.7 * usual <= token.height <= 1.4 * usual] for line in chosen]


def _distance(rows: Sequence[Sequence[Region]], lines: Sequence[Sequence[Token]]) -> float:
    """Usual distance in pixels of the lines from their rows."""
    distances = []
    for row, line in zip(rows, lines, strict=True):
        if line:
            y = float(np.median([token.y for token in line]))
            edges = np.median([[region.bbox[1], region.bbox[3]] for region in row], axis=0)
            distances.append(float(np.abs(edges - y).min()))
    return float(np.median(distances))


def _choose(rows: Sequence[Sequence[Region]], lines: Sequence[Sequence[Token]], shift: int) -> list[list[Token]]:
    """The line with the most legible names after (``shift`` 1) or before (0) the middle of every row."""
    chosen = []
    for candidates in _beside(rows, lines, shift):
        legible = [sum(token.likeness for token in line) for line in candidates]
        chosen.append(list(candidates[int(np.argmax(legible))]) if any(legible) else [])
    return chosen


def _beside(
    rows: Sequence[Sequence[Region]], lines: Sequence[Sequence[Token]], shift: int
) -> list[list[Sequence[Token]]]:
    """The lines between the middle of every row and that of the next (``shift`` 1) or previous (0) one."""
    middles = [float(np.median([(r.bbox[1] + r.bbox[3]) / 2 for r in row])) for row in rows]
    place = [int(np.searchsorted(middles, np.median([token.y for token in line]))) for line in lines]
    return [
        [line for line, where in zip(lines, place, strict=True) if where == number + shift]
        for number in range(len(rows))
    ]


def _read_in_order(lines: Sequence[Sequence[Token]], path: str | Path) -> list[list[str]]:
    """The names of all tokens together: autosomes rise, X and Y stand once; ``?`` for words that are no name.

    The best reading of all tokens is found by dynamic programming over the last autosome and the sex chromosomes so
    far. A name must then be legible, look nearly like the best that the token could be by itself, and its signs must
    look like the same signs elsewhere in the picture, which are of the same font.

    Raises:
        DataError: K409.
    """
    tokens = [token for line in lines for token in line if len(token.glyphs) <= 2]
    reached: dict[tuple[int, frozenset[str]], tuple[float, tuple[str, ...]]] = {(0, frozenset()): (0.0, ())}
    for token in tokens:
        following: dict[tuple[int, frozenset[str]], tuple[float, tuple[str, ...]]] = {}
        for (last, seen), (total, names) in reached.items():
            steps = [(name, (place, seen)) for place, name in enumerate(_AUTOSOMES, 1) if place > last]
            steps += [(name, (last, seen | {name})) for name in _SEX if name not in seen]
            for name, state in steps:
                # A number that is left out must be made up for by how the others look.
                skipped = max(state[0] - last - 1, 0)
                score = total + token.scores[name] - 0.02 * skipped
                if state not in following or score > following[state][0]:
                    following[state] = (score, (*names, name))
        reached = following
        if not reached:
            raise _doubt(path, f"the printed name after {names[-1]}", "there are more names than chromosome types")
    _, read = max(reached.values(), key=lambda value: value[0])
    for position, (token, name) in enumerate(zip(tokens, read, strict=True)):
        own = max(token.scores, key=lambda label: token.scores[label])
        if token.scores[name] < LEGIBLE:
            raise _doubt(path, _between(read, position), "its printed name cannot be read")
        if token.scores[own] - token.scores[name] > TOLERANCE:
            raise _doubt(
                path, _between(read, position), f"its printed name looks like {own}, the order asks for {name}"
            )
    _compare_signs(tokens, read, path)
    remaining = iter(read)
    return [[next(remaining) if len(token.glyphs) <= 2 else "?" for token in line] for line in lines]


def _compare_signs(tokens: Sequence[Token], names: Sequence[str], path: str | Path) -> None:
    """Refuse a name one of whose signs looks more like a different sign elsewhere than like its own.

    Raises:
        DataError: K409.
    """
    places = [
        (position, sign, glyph)
        for position, (token, name) in enumerate(zip(tokens, names, strict=True))
        if len(token.glyphs) == len(name)
        for sign, glyph in zip(name, token.glyphs, strict=True)
    ]
    if not places:
        return
    signs = np.array([sign for _, sign, _ in places])
    likeness = likeness_of_glyphs([glyph for _, _, glyph in places])
    np.fill_diagonal(likeness, -1)
    same = signs[:, None] == signs
    own = np.where(same, likeness, -1).max(axis=1)
    foreign = np.where(same, -1, likeness).max(axis=1)
    for number in np.flatnonzero((own > -1) & (foreign - own > FOREIGN)):
        position = places[number][0]
        other = signs[int(np.where(same[number], -1, likeness[number]).argmax())]
        reason = f"its printed name looks like one with {other}, the order asks for {names[position]}"
        raise _doubt(path, _between(names, position), reason)


def _shared_out(row: Sequence[Region], places: Sequence[float]) -> list[list[Region]]:
    """The chromosomes of a row shared out to slots at ``places`` (x in pixels), in order.

    Sought by dynamic programming: the sum of distances to the slots' places and of gaps inside slots is least.
    """
    centres = np.array([(r.bbox[0] + r.bbox[2]) / 2 for r in row])
    gaps = np.array([0.0] + [max(b.bbox[0] - a.bbox[2], 0) for a, b in pairwise(row)])
    count = len(row)
    best = np.full((len(places) + 1, count + 1), np.inf)
    origin = np.zeros((len(places) + 1, count + 1), dtype=int)
    best[0, 0] = 0
    for slot, place in enumerate(places, start=1):
        distance = np.concatenate([[0.0], np.cumsum(np.abs(centres - place))])
        inside = np.cumsum(gaps)
        for stop in range(count + 1):
            for start in range(stop + 1):
                gap = inside[stop - 1] - inside[start] if stop > start else 0.0
                cost = best[slot - 1, start] + distance[stop] - distance[start] + gap
                if cost < best[slot, stop]:
                    best[slot, stop], origin[slot, stop] = cost, start
    found: list[list[Region]] = []
    stop = count
    for slot in range(len(places), 0, -1):
        start = int(origin[slot, stop])
        found.append(list(row[start:stop]))
        stop = start
    return found[::-1]


def _check(
    slots: Sequence[Sequence[Region]], names: Sequence[str], line: Sequence[Token], number: int, path: str | Path
) -> None:
    """Refuse chromosomes that do not stand at the name that they were given.

    Raises:
        DataError: K409.
    """
    width = float(np.median([r.bbox[2] - r.bbox[0] for slot in slots for r in slot]))
    filled = [slot for slot in slots if slot]
    between = [b[0].bbox[0] - a[-1].bbox[2] for a, b in pairwise(filled)]
    for slot, name, token in zip(slots, names, line, strict=True):
        if not slot:
            continue
        where = f"slot {name} of row {number}"
        if not slot[0].bbox[0] - 1.2 * width <= token.x <= max(r.bbox[2] for r in slot) + 1.2 * width:
            raise _doubt(path, where, "its chromosomes do not stand at its printed name")
        widest = max([b.bbox[0] - a.bbox[2] for a, b in pairwise(slot)], default=0)
        if widest > 2.5 * width and widest > 0.8 * min(between, default=0):
            raise _doubt(path, where, "its chromosomes stand far apart, as if a name between them were missing")


def _stated(
    rows: Sequence[Sequence[Region]],
    lines: Sequence[Sequence[Token]],
    layout: Sequence[Sequence[str]],
    path: str | Path,
) -> tuple[dict[str, list[Region]], int]:
    """The slots as they were stated; the printed names say where they are, if there are as many, else the gaps."""
    if len(rows) != len(layout):
        raise _doubt(path, f"its {len(rows)} rows of chromosomes", f"the layout has {len(layout)}")
    slots: dict[str, list[Region]] = {}
    unnamed = 0
    for number, (row, names, line) in enumerate(
        zip(rows, layout, _lines_of(rows, lines, layout), strict=True), start=1
    ):
        if line:
            found = _shared_out(row, [token.x for token in line])
            _check(found, names, line, number, path)
        else:
            found = _by_gaps(row, names, number, path)
        for name, chromosomes in zip(names, found, strict=True):
            if name == "-" and chromosomes:
                raise _doubt(path, f"row {number}", "a slot that the layout calls empty holds chromosomes")
            if name == "?":
                unnamed += len(chromosomes)
            elif chromosomes:
                slots[name] = chromosomes
    return slots, unnamed


def _lines_of(
    rows: Sequence[Sequence[Region]], lines: Sequence[Sequence[Token]], layout: Sequence[Sequence[str]]
) -> list[Sequence[Token]]:
    """For every row the printed line that has as many tokens as the layout, empty where there is none."""
    found = []
    for shift in (1, 0):
        beside = _beside(rows, lines, shift)
        if shift == 0:
            beside = [list(reversed(candidates)) for candidates in beside]
        fitting = [
            next((line for line in candidates if len(line) == len(names)), [])
            for candidates, names in zip(beside, layout, strict=True)
        ]
        found.append(fitting)
    return max(found, key=lambda chosen: sum(map(len, chosen)))


def _by_gaps(row: Sequence[Region], names: Sequence[str], number: int, path: str | Path) -> list[list[Region]]:
    """A row cut at its widest gaps, where these are clearly wider than the ones inside slots.

    Raises:
        DataError: K409.
    """
    filled = [name for name in names if name != "-"]
    edges = np.maximum.accumulate([region.bbox[2] for region in row])
    gaps = np.array([b.bbox[0] - edge for edge, b in zip(edges[:-1], row[1:], strict=True)], dtype=float)
    order = np.argsort(-gaps, kind="stable")
    cuts = np.sort(order[: len(filled) - 1]) + 1
    inner = float(gaps[order[len(filled) - 1 :]].max(initial=0.0)) if filled else 0.0
    outer = float(gaps[order[: len(filled) - 1]].min(initial=np.inf)) if filled else 0.0
    if not filled or len(row) < len(filled) or outer < 1.2 * max(inner, 1.0):
        reason = f"its {len(row)} chromosomes do not fall apart into the {len(filled)} slots of the layout"
        raise _doubt(path, f"row {number}", reason)
    parts = iter([list(row[a:b]) for a, b in zip([0, *cuts], [*cuts, len(row)], strict=True)])
    return [[] if name == "-" else next(parts) for name in names]


def _between(names: Sequence[str], position: int) -> str:
    """A slot by what stands around it: its own name may be the one in doubt."""
    before = f"after {names[position - 1]}" if position else f"before {names[1]}" if len(names) > 1 else "alone"
    return f"the slot {before} (in the usual order {names[position]})"


def _doubt(path: str | Path, slot: str, reason: str) -> DataError:
    return DataError("K409", path=path, slot=slot, reason=reason)
