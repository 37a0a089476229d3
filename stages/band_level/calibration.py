"""The constants of the counting estimator, fitted on simulated metaphases."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from karyonet.config import read_constants

SHIPPED = Path(__file__).with_name("counting.yaml")

Finite = Annotated[float, Field(allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Spread = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class Calibration(BaseModel):
    """What :mod:`~karyonet.stages.band_level.counting` cannot know from the ideogram. Lengths are in widths (w).

    Attributes:
        version: of the estimator, as the report states it.
        smoothing: standard deviation that profiles are smoothed with before transitions are counted (w).
        least_swing: share of a profile's contrast that counts as a transition.
        resolution: standard deviation of the blur that an ideogram is seen through in an image (w).
        slenderness: length of the 22 autosomes of a haploid set together at 550 bands (w).
        stretching: exponent with which that grows with the band level.
        gain, offset: transitions counted in an image = offset + gain · transitions of the blurred ideogram.
        intercept, of_count, of_slenderness: log(bphs / 550) = intercept + of_count · log(bphs by counting / 550) +
            of_slenderness · log(slenderness / that at 550 bands).
        spread: standard deviation of the logarithm of bphs that metaphases keep however many chromosomes are counted.
        fitted: how it was fitted and what was measured; read by people alone.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    version: str
    smoothing: Positive
    least_swing: Annotated[float, Field(gt=0, lt=1)]
    resolution: Positive
    slenderness: Positive
    stretching: Finite
    gain: Positive
    offset: Finite
    intercept: Finite
    of_count: Spread
    of_slenderness: Spread
    spread: Spread
    fitted: dict[str, Any] = {}


def read_calibration(path: Path = SHIPPED) -> Calibration:
    """Read the constants that ``tools/fit_band_level.py`` wrote.

    Raises:
        ConfigError: K201 if the file cannot be read, K202 or K203 if it holds something else.
    """
    return read_constants(Calibration, path, SHIPPED.name)
