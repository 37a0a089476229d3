"""What a segmentation that sees chromosomes one by one has drawn in components: how many, and how they lie."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Self

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit, logsumexp

from karyonet.case import Metaphase
from karyonet.geometry.region import Region, shared_pixels

FloatArray = NDArray[np.float64]
NEAR = 1 / 42
"""Distance of two chromosomes that still meet, over the median of the longer sides of a metaphase's boxes."""
_LEAST = 1e-3
_IMPOSSIBLE = 1e-4
_SMALLEST = 0.01


class Seen(NamedTuple):
    """The chromosomes that were drawn in n components.

    Attributes:
        numbers: int64, shape (n,), how many have at least half of their pixels in each.
        meetings: of each, float64, the area that every two of them which meet have in common, over that of the
            metaphase's median chromosome; 0 where they touch.
    """

    numbers: NDArray[np.int64]
    meetings: tuple[FloatArray, ...]

    @classmethod
    def of(cls, metaphase: Metaphase, regions: Sequence[Region], size: float) -> Self | None:
        """What is drawn in components of a metaphase.

        Args:
            metaphase: with the instances of a segmentation.
            regions: of the components.
            size: median of the longer sides of the boxes of the metaphase's chromosomes, in pixels.

        Returns:
            None if the segmentation is sure of no chromosome by itself.
        """
        drawn = [instance.region for instance in metaphase.instances if not instance.doubtful]
        if not drawn:
            return None
        areas = np.array([region.area for region in drawn])
        inside = 2 * shared_pixels(regions, drawn) >= areas
        members = [[drawn[place] for place in np.flatnonzero(row)] for row in inside]
        margin, typical = max(round(NEAR * size), 1), float(np.median(areas))
        meetings = tuple(meeting_areas(ones, margin) / typical for ones in members)
        return cls(inside.sum(axis=1).astype(np.int64), meetings)


def meeting_areas(regions: Sequence[Region], margin: int) -> FloatArray:
    """Pixels that every two regions have in common, for those two that come as near as ``margin`` pixels."""
    if len(regions) < 2:
        return np.zeros(0)
    near = np.triu(shared_pixels([_wider(region, margin) for region in regions], regions), 1) > 0
    return shared_pixels(regions, regions)[near].astype(np.float64)


def _wider(region: Region, margin: int) -> Region:
    xmin, ymin, xmax, ymax = region.bbox
    mask = cv2.dilate(np.pad(region.mask, margin).astype(np.uint8), np.ones((3, 3), np.uint8), iterations=margin)
    return Region((xmin - margin, ymin - margin, xmax + margin, ymax + margin), mask > 0)


class Laid(NamedTuple):
    """How chromosomes lie, judged by the pixels that every two which meet have in common.

    Two that meet overlap with log odds of ``slope`` · (ln(area + 0.01) - ``middle``), else they touch; a component
    is of the type that its meetings make together. That is weighed against what the network says of the type.

    Attributes:
        slope, middle: of a meeting.
        masks, network: weights of the log probabilities of both.
    """

    slope: float
    middle: float
    masks: float
    network: float

    @classmethod
    def of(cls, thresholds: Mapping[str, float]) -> Self | None:
        """As the thresholds of a model card have it; None where they do not."""
        names = [f"laid_{name}" for name in cls._fields]
        return cls(*(thresholds[name] for name in names)) if all(name in thresholds for name in names) else None

    def on_card(self) -> dict[str, float]:
        """The thresholds of a model card that :meth:`of` reads."""
        return {f"laid_{name}": value for name, value in self._asdict().items()}

    def weighed(self, types: FloatArray, meetings: Sequence[FloatArray]) -> FloatArray:
        """Log probabilities, up to a constant, that a component is touching, overlapping or both.

        Args:
            types: shape (n, 3), what the network says of that.
            meetings: as of :class:`Seen`. Where nothing meets the network decides alone.
        """
        weighed = np.array(types, dtype=np.float64)
        for row, areas in zip(weighed, meetings, strict=True):
            if len(areas):
                row[:] = self.network * row + self.masks * self.of_meetings(areas)
        return weighed

    def of_meetings(self, areas: FloatArray) -> FloatArray:
        """Log probabilities, shape (3,), that all meetings of a component touch, overlap, or some do either."""
        odds = self.slope * (np.log(areas + _SMALLEST) - self.middle)
        overlap = np.clip(expit(odds), _LEAST, 1 - _LEAST)
        touching, overlapping = float(np.log1p(-overlap).sum()), float(np.log(overlap).sum())
        both = 1 - np.exp(logsumexp([touching, overlapping])) if len(areas) > 1 else 0.0
        return np.array([touching, overlapping, np.log(max(both, _IMPOSSIBLE))])

    @classmethod
    def fitted(
        cls, types: FloatArray, numbers: FloatArray, meetings: Sequence[FloatArray], true: NDArray[np.int64]
    ) -> Self:
        """Fit it to components of which a person has said how they lie.

        Args:
            types: shape (n, 3), log probabilities of the network.
            numbers: shape (n,), log probability that a component holds more than two, without which it cannot be both.
            meetings: as of :class:`Seen`.
            true: int64, shape (n,), 0–2.
        """
        rows, both = np.arange(len(true)), np.array([0.0, 0.0, 1.0])

        def loss(values: FloatArray) -> float:
            said = cls(*values.tolist()).weighed(types, meetings) + both * numbers[:, None]
            said -= logsumexp(said, axis=1, keepdims=True)
            return float(-said[rows, true].mean() + 1e-3 * values @ values)

        start = np.array([3.0, np.log(0.07), 0.7, 0.5])
        return cls(*minimize(loss, start, method="Nelder-Mead", options={"maxiter": 2000}).x.tolist())
