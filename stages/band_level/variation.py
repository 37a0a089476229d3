"""What varies between slides, cameras and masks and says nothing of the band level: put into training."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from pydantic import BaseModel, ConfigDict, Field
from scipy.ndimage import gaussian_filter1d

from karyonet.case import LABELS, FloatArray, Strip

from .ribbon import Preprocessing, Ribbon, Shaken, lay_ribbon


class Variation(BaseModel):
    """How much is varied, metaphase by metaphase. Spreads are standard deviations of a logarithm.

    Attributes:
        width: spread of the width that the mask suggests. length: of all chromosomes' lengths together.
        single_length: of each one's.
        blur: largest standard deviation of further blur, in samples; half of the metaphases have none.
        noise: largest standard deviation of noise, relative to a typical chromosome's density.
        stain: spread of the exponent that density is raised to.
        dropped: largest share of the chromosomes that are lost. renamed: largest share that bears a wrong name.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    width: float = Field(default=0.04, ge=0)
    length: float = Field(default=0.04, ge=0)
    single_length: float = Field(default=0.03, ge=0)
    blur: float = Field(default=0.8, ge=0)
    noise: float = Field(default=0.08, ge=0)
    stain: float = Field(default=0.12, ge=0)
    dropped: float = Field(default=0.4, ge=0, lt=1)
    renamed: float = Field(default=0.06, ge=0, le=1)

    def lay(
        self,
        strips: Sequence[Strip],
        labels: Sequence[str],
        settings: Preprocessing,
        generator: np.random.Generator,
    ) -> Ribbon:
        """Lay a metaphase on a ribbon, varied; one chromosome at least stays.

        Args:
            strips, labels: of the metaphase.
            settings: of the ribbon.
            generator: all randomness comes from it.
        """
        count = len(strips)
        kept = generator.random(count) >= self.dropped * generator.random() ** 2
        wrong = generator.random(count) < self.renamed * generator.random()
        others = generator.integers(len(LABELS), size=count)
        names = [LABELS[other] if w else label for label, w, other in zip(labels, wrong, others, strict=True)]
        lengths = np.exp(
            self.length * generator.standard_normal() + self.single_length * generator.standard_normal(count)
        )
        width = float(np.exp(self.width * generator.standard_normal()))
        blur = self.blur * max(2 * float(generator.random()) - 1, 0.0)
        noise = self.noise * float(generator.random()) ** 2
        exponent = float(np.exp(self.stain * generator.standard_normal()))

        def picture(density: FloatArray) -> FloatArray:
            shown = density.max(axis=0) > 0
            typical = max(float(density[:, shown].mean()), 1e-6) if shown.any() else 1.0
            varied = np.maximum(density / typical, 0) ** exponent
            if blur > 0.1:
                varied = gaussian_filter1d(varied, blur, axis=1, mode="constant")
            varied = varied + noise * generator.standard_normal(varied.shape, dtype=np.float32)
            result: FloatArray = varied.astype(np.float32)
            return result

        given = [strip if keep else None for strip, keep in zip(strips, kept, strict=True)]
        ribbon = lay_ribbon(given, names, settings, Shaken(width, lengths, picture))
        return ribbon if len(ribbon) else lay_ribbon(strips, labels, settings)
