"""The classification stage: 24 types, polarity and homologs of the straightened chromosomes of a metaphase."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, overload

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from karyonet.case import LABELS, Alternative, Case, Chromosome, Contrast, FloatArray, Metaphase, label_indices
from karyonet.device import DeviceName, Precision
from karyonet.errors import ArrayError, WeightsError
from karyonet.label_sets import label_sets, least_probabilities
from karyonet.stage import MetaphaseStage, StageOptions
from karyonet.weights import WeightFile, find

from .existence import SHIPPED as SHIPPED_EXISTENCE
from .existence import are_chromosomes, left_out, read_existence

if TYPE_CHECKING:
    from .inference import Network

STAGE = "classification"


@dataclass(frozen=True, eq=False)
class Classification:
    """What the network says of n strips, each for itself; nothing here looks at the others.

    Attributes:
        labels: the most probable type of each.
        probabilities: float32, shape (n, 24), calibrated, in the order of :data:`karyonet.case.LABELS`.
        p_arm_up: bool, shape (n,): the short arm is at row 0.
        polarity_probability: float32, shape (n,), of the short arm being at row 0.
        embeddings: float32, shape (n, d), unit length.
        outlier_features: float64, shape (n, 27), see :mod:`karyonet.stages.classification.rejection`.
        outliers: float32, shape (n,), 0–1, how little each looks like exactly one whole chromosome; None where the
            weights were not fitted for it.
    """

    labels: tuple[str, ...]
    probabilities: FloatArray
    p_arm_up: NDArray[np.bool_]
    polarity_probability: FloatArray
    embeddings: FloatArray
    outlier_features: NDArray[np.float64]
    outliers: FloatArray | None = None

    def take(self, rows: NDArray[np.intp]) -> Classification:
        """What it says of some of the strips."""
        return Classification(
            labels=tuple(self.labels[row] for row in rows.tolist()),
            probabilities=self.probabilities[rows],
            p_arm_up=self.p_arm_up[rows],
            polarity_probability=self.polarity_probability[rows],
            embeddings=self.embeddings[rows],
            outlier_features=self.outlier_features[rows],
            outliers=None if self.outliers is None else self.outliers[rows],
        )


def shows_something(strip: FloatArray) -> bool:
    """Whether there is stain on a ground in a strip: False where it is empty, of one value, or not finite."""
    return bool(np.size(strip) and np.isfinite(strip).all() and np.max(strip) > max(float(np.min(strip)), 0.0))


class ProxyClassifier(MetaphaseStage):
    """Names chromosomes with Proxy-ResNeXt-CBAM.

    In a pipeline the names of a metaphase are decided together (:func:`karyonet.assignment.assign`) and homologs are
    paired. Called with strips, it returns what the network says of each::

        ProxyClassifier.from_pretrained("gband")(strips).labels

    Raises:
        WeightsError: K301, K303, K304 or K306 when it is built; K302, K304 or K305 at its first use.
    """

    summary = "24 chromosome types, polarity and homologs by Proxy-ResNeXt-CBAM"
    requires = frozenset({"metaphase.chromosomes", "chromosome.strip"})
    assigns = frozenset({"metaphase.left_out"}) | frozenset(
        f"chromosome.{name}"
        for name in (
            "probabilities", "embedding", "p_arm_up", "polarity_certainty", "label", "confidence", "alternatives",
            "label_set", "outlier", "review", "homolog",
        )
    )  # fmt: skip

    class Options(StageOptions):
        weights: str = Field("gband", description="name of shipped weights, or a .safetensors file")
        fluorescence_weights: str | None = Field(
            "qband", description="the same for metaphases that are light on black; null takes the others for all"
        )
        review_margin: float = Field(
            4.0, ge=0, description="nats: a name is put under review if the next best naming is no worse than this"
        )
        review_score: float = Field(
            0.95,
            ge=0,
            le=1,
            description="an object is put under review if the segmentation is less sure of it than this",
        )
        reject: float | None = Field(
            None,
            ge=0,
            le=1,
            description="outlier score above which a person should look; null takes that of the weights",
        )
        alternatives: int = Field(3, ge=0, le=23, description="how many other names are reported")
        device: DeviceName = Field("auto", description="auto takes a GPU where there is one")
        precision: Precision = Field("auto", description="auto takes bfloat16 where the hardware multiplies in it")
        context: bool = Field(True, description="read the chromosomes of a metaphase together, if the weights can")
        views: Literal[1, 2, 4] = Field(4, description="of every strip: as it is, mirrored, and both end over end")
        batch_size: int = Field(64, ge=1, description="strips that are classified at a time")
        existence: Path | None = Field(
            None, description="YAML file of tools/tune_pipeline.py on what is a chromosome; by default ours"
        )

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        names: dict[Contrast, str | None] = {
            "absorption": self.options.weights,
            "fluorescence": self.options.fluorescence_weights,
        }
        self._weights: dict[Contrast, WeightFile] = {
            contrast: _found(name or self.options.weights) for contrast, name in names.items()
        }
        self._networks: dict[str, Network] = {}
        self._existence = read_existence(self.options.existence or SHIPPED_EXISTENCE)

    @classmethod
    def from_pretrained(cls, name_or_path: str | Path = "gband", **options: Any) -> ProxyClassifier:
        """A classifier with shipped weights or with those of a ``.safetensors`` file.

        Raises:
            WeightsError: K3xx if there are no such weights or they do not fit.
        """
        return cls(**{"weights": str(name_or_path), "fluorescence_weights": None} | options)

    @property
    def weights(self) -> tuple[WeightFile, ...]:
        return tuple({weight.sha256: weight for weight in self._weights.values()}.values())

    @property
    def device(self) -> str | None:
        from karyonet.device import choose_device

        return choose_device(self.options.device).type

    @overload
    def __call__(self, case: Case) -> Case: ...
    @overload
    def __call__(self, case: Sequence[FloatArray]) -> Classification: ...
    def __call__(self, case: Case | Sequence[FloatArray]) -> Case | Classification:
        """Classify the chromosomes of a case, or strips (:meth:`classify`)."""
        return super().__call__(case) if isinstance(case, Case) else self.classify(case)

    def classify(
        self,
        strips: Sequence[FloatArray],
        scale: float | None = None,
        context: bool = False,
        contrast: Contrast = "absorption",
    ) -> Classification:
        """Classify straightened strips.

        Args:
            strips: float32, shape (length, width) each: optical density, 0 is background, the length along the rows.
            scale: what brings them to the reference length of the weights; None takes the strips for most of one
                metaphase, which needs ten of them or more.
            context: the strips are a metaphase, and the probabilities of each may depend on the others
                (:mod:`karyonet.stages.classification.context`); changes nothing for weights without it and for fewer
                than twenty strips.
            contrast: of the image that the strips were taken from, which decides on the weights.

        Raises:
            ArrayError: K501 for a strip of another shape, with values that are not finite, without stain or of one
                grey value.
            WeightsError: K302, K304 or K305 if the weight file cannot be used.
        """
        if scale is not None and not scale > 0:
            raise ArrayError("K501", what="scale", expected="positive", actual=scale)
        for strip in strips:
            if np.ndim(strip) == 2 and np.isfinite(strip).all() and not shows_something(strip):
                actual = f"{len(strip)}x{np.shape(strip)[1]} pixels of one value"
                raise ArrayError(
                    "K501", what="a strip", expected="a picture with stain on an empty ground", actual=actual
                )
        return self._network(contrast)(strips, scale, context)

    def process(self, metaphase: Metaphase) -> Metaphase:
        """Name the chromosomes of a metaphase that have a strip to be read; the others are put under review.

        A person looks at what is under review first. ``label_set`` says between which names to decide; a large
        ``outlier`` says to look at the pixels first: stain, a nucleus, a piece, or chromosomes still to be separated.
        """
        from karyonet.assignment import assign

        metaphase, straightened, said = self._chosen(metaphase)
        card = self._weights[metaphase.contrast].card
        assigned = assign(said.probabilities)
        sets = _label_sets(said.probabilities, assigned.labels, self.least_probabilities(metaphase.contrast).get(99))
        reject = card.thresholds.get("reject", 1.0) if self.options.reject is None else self.options.reject
        outliers = said.outliers
        named: dict[str, Chromosome] = {}
        for index, chromosome in enumerate(straightened):
            label, partner = assigned.labels[index], assigned.homologs[index]
            doubtful = assigned.margins[index] < self.options.review_margin or label != said.labels[index]
            doubtful |= chromosome.score is not None and chromosome.score < self.options.review_score
            outlier = None if outliers is None else float(outliers[index])
            rejected = outlier is not None and outlier > reject
            named[chromosome.id] = replace(
                chromosome,
                doubtful=False,
                probabilities=said.probabilities[index],
                embedding=said.embeddings[index],
                p_arm_up=bool(said.p_arm_up[index]),
                polarity_certainty=float(abs(said.polarity_probability[index] - 0.5) + 0.5),
                label=label,
                confidence=float(assigned.confidences[index]),
                alternatives=self._alternatives(said.probabilities[index], label),
                label_set=sets[index],
                outlier=outlier,
                review=(chromosome.review and not chromosome.doubtful) or bool(doubtful) or rejected,
                homolog=None if partner is None else straightened[partner].id,
            )
        chromosomes = tuple(named.get(c.id, replace(c, review=True)) for c in metaphase.chromosomes)
        return replace(metaphase, chromosomes=chromosomes)

    def _chosen(self, metaphase: Metaphase) -> tuple[Metaphase, list[Chromosome], Classification]:
        """The metaphase without what is no chromosome, those of it that can be read, and what the network says of them.

        What the segmentation doubts and nobody can read is none.
        """
        objects = [c for c in metaphase.chromosomes if c.strip and shows_something(c.strip.optical_density)]
        densities = [c.strip.optical_density for c in objects if c.strip is not None]
        said = self.classify(densities, context=self.options.context, contrast=metaphase.contrast)
        # Fitted to G-bands; names of Q-bands by these weights say too little.
        model = self._existence if metaphase.contrast == "absorption" else None
        existence = are_chromosomes(objects, said.probabilities, model)
        kept = existence.kept
        readable = {c.id for c in objects}
        dropped = {c.id for c, is_one in zip(objects, kept.tolist(), strict=True) if not is_one}
        dropped |= {c.id for c in metaphase.chromosomes if c.doubtful and c.id not in readable}
        if not dropped:
            return metaphase, objects, said
        besides = left_out(objects, said.probabilities, existence)
        metaphase = replace(metaphase.without(dropped), left_out=(*metaphase.left_out, *besides))
        return metaphase, [c for c in objects if c.id not in dropped], said.take(np.flatnonzero(kept))

    def _network(self, contrast: Contrast) -> Network:
        from .inference import Network

        weight, options = self._weights[contrast], self.options
        if weight.sha256 not in self._networks:
            self._networks[weight.sha256] = Network(
                weight, options.device, options.precision, options.batch_size, options.views
            )
        return self._networks[weight.sha256]

    def least_probabilities(self, contrast: Contrast) -> dict[int, float]:
        """How probable a name must be to be in a label set, by its coverage in per cent.

        Empty where the weights were not calibrated for it, and where their context is switched off: the thresholds are
        those of probabilities in context.
        """
        card = self._weights[contrast].card
        alone = not self.options.context and card.architecture.get("context") is not None
        return {} if alone else least_probabilities(card.thresholds)

    def _alternatives(self, probabilities: FloatArray, label: str) -> tuple[Alternative, ...]:
        order = [int(index) for index in np.argsort(-probabilities, kind="stable") if LABELS[index] != label]
        return tuple(Alternative(LABELS[i], float(probabilities[i])) for i in order[: self.options.alternatives])


def _label_sets(probabilities: FloatArray, labels: Sequence[str], least: float | None) -> list[tuple[str, ...]]:
    """Sets, most probable first, with the name decided for each: a larger set covers no less."""
    if least is None:
        return [()] * len(labels)
    sets = label_sets(probabilities, least)
    sets[np.arange(len(labels)), label_indices(labels)] = True
    order = np.argsort(-probabilities, axis=1, kind="stable")
    return [tuple(LABELS[i] for i in row if of[i]) for row, of in zip(order, sets, strict=True)]


def _found(name: str) -> WeightFile:
    weight = find(STAGE, name)
    if weight.card.classes != LABELS:
        raise WeightsError("K304", path=weight.path, stage=STAGE, reason="its classes are not the 24 types")
    return weight
