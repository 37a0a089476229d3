"""From the chromosomes of a case to bags of homolog pairs, by the code that prepares profiles for training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from karyonet.case import LABELS, Case, Chromosome, FloatArray, Metaphase
from karyonet.training.strip_pack import LabelledStrip, median_strip_length, pack_cell, typical_density

from .bags import CaseBags, LabelledProfile, make_bag
from .look import doubt
from .orientation import SURE, orient_pair
from .profiles import Preprocessing, ProfileSet

TYPES = LABELS[:23]
"""Those of which a person can have two homologs to compare."""
_LEAST_ROWS = 4


@dataclass(frozen=True)
class Usable:
    """What is asked of a chromosome before it is compared.

    Attributes:
        least_visible: share of its rows that must show it alone.
        polarity_certainty: how sure its orientation must be; with less it is turned as its homolog lies.
    """

    least_visible: float = 0.5
    polarity_certainty: float = SURE


def compared_pairs(
    case: Case, preprocessing: Preprocessing, usable: Usable = Usable(), most: int | None = None
) -> CaseBags:
    """The bag of every type of a case, and why others have none.

    A pair is what a metaphase has exactly two of. It is left out where an earlier stage gave a reason against its
    metaphase, where it is not known which way up the two lie, and where too much of one is hidden. Band levels
    are left unknown, as in training.

    Args:
        case: straightened and named.
        preprocessing: of the network.
        usable: what is asked of a chromosome.
        most: metaphases of a bag, those of the best quality; None takes all.
    """
    read = [metaphase for metaphase in case.metaphases if not metaphase.reasons]
    profiles = {m.id: profiles_of(m, preprocessing, usable, case.id) for m in read}
    bags, skipped = [], {}
    for label in TYPES:
        named = {m.id: [c.id for c in m.chromosomes if c.label == label] for m in read}
        pairs = {name: ids for name, ids in named.items() if len(ids) == 2}
        showing = [m for m in read if m.id in pairs and all(one in profiles[m.id] for one in pairs[m.id])]
        if showing:
            chosen = {m.id for m in sorted(showing, key=_by_quality)[:most]}
            kept = [profiles[m.id][one] for m in showing if m.id in chosen for one in pairs[m.id]]
            bags.append(make_bag(kept, preprocessing.samples))
        elif not read:
            skipped[label] = "no metaphase of this case can be used"
        elif pairs:
            skipped[label] = f"in no metaphase can both of chromosome {label} be seen well enough to compare them"
        else:
            skipped[label] = f"no metaphase has exactly two of chromosome {label} to compare"
    return CaseBags(tuple(bags), skipped)


def profiles_of(
    metaphase: Metaphase, preprocessing: Preprocessing, usable: Usable = Usable(), case: str = ""
) -> Mapping[str, LabelledProfile]:
    """The profiles of the chromosomes of a metaphase that can be compared, by their ids.

    Args:
        metaphase: straightened and named; scale and stain are read from all its named chromosomes.
        preprocessing, usable: as for :func:`compared_pairs`.
        case: its name.
    """
    named = [c for c in metaphase.chromosomes if c.label in LABELS and _shows_something(c)]
    up = _orientations(named, usable.polarity_certainty)
    shown = [c for c in named if c.id in up and _visible_share(c) >= usable.least_visible]
    if not shown:
        return {}
    strips = [_density(chromosome) for chromosome in named]
    pack = pack_cell(
        [LabelledStrip(_density(c), c.label or "", int(up[c.id])) for c in shown],
        case=case, cell=metaphase.id, split="", source="",
        median_length=median_strip_length(strips), density=typical_density(strips),
    )  # fmt: skip
    known = ProfileSet.from_pack(pack)
    scale = preprocessing.scale(float(known.median_length[0]))
    found = {}
    for chromosome, profile in zip(shown, known.profiles, strict=True):
        assert chromosome.strip is not None and chromosome.label is not None
        valid = chromosome.strip.valid if up[chromosome.id] else chromosome.strip.valid[::-1]
        placed, seen = preprocessing.place(profile, scale, valid)
        if seen.any():
            found[chromosome.id] = LabelledProfile(
                placed, seen, chromosome.label, metaphase.id, case, id=chromosome.id, doubt=doubt(chromosome)
            )
    return found


def _orientations(named: Sequence[Chromosome], certainty: float) -> dict[str, bool]:
    """Whether the short arm is at row 0, by id, of those of which that is sure or two of a type agree on."""
    by_label: dict[str | None, list[Chromosome]] = {}
    for chromosome in named:
        by_label.setdefault(chromosome.label, []).append(chromosome)
    up: dict[str, bool] = {}
    for chromosomes in by_label.values():
        said = {chromosome.id: _probability_up(chromosome) for chromosome in chromosomes}
        if len(chromosomes) == 2:
            first, second = chromosomes
            both = orient_pair((_density(first), _density(second)), (said[first.id], said[second.id]), certainty)
            up |= {} if both is None else {first.id: both[0], second.id: both[1]}
        else:
            up |= {one: p >= 0.5 for one, p in said.items() if max(p, 1 - p) >= certainty}
    return up


def _probability_up(chromosome: Chromosome) -> float:
    """Of the short arm being at row 0: 0.5 where nothing is said."""
    if chromosome.p_arm_up is None:
        return 0.5
    certainty = 1.0 if chromosome.polarity_certainty is None else chromosome.polarity_certainty
    return certainty if chromosome.p_arm_up else 1 - certainty


def _visible_share(chromosome: Chromosome) -> float:
    assert chromosome.strip is not None
    return float(chromosome.strip.valid.mean())


def _density(chromosome: Chromosome) -> FloatArray:
    assert chromosome.strip is not None
    return chromosome.strip.optical_density


def _shows_something(chromosome: Chromosome) -> bool:
    if chromosome.strip is None or chromosome.strip.length < _LEAST_ROWS:
        return False
    density = chromosome.strip.optical_density
    return bool(np.isfinite(density).all() and (density > 0).any())


def _by_quality(metaphase: Metaphase) -> tuple[float, str]:
    return (0.0 if metaphase.quality is None else -metaphase.quality.score), metaphase.id
