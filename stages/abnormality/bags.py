"""Bags of homolog pairs: what the network reads, one bag a chromosome type of a case."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from karyonet.case import LABELS, FloatArray
from karyonet.errors import ArrayError

BAND_LEVELS = (300.0, 400.0, 550.0, 700.0)
"""Levels of the paper's band code, in bands a haploid set."""


@dataclass(frozen=True, eq=False)
class LabelledProfile:
    """The profiles of one chromosome of a metaphase.

    Attributes:
        profile: float32, shape (2, samples): left and right half from the short arm on, 1.0 is the mean density of the
            metaphase's chromosomes (:func:`karyonet.geometry.profiles.left_right_profiles`).
        valid: bool, shape (samples,): samples that show this chromosome; not those beyond its end, nor those hidden
            under another chromosome.
        label: one of :data:`karyonet.case.LABELS`.
        metaphase, case: what it is from.
        band_level: of the metaphase in bands a haploid set; None if unknown.
        id: of the chromosome, for the report.
        doubt: how much its look speaks against its label, in nats (:func:`karyonet.stages.abnormality.look.doubt`).
    """

    profile: FloatArray
    valid: NDArray[np.bool_]
    label: str
    metaphase: str
    case: str = ""
    band_level: float | None = None
    id: str = ""
    doubt: float = 0.0


@dataclass(frozen=True, eq=False)
class ProfilePair:
    """The two homologs of one metaphase.

    Attributes:
        profiles: float32, shape (2, 2, samples): homolog, half, sample.
        valid: bool, shape (2, samples).
        metaphase: its name.
        band_level: as of the profiles.
        ids: of the chromosomes.
        doubt: of the one whose look speaks more against its label.
    """

    profiles: FloatArray
    valid: NDArray[np.bool_]
    metaphase: str
    band_level: float | None = None
    ids: tuple[str, str] = ("", "")
    doubt: float = 0.0


@dataclass(frozen=True, eq=False)
class Bag:
    """The homolog pairs of one chromosome type of one case.

    Attributes:
        chromosome: the type, one of :data:`karyonet.case.LABELS`.
        pairs: one a metaphase, at least one.
        case: whose they are.
    """

    chromosome: str
    pairs: tuple[ProfilePair, ...]
    case: str = ""

    @property
    def doubt(self) -> float:
        """How much the look of a homolog speaks against the type in every metaphase: the least of the pairs' doubts."""
        return min(pair.doubt for pair in self.pairs)


class BagBatch(NamedTuple):
    """Bags side by side, filled up to the one with most metaphases.

    Attributes:
        profiles: float32, shape (b, m, 2, 2, samples): bag, metaphase, homolog, half, sample.
        valid: bool, shape (b, m, 2, samples).
        present: bool, shape (b, m): places that hold a metaphase.
        chromosome: int64, shape (b,), index in :data:`karyonet.case.LABELS`.
        bands: float32, shape (b, m, 4), see :func:`band_code`.
    """

    profiles: Tensor
    valid: Tensor
    present: Tensor
    chromosome: Tensor
    bands: Tensor


@dataclass(frozen=True)
class CaseBags:
    """The bags of a case, and why there is none of other types.

    Attributes:
        bags: in the order of :data:`karyonet.case.LABELS`.
        skipped: by chromosome type, the sentence for the report.
    """

    bags: tuple[Bag, ...]
    skipped: Mapping[str, str] = field(default_factory=dict)


def band_code(level: float | None) -> FloatArray:
    """The paper's one-hot code of a band level; between two levels it is shared in proportion, unknown is zero.

    Args:
        level: bands a haploid set; None if unknown.

    Returns:
        float32, shape (4,).
    """
    code = np.zeros(len(BAND_LEVELS), dtype=np.float32)
    if level is not None and np.isfinite(level):
        place = float(np.interp(level, BAND_LEVELS, np.arange(len(BAND_LEVELS))))
        low = int(place)
        code[low] = 1 - (place - low)
        if place > low:
            code[low + 1] = place - low
    return code


def make_bag(profiles: Sequence[LabelledProfile], samples: int | None = None) -> Bag:
    """A bag of the chromosomes of one type.

    Args:
        profiles: of one type, two of every metaphase, in any order.
        samples: length that they must have; None takes that of the first.

    Raises:
        ArrayError: K501 for no profiles, a wrong shape, or values that are not finite, K503 where a metaphase has not
            exactly two homologs, K504 if the profiles are of different types.
    """
    if not profiles:
        raise ArrayError("K501", what="profiles", expected="at least two homologs", actual="empty")
    types = sorted({profile.label for profile in profiles})
    if len(types) > 1:
        raise ArrayError("K504", types=", ".join(types))
    if types[0] not in LABELS:
        raise ArrayError("K501", what="label", expected="1 to 22, X or Y", actual=repr(types[0]))
    samples = np.shape(profiles[0].profile)[-1] if samples is None else samples
    members: dict[str, list[LabelledProfile]] = {}
    for profile in profiles:
        _check(profile, samples)
        members.setdefault(profile.metaphase, []).append(profile)
    for metaphase, homologs in members.items():
        if len(homologs) != 2:
            raise ArrayError("K503", chromosome=types[0], metaphase=metaphase, count=len(homologs))
    return Bag(types[0], tuple(_pair(*homologs) for homologs in members.values()), profiles[0].case)


def bags_of_case(profiles: Sequence[LabelledProfile], samples: int | None = None) -> CaseBags:
    """The bags of all types of a case: a metaphase without a pair of a type is left out of that type's bag.

    Nothing is raised for what a case may lack. A type without any pair, or with a profile that cannot be used, is
    skipped, and the reason given.

    Args:
        profiles: of one case, of any types.
        samples: length that they must have; None takes that of the first of each type.
    """
    bags, skipped = [], {}
    for label in LABELS:
        of_type = [profile for profile in profiles if profile.label == label]
        counts: dict[str, int] = {}
        for profile in of_type:
            counts[profile.metaphase] = counts.get(profile.metaphase, 0) + 1
        paired = [profile for profile in of_type if counts[profile.metaphase] == 2]
        if not paired:
            if of_type:
                skipped[label] = f"no metaphase has exactly two of chromosome {label} to compare"
            continue
        try:
            bags.append(make_bag(paired, samples))
        except ArrayError as fault:
            skipped[label] = fault.message
    return CaseBags(tuple(bags), skipped)


def collate(bags: Sequence[Bag]) -> BagBatch:
    """Bags side by side.

    Raises:
        ArrayError: K501 if there is no bag, or if their profiles differ in length.
    """
    if not bags:
        raise ArrayError("K501", what="bags", expected="at least one bag", actual="empty")
    samples = bags[0].pairs[0].profiles.shape[-1]
    shape = len(bags), max(len(bag.pairs) for bag in bags)
    profiles = np.zeros((*shape, 2, 2, samples), dtype=np.float32)
    valid = np.zeros((*shape, 2, samples), dtype=bool)
    present = np.zeros(shape, dtype=bool)
    bands = np.zeros((*shape, len(BAND_LEVELS)), dtype=np.float32)
    for row, bag in enumerate(bags):
        for place, pair in enumerate(bag.pairs):
            if pair.profiles.shape != (2, 2, samples):
                actual = f"{pair.profiles.shape[-1]} in bag {row}"
                raise ArrayError("K501", what="profiles", expected=f"of {samples} samples in every bag", actual=actual)
            profiles[row, place], valid[row, place] = pair.profiles, pair.valid
            bands[row, place] = band_code(pair.band_level)
            present[row, place] = True
    chromosomes = np.array([LABELS.index(bag.chromosome) for bag in bags], dtype=np.int64)
    return BagBatch(*(torch.from_numpy(array) for array in (profiles, valid, present, chromosomes, bands)))


def _pair(first: LabelledProfile, second: LabelledProfile) -> ProfilePair:
    return ProfilePair(
        np.stack([first.profile, second.profile]).astype(np.float32),
        np.stack([first.valid, second.valid]).astype(bool),
        first.metaphase,
        first.band_level,
        (first.id, second.id),
        max(first.doubt, second.doubt),
    )


def _check(one: LabelledProfile, samples: int) -> None:
    what = f"a profile of chromosome {one.label} of metaphase {one.metaphase}"
    shape = np.shape(one.profile)
    if shape != (2, samples):
        raise ArrayError("K501", what=what, expected=f"of shape (2, {samples})", actual=f"of shape {shape}")
    if np.shape(one.valid) != (samples,):
        actual = f"of shape {np.shape(one.valid)}"
        raise ArrayError("K501", what=f"valid of {what}", expected=f"of shape ({samples},)", actual=actual)
    if not np.isfinite(one.profile).all():
        raise ArrayError("K501", what=what, expected="finite", actual="an array with NaN or infinity")
    if not np.any(one.valid):
        raise ArrayError("K501", what=what, expected="visible in at least one sample", actual="hidden throughout")
