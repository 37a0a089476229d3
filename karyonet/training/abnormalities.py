"""Artificial structural abnormalities: cuts and joins of real chromosomes, which take the place of rare real ones.

The kinds are those of the HomNet paper (appendix A.1) with two of its names taken apart: its *replaced* segment is an
inversion (own segment) or a translocation (foreign segment, length unchanged), and its *Robertsonian* chromosome,
"symmetrical and repeated", is an isochromosome; a true Robertsonian fusion joins the long arms of two acrocentrics.
Pairs of unlike chromosomes of one length group complete them. Lengths, places and seams are our reconstruction.

Every array has the chromosome along its rows, short arm first: a strip of shape (rows, width), or profiles of shape
(rows, 2). Positions are shares of a chromosome's length from the end of its short arm.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any, Literal, get_args

import numpy as np

from karyonet.case import LABELS, FloatArray
from karyonet.errors import ArrayError
from karyonet.ideogram import ACROCENTRIC, centromeric_index, relative_length

Kind = Literal[
    "deletion", "insertion", "duplication", "inversion", "translocation", "isochromosome", "robertsonian", "unlike_pair"
]
KINDS: tuple[Kind, ...] = get_args(Kind)

GROUPS: tuple[tuple[str, ...], ...] = (
    ("1", "2", "3"), ("4", "5"), ("6", "7", "8", "9", "10", "11", "12", "X"), ("13", "14", "15"), ("16", "17", "18"),
    ("19", "20"), ("21", "22", "Y"),
)  # fmt: skip
"""The groups A to G of chromosomes of similar length (Denver)."""
CAP = 0.04
"""Share of a chromosome at either end that no cut goes into: ends stay ends, round and pale, in every kind."""
JITTER = 0.02
"""By how much a breakpoint is off in a metaphase, as a share of the chromosome."""
SIZES = (0.08, 0.40)
"""Least and largest share of a chromosome that is lost, added, turned or replaced."""
_TERMINAL = 1 / 3
"""Share of the segments that reach the end of an arm."""
_SHORT_ARM = 0.2
"""Share of a chromosome from which a short arm is long enough to be seen doubled."""


@dataclass(frozen=True)
class Abnormality:
    """What is wrong with a chromosome, the same in every metaphase of a bag.

    Attributes:
        kind: one of :data:`KINDS`.
        chromosome: type of the chromosome that it befalls.
        start, stop: the segment that is lost, doubled, turned, replaced or mirrored; where ``start`` equals ``stop``
            something is inserted there. Of a Robertsonian fusion the short arm that is lost.
        donor: type that a foreign segment, arm or chromosome is from.
        donor_start: where in the donor it begins.
        size: length of what is lost, added, turned or replaced, as a share of the chromosome.
    """

    kind: Kind
    chromosome: str
    start: float
    stop: float
    donor: str | None = None
    donor_start: float = 0.0
    size: float = 1.0

    @property
    def cuts(self) -> tuple[float, ...]:
        """Where a null edit cuts: as many places as this abnormality leaves seams."""
        if self.kind == "unlike_pair":
            return ()
        if self.kind == "insertion":
            return (self.start, min(self.start + self.size, 1.0))
        if self.kind == "isochromosome":
            return (self.start if self.start > 0 else self.stop,)
        if self.kind == "robertsonian":
            return (self.stop,)
        return (self.start,) if self.kind == "deletion" else (self.start, self.stop)


@dataclass(frozen=True)
class Manifest:
    """How one artificial bag was made.

    Attributes:
        case: whose metaphases they are; of a bag that mixes cases, that of the first metaphase.
        chromosome: type of the pairs.
        metaphases: names, one a pair.
        affected: of each pair, which homolog was changed (0 or 1); -1 where none was.
        abnormality: None for a normal bag.
    """

    case: str
    chromosome: str
    metaphases: tuple[str, ...]
    affected: tuple[int, ...]
    abnormality: Abnormality | None = None

    def record(self) -> dict[str, Any]:
        """The same as plain values, for JSON or a table."""
        return asdict(self)


@dataclass(frozen=True, eq=False)
class Edited:
    """A chromosome after cuts and joins.

    Attributes:
        values: float32, shape (rows, width).
        seams: rows at which pieces were joined.
        region: where the abnormality is, as shares of the new length; None after a null edit.
    """

    values: FloatArray
    seams: tuple[int, ...]
    region: tuple[float, float] | None = None


def possible_kinds(chromosome: str, donors: Sequence[str], kinds: Sequence[Kind] = KINDS) -> tuple[Kind, ...]:
    """The kinds that can befall a chromosome, given which other types its metaphases have."""
    return tuple(
        kind
        for kind in kinds
        if kind not in _DONORS or any(_DONORS[kind](chromosome, donor) for donor in donors if donor != chromosome)
    )


def draw_abnormality(
    chromosome: str,
    generator: np.random.Generator,
    donors: Sequence[str] = (),
    kinds: Sequence[Kind] = KINDS,
    sizes: tuple[float, float] = SIZES,
) -> Abnormality:
    """Draw kind, size and breakpoints of an abnormality; every possible kind is equally likely.

    Args:
        chromosome: type that it befalls, one of :data:`karyonet.case.LABELS`.
        generator: decides everything.
        donors: types that every metaphase of the bag has.
        kinds: to choose from.
        sizes: least and largest share of the chromosome, of the kinds whose size is free.

    Raises:
        ArrayError: K501 if there is no such chromosome, no size between 0 and 1, or no kind that is possible.
    """
    if chromosome not in LABELS:
        raise ArrayError("K501", what="chromosome", expected="1 to 22, X or Y", actual=repr(chromosome))
    if not 0 < sizes[0] <= sizes[1] < 1:
        raise ArrayError("K501", what="sizes", expected="shares between 0 and 1, the smaller first", actual=sizes)
    possible = possible_kinds(chromosome, donors, kinds)
    if not possible:
        expected = f"some that can befall chromosome {chromosome} beside {', '.join(donors) or 'no other type'}"
        raise ArrayError("K501", what="kinds", expected=expected, actual=", ".join(kinds) or "none")
    kind = possible[int(generator.integers(len(possible)))]
    centromere = centromeric_index(chromosome)
    if kind == "isochromosome":
        long_arm = centromere < _SHORT_ARM or generator.random() < 0.75
        start, stop = (centromere, 1.0) if long_arm else (0.0, centromere)
        return Abnormality(kind, chromosome, start, stop, size=stop - start)
    donor, ratio = None, 1.0
    if kind in _DONORS:
        usable = [name for name in donors if name != chromosome and _DONORS[kind](chromosome, name)]
        donor = usable[int(generator.integers(len(usable)))]
        ratio = relative_length(chromosome) / relative_length(donor)
    if kind == "unlike_pair":
        return Abnormality(kind, chromosome, 0.0, 1.0, donor)
    if kind == "robertsonian" and donor is not None:
        joined = centromeric_index(donor)
        return Abnormality(kind, chromosome, 0.0, centromere, donor, joined, (1 - joined) / ratio)
    # A foreign segment must fit between the caps of its donor.
    inner = 1 - 2 * CAP
    size = min(float(generator.uniform(*sizes)), inner, inner / ratio)
    donor_start = float(generator.uniform(CAP, max(1 - CAP - size * ratio, CAP))) if donor is not None else 0.0
    start = float(generator.uniform(CAP, 1 - CAP - (0.0 if kind == "insertion" else size)))
    if kind != "insertion" and generator.random() < _TERMINAL:
        start = CAP if generator.random() < 0.5 else 1 - CAP - size
    stop = start if kind == "insertion" else start + size
    return Abnormality(kind, chromosome, start, stop, donor, donor_start, size)


def alter(
    abnormality: Abnormality,
    host: FloatArray,
    donor: FloatArray | None = None,
    generator: np.random.Generator | None = None,
    jitter: float = JITTER,
) -> Edited:
    """A chromosome with an abnormality.

    Args:
        abnormality: what happens to it.
        host: float32, shape (rows, width), the normal chromosome, short arm first.
        donor: the same for a chromosome of the type ``abnormality.donor`` of the same metaphase, so that stain and
            condensation agree; of another width, the narrower of the two is filled up with background on both sides.
            None for the kinds that need none.
        generator: of the jitter; None leaves the breakpoints where they are.
        jitter: how far a breakpoint may be off, as a share of the chromosome.

    Raises:
        ArrayError: K501 for an array of other than two dimensions, or a donor that is missing.
    """
    if abnormality.donor is not None and donor is None:
        raise ArrayError("K501", what="donor", expected=f"a chromosome {abnormality.donor}", actual="None")
    host, donor = _same_width(host, None if abnormality.donor is None else donor)
    rows = len(host)
    low, high = _breaks(abnormality, rows, generator, jitter)
    if donor is None:
        return _own_material(abnormality.kind, host, low, high, by_short_arm=abnormality.start == 0)
    if abnormality.kind == "unlike_pair":
        return Edited(donor, (), (0.0, 1.0))
    begin = round(abnormality.donor_start * len(donor))
    if abnormality.kind == "robertsonian":
        return _joined([donor[begin:][::-1], host[high:]], lambda at, total: (0, at[0]))
    taken = max(min(round(abnormality.size * rows), len(donor)), 1)
    if abnormality.kind == "translocation":  # the length stays what it was
        taken = min(high - low, len(donor))
    begin = min(begin, len(donor) - taken)
    return _joined([host[:low], donor[begin : begin + taken], host[high:]], lambda at, total: (at[0], at[-1]))


def null_edit(
    abnormality: Abnormality,
    host: FloatArray,
    generator: np.random.Generator | None = None,
    jitter: float = JITTER,
) -> Edited:
    """A chromosome cut and joined again in place, with as many seams as ``abnormality`` would leave.

    Normal chromosomes are edited this way, so that a seam says nothing.

    Args:
        abnormality: whose cuts are made. host, generator, jitter: as for :func:`alter`.
    """
    host, _ = _same_width(host, None)
    rows = len(host)
    shifts = np.zeros(2) if generator is None else generator.uniform(-jitter, jitter, 2)
    places = [round((cut + shift) * rows) for cut, shift in zip(abnormality.cuts, shifts, strict=False)]
    # Two cuts at one place, or one at the very end, would leave fewer seams.
    for number, place in enumerate(sorted(places)):
        places[number] = min(max(place, 1 + number), rows - len(places) + number)
        if number and places[number] <= places[number - 1]:
            places[number] = places[number - 1] + 1
    bounds = [0, *places, rows]
    edited = _joined([host[a:b] for a, b in pairwise(bounds)], lambda at, total: (0, 0))
    return Edited(edited.values, edited.seams)


def edit_pair(
    abnormality: Abnormality,
    pair: tuple[FloatArray, FloatArray],
    affected: int | None,
    donor: FloatArray | None,
    generator: np.random.Generator,
    jitter: float = JITTER,
) -> tuple[Edited, Edited]:
    """The two homologs of a metaphase: one altered, the other cut in place; or both cut in place.

    Args:
        abnormality: of the bag, or the one whose seams a normal bag is given.
        pair: float32, shape (rows, width) each, short arm first.
        affected: which of them is altered, 0 or 1; None for a normal pair.
        donor: as for :func:`alter`.
        generator, jitter: as for :func:`alter`.
    """
    first, second = (
        alter(abnormality, host, donor, generator, jitter)
        if number == affected
        else null_edit(abnormality, host, generator, jitter)
        for number, host in enumerate(pair)
    )
    return first, second


_DONORS: dict[Kind, Callable[[str, str], bool]] = {
    "insertion": lambda chromosome, donor: True,
    "translocation": lambda chromosome, donor: True,
    "robertsonian": lambda chromosome, donor: chromosome in ACROCENTRIC and donor in ACROCENTRIC,
    "unlike_pair": lambda chromosome, donor: any({chromosome, donor} <= set(group) for group in GROUPS),
}
"""Of the kinds that take something from another chromosome, from which."""


def _own_material(kind: Kind, host: FloatArray, low: int, high: int, by_short_arm: bool) -> Edited:
    middle = host[low:high]
    if kind == "deletion":
        # What is missing has no place; its place is where the rest was joined.
        return _joined([host[:low], host[high:]], lambda at, total: (max(at[0] - 2, 0), min(at[0] + 2, total)))
    if kind == "duplication":
        return _joined([host[:high], middle, host[high:]], lambda at, total: (low, at[1]))
    if kind == "inversion":
        return _joined([host[:low], middle[::-1], host[high:]], lambda at, total: (low, high))
    if by_short_arm:  # isochromosomes, of the short arm and of the long one
        return _joined([host[:high], host[:high][::-1]], lambda at, total: (at[0], total))
    return _joined([host[low:][::-1], host[low:]], lambda at, total: (0, at[0]))


def _breaks(
    abnormality: Abnormality, rows: int, generator: np.random.Generator | None, jitter: float
) -> tuple[int, int]:
    """First row of the segment and the row after it, at least one row apart unless something is inserted."""
    shifts = np.zeros(2) if generator is None else generator.uniform(-jitter, jitter, 2)
    ends = [abnormality.start + shifts[0], abnormality.stop + shifts[1]]
    if abnormality.kind == "insertion":
        ends[1] = ends[0]
    low, high = (min(max(round(end * rows), 1), rows - 1) for end in ends)
    if abnormality.kind == "insertion":
        return low, low
    if high <= low:
        low, high = (low - 1, low) if low > 1 else (low, low + 1)
    return low, high


def _joined(pieces: Sequence[FloatArray], region: Callable[[tuple[int, ...], int], tuple[int, int]]) -> Edited:
    """Pieces end to end, the row on either side of every seam smoothed with its neighbours (1, 2, 1)."""
    pieces = [piece for piece in pieces if len(piece)]
    whole = np.concatenate(pieces)
    seams = tuple(int(row) for row in np.cumsum([len(piece) for piece in pieces])[:-1])
    values = whole.copy()
    for row in (row for seam in seams for row in (seam - 1, seam)):
        values[row] = (whole[max(row - 1, 0)] + 2 * whole[row] + whole[min(row + 1, len(whole) - 1)]) / 4
    total = len(values)
    first, last = region(seams, total)
    return Edited(values, seams, (first / total, last / total))


def _same_width(host: FloatArray, donor: FloatArray | None) -> tuple[FloatArray, FloatArray | None]:
    arrays = [np.asarray(array, dtype=np.float32) for array in (host, donor) if array is not None]
    for array in arrays:
        if array.ndim != 2 or len(array) < 4:
            shape = f"shape {array.shape}"
            raise ArrayError(
                "K501", what="a chromosome", expected="of shape (rows, width), 4 rows or more", actual=shape
            )
    width = max(array.shape[1] for array in arrays)
    filled = []
    for array in arrays:
        before = (width - array.shape[1]) // 2
        filled.append(np.pad(array, ((0, 0), (before, width - array.shape[1] - before))))
    return filled[0], filled[1] if donor is not None else None
