"""What a cluster-type stage may offer besides its answers: maps that show a person what decided them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from karyonet.case import FloatArray
from karyonet.geometry.region import Region


@dataclass(frozen=True, eq=False)
class Explanations:
    """Of n components of a metaphase, what each was taken for and what spoke for it.

    Attributes:
        kinds: what the maps explain, by default what each component was taken for: a type of
            :data:`~karyonet.case.ClusterType`, ``nucleus`` or ``debris``.
        probabilities: float32, shape (n,), of these kinds.
        counts: int64, shape (n,): chromosomes in each, 0 for a nucleus or debris.
        most: the largest number that is told; it means so many or more.
        crops: float32, shape (n, 2, side, side): what the stage looked at, density relative to the mean of the
            metaphase's chromosomes, and 1 in the component, 0 around it.
        maps: float32, shape (n, side, side), 0–1: how much each place spoke for the kind, relative to the place that
            did most; 0 everywhere where none did.
        method: how the maps were made, in a few words for a person.
    """

    kinds: tuple[str, ...]
    probabilities: FloatArray
    counts: NDArray[np.int64]
    most: int
    crops: FloatArray
    maps: FloatArray
    method: str


@runtime_checkable
class TypeExplainer(Protocol):
    """A cluster-type stage that shows what decided."""

    def explain(
        self, optical_density: FloatArray, regions: Sequence[Region], size: float | None = None
    ) -> Explanations:
        """Explain what components of one metaphase are taken for.

        Args:
            optical_density: float32, shape (height, width); 0 is background.
            regions: the components, best all of the metaphase.
            size: median of the longer sides of the boxes that people draw around the metaphase's chromosomes, in
                pixels; None reads it from the components.
        """
