"""``report.json`` as pydantic models: the names, nesting and allowed values of version 1.

Floats are rounded to six decimals on the way in, so that a report reads well and compares exactly.
Fields that no stage has filled are null; readers must expect fields that they do not know.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    computed_field,
    model_validator,
)

from karyonet import __version__
from karyonet.case import ClusterType, Contrast, FindingKind, MetaphaseState, Outcome

SCHEMA = "karyonet.report/1"
NOTICE = "For research and to aid trained personnel; not a diagnosis."
"""Stands on every report and picture."""

Label = Literal[
    "1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12", "13", "14", "15", "16", "17", "18", "19", "20", "21",
    "22", "X", "Y",
]  # fmt: skip
"""One of :data:`karyonet.case.LABELS`, spelt out because a Literal cannot be computed."""


def _rounded(value: float) -> float:
    return round(value, 6)


def _ordered(box: tuple[int, int, int, int]) -> tuple[int, int, int, int]:
    xmin, ymin, xmax, ymax = box
    if xmin >= xmax or ymin >= ymax:
        raise ValueError("a box is [xmin, ymin, xmax, ymax] with xmin < xmax and ymin < ymax")
    return box


def readable(text: Any) -> Any:
    """A file name that is no UTF-8 has lone surrogates, which JSON and pictures cannot hold; they are spelt out."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8") if isinstance(text, str) else text


Text = Annotated[str, BeforeValidator(readable)]
Number = Annotated[float, Field(allow_inf_nan=False), AfterValidator(_rounded)]
Probability = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False), AfterValidator(_rounded)]
Count = Annotated[int, Field(ge=0)]
Size = Annotated[int, Field(ge=1)]
Box = Annotated[tuple[int, int, int, int], AfterValidator(_ordered)]


class _Record(BaseModel):
    # Unknown fields are ignored: a report of a later 1.x version can be read.
    model_config = ConfigDict(frozen=True, extra="ignore", validate_by_name=True, serialize_by_alias=True)


class CaseRecord(_Record):
    """The case and how many images were given for it."""

    id: Text
    images: Count


class CloneRecord(_Record):
    """Metaphases that share a karyotype."""

    iscn: str
    metaphases: tuple[str, ...]


class KaryotypeRecord(_Record):
    """The karyotype of the case.

    Attributes:
        mosaicism_excluded: share of cells from which a second cell line with other chromosome numbers would have been
            seen with a probability of 95 %; null where the case is undetermined or has several clones.
    """

    iscn: str | None
    outcome: Outcome
    clones: tuple[CloneRecord, ...] = ()
    reasons: tuple[str, ...] = ()
    mosaicism_excluded: Probability | None = None


class DemandRecord(_Record):
    """One thing that a guideline asks for.

    Attributes:
        what: a state that metaphases must have, or the band level of the case.
        needed: number of metaphases with at least that state, or bands per haploid set.
        found: the same; null where no band level was estimated.
    """

    what: Literal["counted", "analysed", "karyotyped", "band_level"]
    needed: Count
    found: Count | Number | None

    @computed_field  # type: ignore[prop-decorator]
    @property
    def met(self) -> bool:
        """Whether as much was found as is needed."""
        return self.found is not None and self.found >= self.needed


class GuidelineRecord(_Record):
    """What a guideline asks for, and what the case has of it."""

    name: Text
    demands: tuple[DemandRecord, ...]


class FindingRecord(_Record):
    """A departure from the normal karyotype."""

    kind: FindingKind
    chromosome: Label
    change: Literal["gain", "loss", "unknown"]
    iscn: str | None
    score: Probability
    metaphases: tuple[str, ...]
    clonal: bool
    evidence: dict[str, JsonValue] = {}


class ComparisonRecord(_Record):
    """How likely one homolog of a chromosome type is structurally abnormal, or why that was not judged."""

    chromosome: Label
    probability: Probability | None
    metaphases: tuple[str, ...] = ()
    reason: str | None = None


class QualityRecord(_Record):
    """How well a metaphase can be read."""

    score: Probability
    flags: tuple[str, ...] = ()


class BandLevelRecord(_Record):
    """Bands per haploid set with their 95 % interval.

    Attributes:
        estimator: name and version of what estimated them.
        chromosomes: ids of those that decided, the most telling first.
    """

    bphs: Number
    interval: tuple[Number, Number]
    level: Annotated[int, Field(alias="class")]
    estimator: str | None = None
    chromosomes: tuple[str, ...] = ()


class ClusterRecord(_Record):
    """A connected piece of foreground."""

    id: str
    bbox: Box
    type: ClusterType | None
    probability: Probability | None
    chromosomes: tuple[str, ...] = ()


class AlternativeRecord(_Record):
    """Another label and its probability."""

    label: Label
    confidence: Probability


class CentromereRecord(_Record):
    """Where the centromere of a chromosome lies.

    Attributes:
        position: from the end of the axis that lies higher in the image, as a share of the length.
        confidence: probability that the true position is within 5 % of the length.
        short_arm_up: probability that the shorter arm lies higher in the image, by the position alone.
        point: ``[x, y]`` in pixels of the image.
    """

    position: Probability
    confidence: Probability
    short_arm_up: Probability
    point: tuple[Number, Number] | None = None

    @computed_field  # type: ignore[prop-decorator]
    @property
    def index(self) -> float:
        """Centromeric index: the shorter arm as a share of the whole length."""
        return _rounded(min(self.position, 1 - self.position))


class ChromosomeRecord(_Record):
    """One chromosome.

    Attributes:
        label_set: the labels that it may have, most likely first; the true one is among them for 99 % of the
            chromosomes of new cases.
        outlier: how little it looks like exactly one whole chromosome.
    """

    id: str
    bbox: Box
    label: Label | None
    confidence: Probability | None
    alternatives: tuple[AlternativeRecord, ...] = ()
    label_set: tuple[Label, ...] = ()
    outlier: Probability | None = None
    p_arm_up: bool | None
    review: bool
    cluster: str | None
    homolog: str | None
    centromere: CentromereRecord | None = None


class LeftOutRecord(_Record):
    """What was left out of a metaphase, though it looks like a chromosome: the set was complete without it.

    Attributes:
        label, confidence: what it looks like, and how surely, if it is a chromosome.
        odds: log odds of being one by its pixels and its look.
    """

    bbox: Box
    label: Label
    confidence: Probability
    odds: Number


class MetaphaseRecord(_Record):
    """One metaphase image and what was found in it.

    Attributes:
        state: what it counts as for a guideline, each state including those before it; null where its count does not
            carry.
    """

    id: str
    image: Text
    sha256: str
    width: Size
    height: Size
    contrast: Contrast
    quality: QualityRecord | None
    band_level: BandLevelRecord | None
    band_level_reason: str | None = None
    count: Count | None
    iscn: str | None
    outcome: Outcome
    reasons: tuple[str, ...] = ()
    state: MetaphaseState | None = None
    clusters: tuple[ClusterRecord, ...] = ()
    chromosomes: tuple[ChromosomeRecord, ...] = ()
    left_out: tuple[LeftOutRecord, ...] = ()

    @model_validator(mode="after")
    def _boxes_in_image(self) -> MetaphaseRecord:
        things: tuple[ClusterRecord | ChromosomeRecord, ...] = (*self.clusters, *self.chromosomes)
        for thing in things:
            xmin, ymin, xmax, ymax = thing.bbox
            if xmin < 0 or ymin < 0 or xmax > self.width or ymax > self.height:
                raise ValueError(f"the box of {thing.id} leaves the image of {self.id}")
        return self


class ErrorRecord(_Record):
    """An image that could not be processed, with the code and the sentence of the error."""

    image: Text
    code: str
    message: Text


class WeightRecord(_Record):
    """A weight file that a stage used."""

    stage: str
    file: Text
    sha256: str


class Provenance(_Record):
    """What made the report.

    Attributes:
        karyonet: version of the program.
        config_sha256: of the resolved configuration; None for a pipeline that was built by hand.
        weights: the weight files in use.
        device: ``cpu``, ``cuda:0`` …
        seconds: wall-clock time of every stage.
        notice: what the report may be used for.
    """

    karyonet: str = __version__
    config_sha256: str | None = None
    weights: list[WeightRecord] = []
    device: str = "cpu"
    seconds: dict[str, Annotated[Number, Field(ge=0)]] = {}
    notice: str = NOTICE


class EditRecord(_Record):
    """A change that a person made, in words; ``history.json`` has it in full.

    Attributes:
        when: time in UTC, ISO 8601.
        author: who.
        what: what was changed.
        note: what the author wrote to it.
    """

    when: str
    author: Text
    what: Text
    note: Text | None = None


class ReportDocument(_Record):
    """The whole of ``report.json``; ``guideline``, ``comparisons`` and ``edits`` are left out where there are none."""

    version: Annotated[Literal["karyonet.report/1"], Field(alias="schema")] = "karyonet.report/1"
    case: CaseRecord
    karyotype: KaryotypeRecord
    findings: tuple[FindingRecord, ...] = ()
    guideline: GuidelineRecord | None = None
    comparisons: tuple[ComparisonRecord, ...] = ()
    metaphases: tuple[MetaphaseRecord, ...] = ()
    errors: tuple[ErrorRecord, ...] = ()
    edits: tuple[EditRecord, ...] = ()
    provenance: Provenance

    @model_validator(mode="after")
    def _unique_ids(self) -> ReportDocument:
        named = [("metaphase", [m.id for m in self.metaphases])]
        for metaphase in self.metaphases:
            named.append((f"chromosome of {metaphase.id}", [c.id for c in metaphase.chromosomes]))
            named.append((f"cluster of {metaphase.id}", [k.id for k in metaphase.clusters]))
        for what, ids in named:
            if len(set(ids)) != len(ids):
                raise ValueError(f"two records of one {what} id")
        return self

    def to_json(self) -> str:
        """``report.json``, indented, in UTF-8 text that ends with a newline."""
        left_out = {name for name in ("guideline", "comparisons", "edits") if not getattr(self, name)}
        return self.model_dump_json(by_alias=True, indent=2, exclude=left_out) + "\n"


def json_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of ``report.json``."""
    schema = ReportDocument.model_json_schema(by_alias=True, mode="serialization")
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **schema,
        "title": "karyonet report",
        "description": "What karyonet found in the metaphase images of one case; version 1.",
    }
