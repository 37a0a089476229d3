"""The abnormality stage: the homologs of every chromosome type of a case, compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from karyonet.case import Case, Finding, FloatArray, HomologComparison
from karyonet.device import DeviceName, Precision
from karyonet.errors import ArrayError, WeightsError
from karyonet.network_stage import NetworkStage
from karyonet.stage import StageOptions
from karyonet.weights import WeightFile, card_path

if TYPE_CHECKING:
    from .bags import Bag, CaseBags
    from .comparison import BagComparison
    from .inference import PairNetwork
    from .profiles import Preprocessing

STAGE = "abnormality"
Threshold = (
    Annotated[float, Field(ge=0, le=1)]
    | Literal["auto", "cases_99", "cases_98", "cases_95", "specificity_95", "specificity_99"]
)
NORMAL = 0.5
"""Probability up to which a pair is rather normal than not."""
MANY = 3
"""Metaphases from which a threshold no longer depends on their number."""


class HomologComparer(NetworkStage["PairNetwork"]):
    """Says of every chromosome type whether one of its homologs is structurally abnormal, by HomNet.

    In a pipeline it fills ``comparisons`` with one entry a type, and adds a structural finding for each whose
    probability exceeds the threshold; where the lengths of variable bands explain it, the finding is a
    ``heteromorphism``, a normal variant. So does a type of which one homolog looks like another chromosome in several
    metaphases, and a lone X or Y that looks unlike one in all of several (:mod:`.unlike`). On arrays, without a case::

        HomologComparer.from_pretrained("homnet").compare(profiles, valid, "9").probability

    Raises:
        WeightsError: K301, K303, K304 or K306 when it is built; K302, K304 or K305 at its first use.
    """

    weights_of: ClassVar[str] = STAGE
    summary: ClassVar[str] = "Structural abnormalities, by comparing homologs over the metaphases of a case (HomNet)"
    requires: ClassVar[frozenset[str]] = frozenset(
        {"metaphase.chromosomes", "chromosome.strip", "chromosome.label", "chromosome.p_arm_up"}
    )
    assigns: ClassVar[frozenset[str]] = frozenset({"case.comparisons", "case.findings"})

    class Options(StageOptions):
        """Options of :class:`HomologComparer`."""

        weights: str = Field("homnet", description="name of shipped weights, or a .safetensors file")
        threshold: Threshold = Field(
            "auto", description="probability above which a type is a finding, or the weights' own by name; see README"
        )
        max_metaphases: int = Field(10, ge=1, description="of a case that are compared, those of the best quality")
        least_visible: float = Field(
            0.5, gt=0, le=1, description="share of a chromosome that must show it alone; with less it is not compared"
        )
        polarity_certainty: float = Field(
            0.95,
            ge=0.5,
            le=1,
            description="how sure an orientation must be; with less, homologs are turned to each other",
        )
        least_confidence: float = Field(
            0.01, ge=0, le=1, description="a name less probable than this is contradicted by the chromosome's look"
        )
        look_weight: float = Field(
            0.3,
            ge=0,
            description="of a nat by which the look of a homolog speaks against its name in a metaphase; see README",
        )
        lone_doubt: float = Field(
            3.0, ge=0, description="nats by which the look of a lone X or Y speaks against its name in every metaphase"
        )
        device: DeviceName = Field("auto", description="auto takes a GPU where there is one")
        precision: Precision = Field("auto", description="auto takes bfloat16 where the hardware multiplies in it")
        batch_size: int = Field(128, ge=1, description="chromosome types that are judged at a time")

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._thresholds = _thresholds_of(self._weight, self.options.threshold)

    def threshold_for(self, metaphases: int) -> float:
        """The probability that a finding exceeds, by the number of metaphases that were compared (from 1)."""
        return self._thresholds[min(metaphases, MANY) - 1]

    @property
    def preprocessing(self) -> Preprocessing:
        """How profiles become the network's input; from the model card."""
        return self.network.preprocessing

    def __call__(self, case: Case) -> Case:
        """The case with ``comparisons`` filled; the findings of homologs that were there before are replaced."""
        from .case_bags import TYPES
        from .unlike import lone_unlike, unlike_pairs

        pairs = self.pairs(case)
        said = self.compare_bags(pairs.bags)
        by_type = {
            one.chromosome: HomologComparison(one.chromosome, round(one.probability, 6), one.metaphases) for one in said
        }
        findings = tuple(
            self._finding(bag, one)
            for bag, one in zip(pairs.bags, said, strict=True)
            if one.probability > self.threshold_for(len(one.metaphases))
        )
        compared = {finding.chromosome for finding in findings if finding.kind == "structural"}
        unlike = (
            *unlike_pairs(case, self.options.least_confidence),
            *lone_unlike(case, self.options.lone_doubt, self.options.look_weight),
        )
        findings += tuple(finding for finding in unlike if finding.chromosome not in compared)
        return replace(
            case,
            comparisons=tuple(
                by_type.get(label) or HomologComparison(label, None, (), pairs.skipped[label]) for label in TYPES
            ),
            findings=(*(finding for finding in case.findings if finding.kind == "numerical"), *findings),
        )

    def pairs(self, case: Case) -> CaseBags:
        """The homolog pairs of a case that are compared, one bag a type, and why other types have none."""
        from .case_bags import Usable, compared_pairs

        options: HomologComparer.Options = self.options
        usable = Usable(options.least_visible, options.polarity_certainty)
        return compared_pairs(case, self.preprocessing, usable, options.max_metaphases)

    def compare(
        self,
        profiles: Sequence[Sequence[FloatArray]] | FloatArray,
        valid: Sequence[Sequence[NDArray[np.bool_]]] | NDArray[np.bool_],
        chromosome: str,
        band_levels: Sequence[float | None] | None = None,
    ) -> BagComparison:
        """Compare the homologs of one chromosome type of one case.

        Args:
            profiles: for each of m metaphases the two homologs, float32, shape (2, samples) each: mean density of the
                left and right half from the short arm's end on, 1.0 being the mean of the metaphase's chromosomes, as
                :attr:`preprocessing` places them; or one array of shape (m, 2, 2, samples).
            valid: likewise bool, shape (samples,) each: samples that show this chromosome, not those beyond its end
                nor those that another one hides.
            chromosome: the type, one of :data:`karyonet.case.LABELS`.
            band_levels: of each metaphase in bands a haploid set, None where unknown; only for weights that were
                trained with them.

        Raises:
            ArrayError: K501 for profiles of another length, with values that are not finite or hidden throughout, for
                no metaphase and an unknown type; K503 where a metaphase has not exactly two homologs.
            WeightsError: K302, K304 or K305 for the weights.
        """
        from .bags import LabelledProfile, make_bag

        levels = [None] * len(profiles) if band_levels is None else band_levels
        for name, given in (("valid", valid), ("band_levels", levels)):
            if len(given) != len(profiles):
                expected = f"of {len(profiles)} metaphases, as the profiles are"
                raise ArrayError("K501", what=name, expected=expected, actual=len(given))
        labelled = []
        for number, (pair, shown, level) in enumerate(zip(profiles, valid, levels, strict=True), start=1):
            if len(shown) != len(pair):
                expected = f"of {len(pair)} homologs, as the profiles are"
                raise ArrayError("K501", what=f"valid of metaphase {number}", expected=expected, actual=len(shown))
            for one, of_one in zip(pair, shown, strict=True):
                labelled.append(LabelledProfile(one, of_one, chromosome, str(number), band_level=level))
            if len(pair) != 2:
                raise ArrayError("K503", chromosome=chromosome, metaphase=number, count=len(pair))
        return self.compare_bags([make_bag(labelled, self.preprocessing.samples)])[0]

    def compare_bags(self, bags: Sequence[Bag]) -> tuple[BagComparison, ...]:
        """Compare the homologs of several bags, each for itself.

        Args:
            bags: of :func:`karyonet.stages.abnormality.make_bag`.

        Raises:
            ArrayError: K501 for profiles of another length. WeightsError: K302, K304 or K305 for the weights.
        """
        from .look import with_look

        return with_look(self.network(bags), bags, self.options.look_weight)

    def is_heteromorphism(self, bag: Bag) -> bool:
        """Whether a pair that is suspect would be called normal if its variable bands were equally long.

        Args:
            bag: whose probability exceeds the threshold.
        """
        from .heteromorphism import evened

        without = evened(bag)
        if without is None:
            return False
        (said,) = self.compare_bags([without])
        return said.probability <= min(NORMAL, self.threshold_for(len(bag.pairs)))

    def _finding(self, bag: Bag, said: BagComparison) -> Finding:
        """A bag above the threshold, with the metaphases that show it by themselves, or the one that does most."""
        alone = self.compare_bags([replace(bag, pairs=(pair,)) for pair in bag.pairs])
        probabilities = [one.probability for one in alone]
        showing = [m for m, p in enumerate(probabilities) if p > 0.5] or [int(np.argmax(probabilities))]
        homologs = [bag.pairs[m].ids[said.homologs[m]] for m in showing]
        return Finding(
            kind="heteromorphism" if self.is_heteromorphism(bag) else "structural",
            chromosome=bag.chromosome,
            change="unknown",
            iscn=None,
            score=round(said.probability, 4),
            metaphases=tuple(said.metaphases[m] for m in showing),
            clonal=len(showing) > 1,
            evidence={
                "homolog": homologs[0],
                "homologs": homologs,
                "region": [round(end, 2) for end in said.region],
                "bands": said.bands,
                "metaphases_compared": len(bag.pairs),
                "look_doubt": round(bag.doubt, 1),
            },
        )

    def load(self, weight: WeightFile) -> PairNetwork:
        from .inference import PairNetwork

        options: HomologComparer.Options = self.options
        return PairNetwork(weight, options.device, options.precision, options.batch_size)


def _thresholds_of(weight: WeightFile, threshold: float | str) -> tuple[float, ...]:
    """For 1, 2, … metaphases, up to :data:`MANY`: what was given, or what the model card holds by that name."""
    if not isinstance(threshold, str):
        return (threshold,) * MANY
    card = weight.card.thresholds
    names = ("cases_99", "cases_95", "specificity_99") if threshold == "auto" else (threshold,)
    for name in names:
        if name in card:
            return (card[name],) * MANY
        by_number = [f"{name}_{number}" for number in range(1, MANY + 1)]
        if all(one in card for one in by_number):
            return tuple(card[one] for one in by_number)
    reason = f"thresholds: there is no {names[-1]}; give threshold as a number"
    raise WeightsError("K306", path=card_path(weight.path), reason=reason)
