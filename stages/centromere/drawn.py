"""Chromosomes whose centromere is known: straightened out of simulated metaphases."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from typing import ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from rich.progress import track
from scipy.ndimage import gaussian_filter

from karyonet.case import LABELS, FloatArray
from karyonet.geometry.region import Region
from karyonet.geometry.strip import Strip
from karyonet.ideogram import ACROCENTRIC, bands
from karyonet.imaging import to_optical_density
from karyonet.simulate import simulate
from karyonet.simulate.layout import Style
from karyonet.simulate.metaphase import SimulatedChromosome
from karyonet.training.strip_pack import LabelledStrip, StripPack, pack_cell

logger = logging.getLogger(__name__)
SOURCE = "simulated"
_CHANGED = 5
"""Chromosomes that an abnormal metaphase has at least rearranged."""


class RegionStraightener(Protocol):
    """A straightening stage that takes regions, as ours does."""

    def straighten_regions(self, optical_density: FloatArray, regions: list[Region]) -> list[Strip]:
        """One strip a region."""


class Drawing(BaseModel):
    """How metaphases are drawn.

    Attributes:
        metaphases: how many. first_seed: each has its own, from this one on.
        band_levels: between which they are spread evenly.
        abnormal: share of metaphases in which several chromosomes are rearranged, so that a centromere has to be seen
            and cannot be recalled by the chromosome's name.
        fluorescence: share of metaphases that are light on dark.
        mask_error: pixels by which outlines are off, in or out, in half of the metaphases.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    metaphases: int = Field(default=400, ge=1)
    first_seed: int = Field(default=50_000, ge=0)
    band_levels: tuple[float, float] = (400.0, 850.0)
    abnormal: float = Field(default=0.5, ge=0, le=1)
    fluorescence: float = Field(default=0.1, ge=0, le=1)
    mask_error: float = Field(default=1.0, ge=0)


@dataclass(frozen=True, eq=False)
class CentromerePack(StripPack):
    """Strips with the place of their centromere. Rows that another chromosome hides are blank.

    Attributes:
        centromere: float32, shape (n,): from row 0, as a share of the strip's length; NaN where it is not known.
        changed: bool, shape (n,): the chromosome is rearranged.
    """

    kind: ClassVar[str] = "centromere pack"

    centromere: NDArray[np.float32]
    changed: NDArray[np.bool_]

    @classmethod
    def of(cls, pack: StripPack, centromere: FloatArray | None = None, changed: Sequence[bool] = ()) -> CentromerePack:
        """A strip pack with centromeres; without them none is known."""
        places = np.full(len(pack), np.nan) if centromere is None else centromere
        return cls(
            **{name: getattr(pack, name) for name in StripPack.names()},
            centromere=np.asarray(places, dtype=np.float32),
            changed=np.array(changed or [False] * len(pack), dtype=bool),
        )


def draw_pack(
    drawing: Drawing, straightener: RegionStraightener, split: str = "", processes: int = 1
) -> CentromerePack:
    """Draw metaphases and straighten their chromosomes.

    Args:
        drawing: which.
        straightener: a stage; picklable if ``processes`` is more than 1.
        split: that they are to belong to.
        processes: how many metaphases are drawn at a time.
    """
    work = partial(draw_metaphase, drawing, straightener=straightener, split=split)
    numbers = range(drawing.metaphases)
    if processes > 1:
        with ProcessPoolExecutor(processes, get_context("spawn")) as pool:
            drawn = list(track(pool.map(work, numbers, chunksize=4), "drawing", total=len(numbers)))
    else:
        drawn = [work(number) for number in track(numbers, "drawing")]
    return CentromerePack.concatenate(drawn)


def draw_metaphase(drawing: Drawing, number: int, straightener: RegionStraightener, split: str = "") -> CentromerePack:
    """The chromosomes of one metaphase that have one centromere and a name; its seed alone decides what they are."""
    seed = drawing.first_seed + number
    generator = np.random.default_rng((seed, 7))
    style: Style = "qband" if generator.random() < drawing.fluorescence else "gband"
    karyotype = random_karyotype(generator, generator.random() < drawing.abnormal)
    level, crowding = float(generator.uniform(*drawing.band_levels)), float(generator.random())
    metaphase = simulate(karyotype, seed, band_level=level, crowding=crowding, style=style).metaphases[0]
    grey = (metaphase.image / np.float32(255)).astype(np.float32)
    density = to_optical_density(grey, "fluorescence" if style == "qband" else "absorption")
    regions = [chromosome.region for chromosome in metaphase.chromosomes]
    if drawing.mask_error and generator.random() < 0.5:
        level_of_all = generator.normal(0, drawing.mask_error)
        regions = [with_wrong_outline(region, level_of_all, density.shape, generator) for region in regions]
    strips = straightener.straighten_regions(density, regions)
    kept = [
        (chromosome, strip)
        for chromosome, strip in zip(metaphase.chromosomes, strips, strict=True)
        if chromosome.label in LABELS and len(chromosome.centromeres) == 1 and not chromosome.plan.ring
    ]
    labelled = [
        LabelledStrip(
            strip.optical_density * strip.valid[:, None], chromosome.label, short_arm_first(chromosome, strip)
        )
        for chromosome, strip in kept
    ]
    name = f"{SOURCE}{seed}"
    pack = pack_cell(labelled, case=name, cell=name, split=split, source=SOURCE)
    places = np.array([centromere_in(strip, chromosome) for chromosome, strip in kept], dtype=np.float32)
    return CentromerePack.of(pack, places, [bool(chromosome.plan.change) for chromosome, _ in kept])


def centromere_in(strip: Strip, chromosome: SimulatedChromosome) -> float:
    """Where the centromere of a simulated chromosome lies along its strip, as a share of the strip's length."""
    axis = strip.axis.astype(np.float64)
    centre = np.array(chromosome.centromeres[0])
    row = int(np.argmin(np.square(axis - centre).sum(axis=1)))
    # Between two points of the axis: along its direction there.
    tangent = axis[min(row + 1, len(axis) - 1)] - axis[max(row - 1, 0)]
    beyond = float((centre - axis[row]) @ tangent / max(float(np.linalg.norm(tangent)), 1e-9))
    return float(np.clip((row + 0.5 + np.clip(beyond, -0.5, 0.5)) / len(axis), 0.0, 1.0))


def short_arm_first(chromosome: SimulatedChromosome, strip: Strip) -> int:
    """1 if the short arm of a simulated chromosome is at row 0, 0 if it is at the last row, -1 if it has none."""
    if chromosome.plan.p_arm_first is None:
        return -1
    first, last = (np.square(chromosome.axis - end).sum(axis=1).argmin() for end in (strip.axis[0], strip.axis[-1]))
    return int((first < last) == chromosome.plan.p_arm_first)


def with_wrong_outline(region: Region, error: float, shape: tuple[int, ...], generator: np.random.Generator) -> Region:
    """A region as a segmentation finds it: grown or shrunk by about ``error`` pixels, more here and less there."""
    wide = region.with_margin(4, (shape[0], shape[1]))
    soft = gaussian_filter(wide.mask.astype(np.float32), 1.5)
    waves = gaussian_filter(generator.standard_normal(soft.shape), 3.0)
    # The edge of a mask that is blurred by 1.5 pixels falls by 0.27 a pixel.
    level = 0.5 - 0.2 * np.clip(error + 0.8 * waves / max(float(waves.std()), 1e-9), -2.0, 2.0)
    mask = soft > level
    return Region.from_mask(mask, wide.bbox[:2]) if mask.any() else region


def random_karyotype(generator: np.random.Generator, abnormal: bool) -> str:
    """A karyotype in ISCN: a normal one, or one with deletions, inversions, isochromosomes and a translocation."""
    sex = "XX" if generator.random() < 0.5 else "XY"
    if not abnormal:
        return f"46,{sex}"
    chosen = sorted(generator.choice(22, size=_CHANGED + 1, replace=False) + 1)
    partner = int(generator.integers(_CHANGED))
    changes = []
    for place, number in enumerate(chosen):
        name = str(number)
        if place == partner:
            other = str(chosen[place + 1])
            arms = "q" if name in ACROCENTRIC else "pq"[generator.integers(2)]
            others = "q" if other in ACROCENTRIC else "pq"[generator.integers(2)]
            first, second = _band(name, arms, generator), _band(other, others, generator)
            changes.append(f"t({name};{other})({first};{second})")
        elif place != partner + 1:
            changes.append(_change(name, generator))
    return ",".join([f"46,{sex}", *changes])


def _change(name: str, generator: np.random.Generator) -> str:
    kind = generator.choice(["del", "inv", "i"])
    if name in ACROCENTRIC or kind == "del":
        arm = "q" if name in ACROCENTRIC else "pq"[generator.integers(2)]
        return f"del({name})({_band(name, arm, generator)})"
    if kind == "i":
        return f"i({name})({'pq'[generator.integers(2)]}10)"
    return f"inv({name})({_band(name, 'p', generator)}{_band(name, 'q', generator)})"


def _band(name: str, arm: str, generator: np.random.Generator) -> str:
    """A band of an arm to break in: not at the centromere, nor the last one."""
    known = [band.name for band in bands(name, 400) if band.arm == arm and band.stain not in ("acen", "stalk")]
    inner = known[1:] if arm == "p" else known[:-1]
    return str(generator.choice(inner or known))
