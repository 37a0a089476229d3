"""The quality stage."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

from pydantic import Field

from karyonet.case import Metaphase, Quality
from karyonet.errors import InputError
from karyonet.stage import MetaphaseStage, StageOptions

from .features import QualityFeatures, measure
from .score import SHIPPED, read_model


class MetaphaseQuality(MetaphaseStage):
    """Says how well a metaphase can be read: a score of 0–1, flags, and a reason (K124) where it is hopeless.

    The score is the probability that the chromosomes are found and named without a person's help, from what is seen
    before they are named. A metaphase without chromosomes has the score 0.
    """

    summary: ClassVar[str] = "Says how well a metaphase can be read, and what stands against it"
    requires: ClassVar[frozenset[str]] = frozenset(
        {
            "metaphase.grey",
            "metaphase.optical_density",
            "metaphase.foreground",
            "metaphase.chromosomes",
            "chromosome.region",
            "chromosome.cluster",
        }
    )
    assigns: ClassVar[frozenset[str]] = frozenset({"metaphase.quality", "metaphase.reasons"})

    class Options(StageOptions):
        """A flag is raised from its value on. Lengths are in chromosome widths (w)."""

        least_score: float = Field(0.005, ge=0, le=1, description="a lower score makes the metaphase undetermined")
        few_chromosomes: int = Field(40, ge=0, description="so many or fewer were found")
        many_chromosomes: int = Field(52, ge=1, description="so many or more were found")
        small_objects: int = Field(2, ge=1, description="objects below 0.26 of the median area: debris, or a marker")
        clustered: float = Field(0.7, gt=0, description="share of chromosomes in clusters with others")
        overlapping: float = Field(0.06, gt=0, description="share of the pixels that several chromosomes hold")
        crowded: float = Field(0.4, gt=0, description="share of their convex hull that the chromosomes cover")
        cut_at_border: int = Field(1, ge=1, description="chromosomes that reach the border of the image")
        blurred: float = Field(0.11, gt=0, description="standard deviation of the blur at their edges (w)")
        nucleus_on_top: float = Field(0.065, gt=0, description="share of chromosomes on or against a nucleus")
        pasted_patch: float = Field(2.2, gt=0, description="length of straight edges in the background (w)")
        low_contrast: float = Field(0.08, gt=0, description="stain of the background relative to the chromosomes'")
        coefficients: Path | None = Field(None, description="YAML file of tools/fit_quality.py, fitted to your images")

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._model = read_model(self.options.coefficients or SHIPPED)

    def process(self, metaphase: Metaphase) -> Metaphase:
        features = measure(metaphase)
        if features is None:
            return replace(metaphase, quality=Quality(0.0, ("few_chromosomes",)))
        count = sum(not chromosome.doubtful for chromosome in metaphase.chromosomes)
        quality = Quality(round(self._model.score(features), 4), flags_of(features, count, self.options))
        if quality.score >= self.options.least_score:
            return replace(metaphase, quality=quality)
        hopeless = InputError("K124", score=f"{quality.score:.2g}", flags=", ".join(quality.flags) or "no flag")
        return replace(metaphase, quality=quality, reasons=(*metaphase.reasons, str(hopeless)))


def flags_of(features: QualityFeatures, count: int, limits: MetaphaseQuality.Options) -> tuple[str, ...]:
    """What stands against a metaphase with ``count`` chromosomes, by short names that stay between versions."""
    raised = {
        "few_chromosomes": count <= limits.few_chromosomes,
        "many_chromosomes": count >= limits.many_chromosomes,
        "small_objects": round(features.small * count) >= limits.small_objects,
        "clustered": features.clustered >= limits.clustered,
        "overlapping": features.overlapping >= limits.overlapping,
        "crowded": features.crowding >= limits.crowded,
        "cut_at_border": round(features.cut * count) >= limits.cut_at_border,
        "blurred": features.blur >= limits.blurred,
        "nucleus_on_top": features.nucleus >= limits.nucleus_on_top,
        "pasted_patch": features.patches >= limits.pasted_patch,
        "low_contrast": features.haze >= limits.low_contrast,
    }
    return tuple(name for name, is_raised in raised.items() if is_raised)
