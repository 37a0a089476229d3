"""How metaphases look: the parameters of ``appearance.yaml`` and one metaphase's draw from them."""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np
import yaml

from karyonet.simulate.layout import Style

_SHARES = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0)
"""Shares of the images to which the five values of a parameter belong; beyond the outer two the value stays."""


@dataclass(frozen=True)
class Look:
    """The appearance of one metaphase. Lengths are pixels, or half widths of a chromosome where it says so.

    Attributes:
        scale: pixels per 1,000 ISCN units.
        width: of a chromosome.
        length_spread: standard deviation of the logarithm of chromosomes' lengths.
        contrast: optical density of a full stain (fluorescence: grey value).
        contrast_spread: standard deviation of its logarithm between chromosomes.
        base_stain: stain of the lightest band, as a share of the full one.
        bulge: relative width that a dark band has more than a light one.
        raggedness: standard deviation of the relative width along a chromatid.
        constriction: relative width that the centromere has less.
        chromatid_gap: offset of a chromatid's axis, in half widths.
        chromatid_shift: standard deviation of a band's shift between chromatids, in half widths.
        flatness: exponent of a chromatid's cross section; 0 is a flat plate, 0.5 a cylinder.
        grain, grain_size: standard deviation and pixels of the fine texture.
        turning: median of a chromosome's bend in radians, for one five times as long as wide.
        turning_spread: standard deviation of its logarithm.
        field: area per chromosome that a metaphase spreads over, in squared widths.
        roundness: shorter by longer axis of the spread.
        background: grey value, 0–1, of the unstained slide.
        gradient: difference of the background over the image.
        glare: share by which the background exceeds white before it is cut off.
        noise, noise_size: standard deviation of the grey noise, and pixels that it is smoothed by.
        stain_noise: standard deviation of the pixel noise where the stain is full.
        jitter: standard deviation in pixels by which the camera misplaces every pixel; it roughens edges.
        haze: share of the stain that is spread around the chromosomes.
        blur: standard deviation of the optics' point spread.
        sharpening: share of unsharp masking by the camera.
        addition: share of the lighter stain that counts where two chromosomes cross; 1 adds all of it.
        nuclei: share of the image that interphase nuclei cover.
        specks: number of specks of debris.
    """

    scale: float
    width: float
    length_spread: float
    contrast: float
    contrast_spread: float
    base_stain: float
    bulge: float
    raggedness: float
    constriction: float
    chromatid_gap: float
    chromatid_shift: float
    flatness: float
    grain: float
    grain_size: float
    turning: float
    turning_spread: float
    field: float
    roundness: float
    background: float
    gradient: float
    glare: float
    noise: float
    noise_size: float
    stain_noise: float
    jitter: float
    haze: float
    blur: float
    sharpening: float
    addition: float
    nuclei: float
    specks: float


@cache
def parameters() -> dict[str, Any]:
    """The content of ``appearance.yaml``."""
    text = files("karyonet.simulate").joinpath("appearance.yaml").read_text(encoding="utf-8")
    return dict(yaml.safe_load(text))


def draw_look(style: Style, generator: np.random.Generator) -> Look:
    """Draw the appearance of a metaphase: every parameter by its own quantiles, independently."""
    known = parameters()[style]
    shares = generator.random(len(fields(Look)))
    return Look(
        **{field.name: _at(known[field.name], float(share)) for field, share in zip(fields(Look), shares, strict=True)}
    )


def _at(values: float | list[float], share: float) -> float:
    if isinstance(values, (int, float)):
        return float(values)
    return float(np.interp(share, _SHARES, [values[0], *values, values[-1]]))
