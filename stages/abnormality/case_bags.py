"""From the chromosomes of a case to bags of homolog pairs, by the code that prepares profiles for training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from karyonet.case import LABELS, Case, Chromosome, FloatArray, Metaphase
from karyonet.training.strip_pack import LabelledStrip, median_strip_length, pack_cell, typical_density

from .bags import CaseBags, LabelledProfile, make_bag
from .profiles import SURE, Preprocessing, ProfileSet

TYPES = LABELS[:23]
"""Those of which a person can have two homologs to compare."""
_LEAST_ROWS = 4


@dataclass(frozen=True)
class Usable:
    """What is asked of a chromosome before it is compared.

    Attributes:
        least_visible: share of its rows that must show it alone.
        polarity_certainty: how sure its orientation must be, where it is said how sure it is.
    """

    least_visible: float = 0.5
    polarity_certainty: float = SURE

    def __call__(self, chromosome: Chromosome) -> bool:
        """Whether a straightened chromosome can be compared."""
        assert chromosome.strip is not None
        if chromosome.p_arm_up is None or chromosome.strip.valid.mean() < self.least_visible:
            return False
        return chromosome.polarity_certainty is None or chromosome.polarity_certainty >= self.polarity_certainty


def compared_pairs(
    case: Case, preprocessing: Preprocessing, usable: Usable = Usable(), most: int | None = None
) -> CaseBags:
    """The bag of every type of a case, and why others have none.

    A pair is what a metaphase has exactly two of. It is left out where an earlier stage gave a reason against its
    metaphase, where it is not sure which way up one of the two lies, and where too much of one is hidden. Band levels
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
    shown = [chromosome for chromosome in named if usable(chromosome)]
    if not shown:
        return {}
    strips = [_density(chromosome) for chromosome in named]
    pack = pack_cell(
        [LabelledStrip(_density(c), c.label or "", int(bool(c.p_arm_up))) for c in shown],
        case=case, cell=metaphase.id, split="", source="",
        median_length=median_strip_length(strips), density=typical_density(strips),
    )  # fmt: skip
    known = ProfileSet.from_pack(pack)
    scale = preprocessing.scale(float(known.median_length[0]))
    found = {}
    for chromosome, profile in zip(shown, known.profiles, strict=True):
        assert chromosome.strip is not None and chromosome.label is not None
        valid = chromosome.strip.valid if chromosome.p_arm_up else chromosome.strip.valid[::-1]
        placed, seen = preprocessing.place(profile, scale, valid)
        if seen.any():
            found[chromosome.id] = LabelledProfile(placed, seen, chromosome.label, metaphase.id, case, id=chromosome.id)
    return found


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
