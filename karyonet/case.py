"""The data that flows through the pipeline: a case, its metaphases, their clusters and chromosomes.

Everything here is frozen. A stage returns a new case with its fields filled (:meth:`Case.map_metaphases`,
:func:`dataclasses.replace`); it never changes what it was given. Fields that a stage fills are ``None`` or empty
before it has run. Coordinates are pixels of the input image, origin top left.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from karyonet.errors import ConfigError, KaryonetError, StageError, WeightsError
from karyonet.geometry.region import BoundingBox, Region
from karyonet.geometry.strip import Strip as Strip

if TYPE_CHECKING:
    from karyonet.imaging import ReadingLimits

LABELS: tuple[str, ...] = (*(str(number) for number in range(1, 23)), "X", "Y")
"""The 24 chromosome types, in the order of every array of class probabilities."""

ClusterType = Literal["instance", "touching", "overlapping", "touching_overlapping"]
Contrast = Literal["absorption", "fluorescence"]
"""Dark on light (G-bands) or light on dark (DAPI, Q-bands)."""
Outcome = Literal["normal", "abnormal", "undetermined"]
FindingKind = Literal["numerical", "structural", "heteromorphism"]
MetaphaseState = Literal["counted", "analysed", "karyotyped"]
"""What a metaphase counts as; each includes those before it."""

CLEARLY_SHORTER = 0.95
"""Probability from which one arm is taken to be the shorter."""

FloatArray = NDArray[np.float32]
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Alternative:
    """Another name that a chromosome could have."""

    label: str
    confidence: float


@dataclass(frozen=True)
class Centromere:
    """Where the centromere of a chromosome lies.

    Attributes:
        position: from row 0 of the strip, as a share of the strip's length.
        confidence: 0–1, probability that the true position is within 5 % of the length.
        short_arm_up: 0–1, probability that the shorter arm is at row 0, by the position alone.
        point: ``(x, y)`` in pixels of the image; None where only a strip was given.
    """

    position: float
    confidence: float
    short_arm_up: float
    point: tuple[float, float] | None = None

    @property
    def index(self) -> float:
        """The centromeric index, 0–0.5: the shorter arm as a share of the whole length."""
        return min(self.position, 1.0 - self.position)


@dataclass(frozen=True, eq=False)
class Chromosome:
    """One chromosome of a metaphase.

    Attributes:
        id: unique in the metaphase, ``c1`` …
        region: its pixels; pixels of an overlap belong to both chromosomes.
        cluster: id of the cluster that it was found in.
        score: 0–1, how sure the segmentation is that it is one chromosome; None where that does not say.
        doubtful: the segmentation alone would leave it out; whether it is one, is decided when the names are.
        strip: the straightened chromosome.
        probabilities: float32, shape (24,), in the order of :data:`LABELS`, from the chromosome alone.
        embedding: float32, shape (d,), unit length.
        p_arm_up: whether the short arm is the end of the axis that lies higher in the image (row 0 of the strip).
        polarity_certainty: 0.5–1, how sure ``p_arm_up`` is; None where that is not said, as of what a person turned.
        label: one of :data:`LABELS`, decided with the whole metaphase in view.
        confidence: 0–1, of the label.
        alternatives: other labels, most likely first.
        label_set: the labels that it may have, most likely first: the set that holds the true one for 99 % of the
            chromosomes of new cases; empty where the weights were not calibrated for it.
        outlier: 0–1, how little it looks like exactly one whole chromosome; None where that was not judged.
        review: a person should look at this one.
        homolog: id of the chromosome that it is paired with.
        centromere: where the short arm meets the long one; None where nobody looked or nothing can be seen.
    """

    id: str
    region: Region
    cluster: str | None = None
    score: float | None = None
    doubtful: bool = False
    strip: Strip | None = None
    probabilities: FloatArray | None = None
    embedding: FloatArray | None = None
    p_arm_up: bool | None = None
    polarity_certainty: float | None = None
    label: str | None = None
    confidence: float | None = None
    alternatives: tuple[Alternative, ...] = ()
    label_set: tuple[str, ...] = ()
    outlier: float | None = None
    review: bool = False
    homolog: str | None = None
    centromere: Centromere | None = None

    @property
    def arms_agree(self) -> bool | None:
        """Whether the arm that the centromere shows to be shorter is the one that ``p_arm_up`` says is.

        None where one of the two is not known, or the arms are too alike to tell (:data:`CLEARLY_SHORTER`).
        """
        if self.centromere is None or self.p_arm_up is None:
            return None
        up = self.centromere.short_arm_up
        return None if max(up, 1.0 - up) < CLEARLY_SHORTER else (up > 0.5) == self.p_arm_up

    @property
    def looks_like(self) -> str | None:
        """The likeliest name by its own look; None where that was not judged."""
        return None if self.probabilities is None else LABELS[int(np.argmax(self.probabilities))]

    def contradicted(self, least: float) -> bool:
        """Whether its look speaks against its label: names are given to a whole metaphase together.

        Args:
            least: confidence below which it does.
        """
        return self.confidence is not None and self.confidence < least


@dataclass(frozen=True)
class LeftOut:
    """What was left out of a metaphase, though it looks like a chromosome: the set was complete without it.

    Attributes:
        bbox: ``(xmin, ymin, xmax, ymax)`` in pixels.
        label: what it looks like, one of :data:`LABELS`.
        confidence: 0–1, of the label, if it is a chromosome.
        odds: log odds of being a chromosome by its pixels and its look, whatever else was found.
    """

    bbox: BoundingBox
    label: str
    confidence: float
    odds: float


@dataclass(frozen=True, eq=False)
class Instance:
    """A chromosome that a segmentation has seen whole, before clusters are taken apart.

    Attributes:
        region: its pixels, overlaps with others included, in the box that was seen.
        score: 0–1, how sure it is.
        doubtful: the segmentation alone would leave it out; see :class:`Chromosome`.
    """

    region: Region
    score: float
    doubtful: bool = False


@dataclass(frozen=True, eq=False)
class Cluster:
    """A connected piece of foreground: one chromosome or several that touch or cross.

    Attributes:
        id: unique in the metaphase, ``k1`` …
        region: its pixels.
        type: what it is, once the cluster-type stage has run.
        probability: 0–1, of the type.
        chromosomes: ids of the chromosomes found in it.
    """

    id: str
    region: Region
    type: ClusterType | None = None
    probability: float | None = None
    chromosomes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Quality:
    """How well a metaphase can be read: a score of 0–1 and what stands against it."""

    score: float
    flags: tuple[str, ...] = ()


@dataclass(frozen=True)
class BandLevel:
    """Band level in bands per haploid set (bphs), its 95 % interval and its class.

    Attributes:
        bphs, interval: bands per haploid set.
        level: 300, 400, 550, 700 or 850.
        estimator: name and version of what estimated it.
        chromosomes: ids of those that decided, the most telling first.
    """

    bphs: float
    interval: tuple[float, float]
    level: int
    estimator: str | None = None
    chromosomes: tuple[str, ...] = ()


@dataclass(frozen=True)
class HomologPair:
    """The two chromosomes of one type in one metaphase, by their ids."""

    label: str
    first: str
    second: str


@dataclass(frozen=True, eq=False)
class Metaphase:
    """One metaphase image and what is known of it.

    Attributes:
        id: unique in the case, ``m1`` …
        image: file name without its folder; pages of a multi-page file end in ``#2``, ``#3`` …
        sha256: of the file.
        grey: float32, shape (height, width), 0–1, as recorded.
        contrast: which way round the stain is.
        optical_density: float32, shape (height, width): stain, whatever the contrast; 0 is background.
        foreground: bool, shape (height, width): pixels of chromosomes, nuclei and debris left out.
        instances: chromosomes seen whole, by a segmentation that learned to.
        clusters, chromosomes: what was found.
        left_out: what may be a chromosome besides.
        quality, band_level, count, iscn, outcome: what the later stages say.
        band_level_reason: why there is no band level, where it was looked for.
        reasons: why the outcome is undetermined.
        state: what it counts as for a guideline; None where its count does not carry.
    """

    id: str
    image: str
    sha256: str
    grey: FloatArray
    contrast: Contrast
    optical_density: FloatArray
    foreground: NDArray[np.bool_] | None = None
    instances: tuple[Instance, ...] = ()
    clusters: tuple[Cluster, ...] = ()
    chromosomes: tuple[Chromosome, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    quality: Quality | None = None
    band_level: BandLevel | None = None
    band_level_reason: str | None = None
    count: int | None = None
    iscn: str | None = None
    outcome: Outcome | None = None
    reasons: tuple[str, ...] = ()
    state: MetaphaseState | None = None

    @property
    def height(self) -> int:
        return int(self.grey.shape[0])

    @property
    def width(self) -> int:
        return int(self.grey.shape[1])

    def without(self, ids: Collection[str]) -> Metaphase:
        """The metaphase without some of its chromosomes, and without the clusters that held nothing else."""
        clusters = [(cluster, tuple(id for id in cluster.chromosomes if id not in ids)) for cluster in self.clusters]
        return replace(
            self,
            chromosomes=tuple(c for c in self.chromosomes if c.id not in ids),
            clusters=tuple(
                replace(cluster, chromosomes=left) for cluster, left in clusters if left or not cluster.chromosomes
            ),
        )

    @property
    def pairs(self) -> tuple[HomologPair, ...]:
        """The homologous pairs, each once, in the order of :data:`LABELS`."""
        found = [
            HomologPair(c.label, c.id, c.homolog)
            for c in self.chromosomes
            if c.label is not None and c.homolog is not None and c.id < c.homolog
        ]
        return tuple(sorted(found, key=lambda pair: LABELS.index(pair.label)))


@dataclass(frozen=True)
class Finding:
    """Something that departs from the normal karyotype.

    Attributes:
        kind: ``numerical``, ``structural``, or ``heteromorphism``, a normal variant of a chromosome's variable bands.
        chromosome: one of :data:`LABELS`.
        change: ``gain``, ``loss`` or ``unknown``.
        iscn: how ISCN writes it, None where it cannot be written.
        score: 0–1.
        metaphases: ids of the metaphases that show it.
        clonal: gain or structural change in at least two metaphases, loss in at least three.
        evidence: values that a reader can check, ready for JSON.
    """

    kind: FindingKind
    chromosome: str
    change: Literal["gain", "loss", "unknown"]
    iscn: str | None
    score: float
    metaphases: tuple[str, ...]
    clonal: bool
    evidence: dict[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class HomologComparison:
    """What comparing the homologs of one chromosome type over the metaphases of a case says.

    Attributes:
        chromosome: one of :data:`LABELS`.
        probability: 0–1, of one of them being structurally abnormal; None where they were not compared.
        metaphases: ids of those that were compared.
        reason: why they were not compared.
    """

    chromosome: str
    probability: float | None
    metaphases: tuple[str, ...] = ()
    reason: str | None = None


@dataclass(frozen=True)
class Clone:
    """Metaphases that share a karyotype."""

    iscn: str
    metaphases: tuple[str, ...]


@dataclass(frozen=True)
class Karyotype:
    """The karyotype of a case; ``iscn`` is None and ``reasons`` say why where it is undetermined.

    ``mosaicism_excluded`` is the share of cells from which a second cell line with other chromosome numbers would have
    been seen with a probability of 95 %; None where the case is undetermined or has several clones.
    """

    iscn: str | None
    outcome: Outcome
    clones: tuple[Clone, ...] = ()
    reasons: tuple[str, ...] = ()
    mosaicism_excluded: float | None = None

    def __str__(self) -> str:
        return self.iscn or "undetermined"


@dataclass(frozen=True)
class Demand:
    """One thing that a guideline asks for.

    Attributes:
        what: a state that metaphases must have, or the band level of the case.
        needed: number of metaphases with at least that state, or bands per haploid set.
        found: the same; None where no band level was estimated.
    """

    what: Literal["counted", "analysed", "karyotyped", "band_level"]
    needed: int
    found: float | None

    @property
    def met(self) -> bool:
        """Whether as much was found as is needed."""
        return self.found is not None and self.found >= self.needed


@dataclass(frozen=True)
class GuidelineCheck:
    """What a guideline asks for, and what the case has of it."""

    name: str
    demands: tuple[Demand, ...]


@dataclass(frozen=True)
class ImageError:
    """An image, or a metaphase of it, that could not be processed; the rest of the case went on."""

    image: str
    code: str
    message: str


@dataclass(frozen=True, eq=False)
class Case:
    """The metaphases of one patient."""

    id: str
    metaphases: tuple[Metaphase, ...] = ()
    karyotype: Karyotype | None = None
    findings: tuple[Finding, ...] = ()
    errors: tuple[ImageError, ...] = ()
    comparisons: tuple[HomologComparison, ...] = ()
    guideline: GuidelineCheck | None = None

    @classmethod
    def read(cls, *paths: str | Path, case_id: str | None = None, limits: ReadingLimits | None = None) -> Case:
        """Read images, or a folder of images, as one case.

        An image that cannot be read becomes an entry of ``errors``; the others are kept.

        Args:
            paths: image files, or one folder.
            case_id: by default the folder's name, or the first file's name without its ending.
            limits: how large a file may be.

        Raises:
            InputError: K1xx, if no image at all could be read.
        """
        from karyonet.imaging import read_case

        return read_case([Path(path) for path in paths], case_id=case_id, limits=limits)

    def map_metaphases(self, process: Callable[[Metaphase], Metaphase], stage: str = "") -> Case:
        """Apply ``process`` to every metaphase; one that fails is taken out and named in ``errors``.

        Raises:
            ConfigError, WeightsError: as they come, since no metaphase could do better.
        """
        kept: list[Metaphase] = []
        errors = list(self.errors)
        for metaphase in self.metaphases:
            try:
                kept.append(process(metaphase))
            except (ConfigError, WeightsError):
                raise
            except KaryonetError as error:
                errors.append(ImageError(metaphase.image, error.code, str(error)))
            except Exception as fault:  # a fault in one image must not stop the others
                logger.exception("stage %s failed on %s", stage, metaphase.image)
                reason = f"{type(fault).__name__}: {fault}"
                failure = StageError("K901", stage=stage, image=metaphase.image, reason=reason)
                errors.append(ImageError(metaphase.image, failure.code, str(failure)))
        return replace(self, metaphases=tuple(kept), errors=tuple(errors))


def label_indices(labels: Sequence[str]) -> NDArray[np.int64]:
    """Positions of labels in :data:`LABELS`."""
    return np.array([LABELS.index(label) for label in labels], dtype=np.int64)


_CLASSES = {
    "case": Case, "metaphase": Metaphase, "instance": Instance, "cluster": Cluster, "chromosome": Chromosome
}  # fmt: skip

FIELDS: frozenset[str] = frozenset(f"{name}.{f.name}" for name, cls in _CLASSES.items() for f in fields(cls))
"""Every field that a stage can name in its contract, as ``chromosome.strip``."""

READ_FIELDS: frozenset[str] = frozenset(
    {"case.id", "case.errors", "case.metaphases"}
    | {f"metaphase.{name}" for name in ("id", "image", "sha256", "grey", "contrast", "optical_density")}
)
"""The fields that reading the images has filled before the first stage."""
