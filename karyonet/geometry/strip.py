"""A straightened chromosome."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Strip:
    """A chromosome straightened along its axis: row 0 is the end of the axis that lies higher in the image.

    Attributes:
        optical_density: float32, shape (length, width), at the pixel pitch of the image; 0 is background.
        valid: bool, shape (length,); rows that were measured. Rows hidden under another chromosome are False.
        profiles: float32, shape (2, 512): mean density of the left and right half of every row, zero beyond the
            chromosome; in optical density from :func:`~karyonet.geometry.straighten.straighten`, relative to the
            mean of the metaphase's chromosomes from the straightening stage.
        axis: float32, shape (length, 2): row and column in the image of every row's centre.
        confidence: 0–1, how far the axis can be trusted.
    """

    optical_density: NDArray[np.float32]
    valid: NDArray[np.bool_]
    profiles: NDArray[np.float32]
    axis: NDArray[np.float32]
    confidence: float

    @property
    def length(self) -> int:
        """Rows, which is the arc length of the axis in pixels."""
        return int(self.optical_density.shape[0])
