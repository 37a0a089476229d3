"""What the look of homologs adds to their comparison.

A chromosome that is abnormal in structure does not look quite like its type, in any metaphase. One that was misread, or
lies half under another, does so in one metaphase and not in the next. The comparison of the homologs knows nothing of
this: it sees how the two differ, not how a chromosome of their type should look.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from scipy.special import expit, logit

from karyonet.case import LABELS, Chromosome

from .bags import Bag
from .comparison import BagComparison

SUREST = 7.0
"""Log odds of a name beyond which a classifier's sureness says nothing more."""
_LEAST = 1e-12


def doubt(chromosome: Chromosome) -> float:
    """How much its look speaks against its label, in nats: 0 for a sure name, 14 for one that is contradicted.

    Args:
        chromosome: named; one of which no probabilities are known is not doubted.
    """
    if chromosome.probabilities is None or chromosome.label is None:
        return 0.0
    probability = float(np.clip(chromosome.probabilities[LABELS.index(chromosome.label)], _LEAST, 1 - _LEAST))
    return float(SUREST - np.clip(logit(probability), -SUREST, SUREST))


def with_look(said: Sequence[BagComparison], bags: Sequence[Bag], weight: float) -> tuple[BagComparison, ...]:
    """Comparisons whose log odds are raised by how much the look of a homolog is doubted in every metaphase.

    Args:
        said: of the bags.
        weight: of a nat of doubt in a single metaphase.
    """
    return tuple(
        _raised(one, evidence_of(bag.doubt, len(bag.pairs), weight)) for one, bag in zip(said, bags, strict=True)
    )


def evidence_of(least_doubt: float, metaphases: int, weight: float) -> float:
    """Nats by which doubt that no metaphase removes speaks for an abnormality.

    It tells the more, the more metaphases there are: it counts with the square root of their number, between one
    (errors that all share) and the number itself (errors that know nothing of each other).

    Args:
        least_doubt: of the metaphase that doubts it least, in nats.
        metaphases: that were looked at.
        weight: of a nat of doubt in a single metaphase.
    """
    return weight * float(np.sqrt(metaphases)) * least_doubt


def _raised(said: BagComparison, nats: float) -> BagComparison:
    if nats == 0:
        return said
    odds = logit(np.clip(said.probability, _LEAST, 1 - _LEAST))
    return replace(said, probability=float(expit(odds + nats)))
