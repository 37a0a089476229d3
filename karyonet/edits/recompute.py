"""Everything after an edited step, computed anew by the stages of the pipeline.

Which stages run again follows from their contracts: those behind the separation that read what has changed. Names and
orientations that a person gave stand; all other chromosomes of the metaphase are named together around them.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

import numpy as np

from karyonet.assignment import assign
from karyonet.case import LABELS, Alternative, Case, Chromosome, LeftOut, Metaphase
from karyonet.edits.history import Standing
from karyonet.edits.images import Images
from karyonet.errors import EditError, StageError
from karyonet.geometry.region import BoundingBox, Region, box_iou
from karyonet.stage import BoxSegmenter, MetaphaseStage, Stage

NOT_REPORTED = frozenset(
    {
        "metaphase.grey", "metaphase.optical_density", "metaphase.foreground", "metaphase.instances",
        "instance.region", "instance.score", "cluster.region", "chromosome.strip", "chromosome.probabilities",
        "chromosome.embedding", "chromosome.polarity_certainty",
    }
)  # fmt: skip
"""Fields that a report does not hold."""
_OUTLINES = frozenset({"metaphase.chromosomes", "chromosome.region", "chromosome.cluster"})
_NAMES = frozenset({"chromosome.label", "chromosome.p_arm_up", "chromosome.review", "chromosome.homolog"})
_NAMING = frozenset({"chromosome.strip", "chromosome.probabilities", "chromosome.label"})
_SAME = 0.5
"""Intersection over union of boxes from which both are of one object."""
_CERTAIN = 1e100
"""Weight of a name that a person gave: no price of the prior on copy numbers outweighs it."""


@dataclass(frozen=True)
class Plan:
    """The stages of a pipeline as edits need them.

    Attributes:
        finding: by name, those that see the image before its chromosomes are told apart.
        later: by name, those after that, in their order.
    """

    finding: Mapping[str, Stage]
    later: Mapping[str, Stage]

    @classmethod
    def of(cls, stages: Mapping[str, Stage]) -> Plan:
        """Divide the stages of a pipeline behind the last that tells chromosomes apart."""
        names = list(stages)
        last = max(
            (names.index(name) for name, step in stages.items() if "chromosome.region" in step.assigns), default=-1
        )
        finding = {"metaphase.foreground", "metaphase.reasons"}
        return cls(
            {name: stages[name] for name in names[:last] if stages[name].assigns & finding},
            {name: stages[name] for name in names[last + 1 :]},
        )

    @property
    def of_cases(self) -> dict[str, Stage]:
        """The later stages that look at the whole case."""
        return {name: step for name, step in self.later.items() if not isinstance(step, MetaphaseStage)}

    @property
    def needs_every_image(self) -> bool:
        """Whether a stage of the whole case reads what no report holds."""
        return any(step.requires & NOT_REPORTED for step in self.of_cases.values())


class Recomputation:
    """Computes the metaphases of a case anew from their images.

    Args:
        plan: the stages.
        images: where the pixels come from.
    """

    def __init__(self, plan: Plan, images: Images) -> None:
        self.plan = plan
        self._images = images
        self._found: dict[str, Metaphase] = {}

    def region_in_box(self, metaphase: Metaphase, box: BoundingBox) -> Region:
        """The chromosome that a person drew a box around; the boxes of all others tell the scale.

        Raises:
            EditError: K701 if the segmentation cannot do that, K704 or K705 for the image.
        """
        segmenter = next((step for step in self.plan.finding.values() if isinstance(step, BoxSegmenter)), None)
        if segmenter is None:
            reason = "no stage of this configuration can find the chromosome in a box"
            raise EditError("K701", source="add-by-box", place="--config", reason=reason)
        seen = replace(self._segmented(metaphase), chromosomes=metaphase.chromosomes)
        boxes = [chromosome.region.bbox for chromosome in metaphase.chromosomes]
        region = segmenter.regions_in_boxes(seen, [*boxes, box])[-1]
        return Region.from_mask(region.mask, region.bbox[:2]) if region.mask.any() else region

    def earlier_reasons(self, case: Case) -> dict[str, tuple[str, ...]]:
        """Why metaphases take no part in the karyotype, without the reasons that the stages of the case give anew.

        A report does not say which stage gave a reason; those that come again by themselves are the later ones'.
        """
        bare = replace(case, metaphases=tuple(replace(m, reasons=()) for m in case.metaphases))
        steps = {} if self.plan.needs_every_image else self.plan.of_cases
        for name, step in steps.items():
            bare = _run(name, step, bare)
        own = {metaphase.id: metaphase.reasons for metaphase in bare.metaphases}
        return {m.id: () if m.reasons == own[m.id] else m.reasons for m in case.metaphases}

    def __call__(
        self,
        case: Case,
        outlined: Collection[str],
        named: Collection[str],
        standing: Standing,
        reasons: Mapping[str, tuple[str, ...]],
    ) -> Case:
        """The case with everything computed that edits bear on.

        Args:
            case: with the chromosomes as the edits leave them.
            outlined: metaphases whose chromosomes have changed.
            named: metaphases in which nothing but names and orientations have.
            standing: what a person said of names, orientations and metaphases.
            reasons: of :meth:`earlier_reasons`.

        Raises:
            EditError: K704 or K705 for an image. StageError: K901 if a stage fails. InputError, WeightsError.
        """
        metaphases = {m.id: replace(m, reasons=reasons[m.id]) for m in case.metaphases}
        for one in (*outlined, *named):
            seen = self._segmented(metaphases[one]) if one in outlined else self._images.read(metaphases[one])
            metaphases[one] = replace(
                metaphases[one],
                grey=seen.grey,
                optical_density=seen.optical_density,
                foreground=seen.foreground,
                instances=seen.instances,
                reasons=seen.reasons if one in outlined else reasons[one],
                chromosomes=tuple(Chromosome(c.id, c.region, c.cluster) for c in metaphases[one].chromosomes),
                left_out=_still_left_out(metaphases[one]),
            )
        case = replace(case, metaphases=tuple(metaphases.values()))
        dirty = {one: set(_OUTLINES | _NAMES if one in outlined else _NAMES) for one in (*outlined, *named)}
        attended = False
        naming = any("chromosome.label" in step.assigns for step in self.plan.later.values())
        if not naming:  # names are then a person's alone
            case = replace(
                case, metaphases=tuple(respected(m, standing) if m.id in dirty else m for m in case.metaphases)
            )
        for name, step in self.plan.later.items():
            if isinstance(step, MetaphaseStage):
                wanted = {one for one in dirty if step.requires & dirty[one] or step.assigns & _NAMING}
                part = _run(name, step, replace(case, metaphases=tuple(m for m in case.metaphases if m.id in wanted)))
                done = {m.id: m for m in part.metaphases}
                if "chromosome.label" in step.assigns:
                    done = {one: respected(m, standing) for one, m in done.items()}
                for one in wanted:
                    dirty[one] |= step.assigns
                case = replace(case, metaphases=tuple(done.get(m.id, m) for m in case.metaphases))
            else:
                case = _run(name, step, case if attended else _attended(case, standing))
                attended = True
        return case if attended else _attended(case, standing)

    def _segmented(self, metaphase: Metaphase) -> Metaphase:
        """A metaphase as its image shows it, with its foreground."""
        if metaphase.id not in self._found:
            case = Case(metaphase.id, (self._images.read(metaphase),))
            for name, step in self.plan.finding.items():
                case = _run(name, step, case)
            self._found[metaphase.id] = case.metaphases[0]
        return self._found[metaphase.id]


def respected(metaphase: Metaphase, standing: Standing) -> Metaphase:
    """A metaphase that was just classified, with what a person said of its chromosomes.

    Where a person gave a name, the names of the others are decided together once more, around it. A chromosome that a
    person named has no confidence, which is a network's, and needs no review; one that was given another name because
    of that does.

    Args:
        metaphase: with ``probabilities``, ``label`` and ``review`` of its chromosomes.
        standing: names and orientations.
    """
    chromosomes = [
        replace(c, p_arm_up=standing.p_arm_up[metaphase.id, c.id], polarity_certainty=None)
        if (metaphase.id, c.id) in standing.p_arm_up
        else c
        for c in metaphase.chromosomes
    ]
    given = {c.id: standing.names[metaphase.id, c.id] for c in chromosomes if (metaphase.id, c.id) in standing.names}
    if not given:
        return replace(metaphase, chromosomes=tuple(chromosomes))
    taking_part = [c for c in chromosomes if c.probabilities is not None or c.id in given]
    weights = np.zeros((len(taking_part), len(LABELS)))
    for row, chromosome in zip(weights, taking_part, strict=True):
        if chromosome.id in given:
            row[LABELS.index(given[chromosome.id])] = _CERTAIN
        else:
            row[:] = chromosome.probabilities
    assigned = assign(weights)
    # The prior has a limited number of copies of a type; beyond it a person's word stands all the same.
    labels = [given.get(c.id, label) for c, label in zip(taking_part, assigned.labels, strict=True)]
    done: dict[str, Chromosome] = {}
    for number, chromosome in enumerate(taking_part):
        partner = assigned.homologs[number]
        alike = partner is not None and labels[partner] == labels[number]
        homolog = taking_part[partner].id if partner is not None and alike else None
        done[chromosome.id] = _renamed(replace(chromosome, homolog=homolog), labels[number], chromosome.id in given)
    return replace(metaphase, chromosomes=tuple(done.get(c.id, c) for c in chromosomes))


def _still_left_out(metaphase: Metaphase) -> tuple[LeftOut, ...]:
    """What was left out and what nobody has taken for a chromosome since."""
    if not metaphase.left_out or not metaphase.chromosomes:
        return metaphase.left_out
    boxes, taken = (
        np.array(some, dtype=float)
        for some in ([one.bbox for one in metaphase.left_out], [c.region.bbox for c in metaphase.chromosomes])
    )
    same = box_iou(boxes, taken).max(axis=1) >= _SAME
    return tuple(one for one, is_same in zip(metaphase.left_out, same.tolist(), strict=True) if not is_same)


def _renamed(chromosome: Chromosome, label: str, by_person: bool) -> Chromosome:
    if by_person:
        others = tuple(alternative for alternative in chromosome.alternatives if alternative.label != label)
        return replace(chromosome, label=label, confidence=None, alternatives=others, label_set=(label,), review=False)
    if label == chromosome.label or chromosome.probabilities is None:
        return chromosome
    probabilities = chromosome.probabilities
    order = [int(index) for index in np.argsort(-probabilities, kind="stable") if LABELS[index] != label]
    label_set = chromosome.label_set
    return replace(
        chromosome,
        label=label,
        confidence=float(probabilities[LABELS.index(label)]),
        alternatives=tuple(
            Alternative(LABELS[index], float(probabilities[index])) for index in order[: len(chromosome.alternatives)]
        ),
        label_set=(*label_set, label) if label_set and label not in label_set else label_set,
        review=True,
    )


def _attended(case: Case, standing: Standing) -> Case:
    """The case with the word of a person on which metaphases take part in the karyotype."""
    said = {one: () if reason is None else (reason,) for one, reason in standing.left_out.items()}
    return replace(case, metaphases=tuple(replace(m, reasons=said.get(m.id, m.reasons)) for m in case.metaphases))


def _run(name: str, step: Stage, case: Case) -> Case:
    """The case after a stage; a metaphase that it cannot do ends all, since an edited case keeps its metaphases.

    Raises:
        StageError: K901.
    """
    after = step(case)
    if len(after.metaphases) < len(case.metaphases):
        error = after.errors[-1]
        raise StageError("K901", stage=name, image=error.image, reason=error.message)
    return after
