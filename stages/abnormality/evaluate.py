"""Bags of annotated data, judged: what ``karyonet evaluate abnormality`` measures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from karyonet.data.formats import FORMATS
from karyonet.errors import ConfigError, DataError
from karyonet.evaluation.abnormality import JudgedBag, summarise
from karyonet.evaluation.annotated import StageClassifier
from karyonet.evaluation.report import Evaluation, Failure, weights_in_use
from karyonet.stage import Stage, candidates
from karyonet.training.abnormalities import Manifest
from karyonet.training.packing import Packed, pack_metaphases_dataset, pack_strips_dataset
from karyonet.training.strip_pack import StripPack

from .artificial_bags import ArtificialBags, BagSettings, Example
from .comparison import BagComparison
from .finetune import LabelledBags
from .labels import read_labels
from .orientation import SURE
from .profiles import ProfileSet, with_polarity
from .stage import STAGE, HomologComparer
from .train import without_abnormal

_FREE_SIZES = frozenset({"deletion", "insertion", "duplication", "inversion", "translocation"})
"""Kinds of abnormalities of any size; that of the others follows from the chromosomes."""


@dataclass(frozen=True)
class BagPlan:
    """Which bags are evaluated.

    Attributes:
        sizes: fewest and most metaphases of a bag, one entry for each set of bags. Of labelled bags the first ``most``
            metaphases; none takes five of artificial ones and all of labelled ones.
        number: artificial bags of each size.
        seed: decides the artificial bags, each by its number alone.
        mixed: artificial bags mix the cases of the data; None asks the settings of the training.
    """

    sizes: tuple[tuple[int, int], ...] = ()
    number: int = 1000
    seed: int = 0
    mixed: bool | None = None


def evaluate(
    stage: HomologComparer,
    data: Path,
    format: str,
    plan: BagPlan,
    split: str | None = None,
    limit: int | None = None,
    upright: bool = True,
    stages: Mapping[str, Stage] | None = None,
) -> tuple[Evaluation, list[JudgedBag]]:
    """Judge the bags of a data set: those that its ``bags.csv`` names, otherwise artificial ones of its normal pairs.

    Artificial bags are those of a validation in training: same generator, same numbers.

    Args:
        stage: with the weights.
        data: folder of format ``strips`` or ``metaphases``.
        format: which of them.
        plan: the bags.
        split, limit: which cells, see :func:`karyonet.data.read_format`.
        upright: short arms are up in strips; otherwise, and in metaphases, ``stages`` say where they are.
        stages: of a pipeline, which segment, straighten and orient the chromosomes of metaphase images.

    Raises:
        DataError: K4xx for the data, K407 for another format, K414 if no bags of that size, or not both normal and
            abnormal ones, can be made of it.
        ConfigError: K205 if no stage says where short arms are. WeightsError: K302, K304, K305.
    """
    packed = read_strips_of(data, format, split, limit, upright, stages or {}, stage.options.polarity_certainty)
    labelled = (data / "bags.csv").is_file()
    cells = dict(zip(packed.pack.metaphases.tolist(), packed.pack.cells.tolist(), strict=True))
    make = _labelled if labelled else _artificial
    bags = list(make(stage, data, packed.pack, plan, cells))
    for wanted in dict.fromkeys(bag.wanted for bag in bags) or [""]:
        if {bag.abnormal for bag in bags if bag.wanted == wanted} != {True, False}:
            raise DataError("K414", path=data, reason="its bags are all normal or all abnormal")
    evaluation = summarise(
        bags,
        stage.threshold_for,
        cases=len(set(packed.pack.patients.tolist())),
        metaphases=len(cells),
        chromosomes=len(packed.pack),
        weights=weights_in_use([(STAGE, stage)]),
        failures=tuple(Failure(metaphase=failure.name, reason=failure.reason) for failure in packed.failures),
    )
    return evaluation, bags


def read_strips_of(
    data: Path,
    format: str,
    split: str | None,
    limit: int | None,
    upright: bool,
    stages: Mapping[str, Stage],
    certainty: float = SURE,
) -> Packed[StripPack]:
    """The straightened chromosomes of a data set; which way up they lie is known, or said as surely as asked for.

    Raises:
        As :func:`evaluate`.
    """
    usable = [name for name, known in FORMATS.items() if STAGE in known.stages]
    if format not in usable:
        raise DataError("K407", format=format, stage=STAGE, known=", ".join(usable))
    if format == "strips":
        packed = pack_strips_dataset(data, split, upright=upright, limit=limit)
    else:
        # What names and orients the chromosomes comes afterwards, as in training.
        before = {name: step for name, step in stages.items() if "chromosome.p_arm_up" not in step.assigns}
        packed = pack_metaphases_dataset(data, StageClassifier(before).chromosomes, split, limit=limit)
    if (packed.pack.polarity >= 0).all():
        return packed
    reader: Any = next((step for step in stages.values() if "chromosome.p_arm_up" in step.assigns), None)
    if reader is None:
        field = "chromosome.p_arm_up"
        raise ConfigError("K205", stage="evaluate abnormality", field=field, candidates=", ".join(candidates(field)))
    return replace(packed, pack=with_polarity(packed.pack, reader, certainty))


def _artificial(
    stage: HomologComparer, data: Path, pack: StripPack, plan: BagPlan, cells: Mapping[str, str]
) -> Iterator[JudgedBag]:
    profiles = ProfileSet.from_pack(without_abnormal(pack, data))
    defaults = BagSettings()
    mixed = data.name in defaults.mixed_sources if plan.mixed is None else plan.mixed
    sources = tuple(sorted(set(profiles.sources.tolist()))) if mixed else ()
    for fewest, most in plan.sizes or ((5, 5),):
        settings = defaults.model_copy(update={"fewest": fewest, "most": most, "mixed_sources": sources})
        wanted = _wanted(fewest, most)
        try:
            source = ArtificialBags(profiles, stage.preprocessing, settings)
            drawn = [source.draw(np.random.default_rng((plan.seed, 1, number))) for number in range(plan.number)]
        except DataError as fault:
            reason = f"no bag of {wanted} metaphases can be made of it"
            raise DataError("K414", path=data, reason=reason) from fault
        said = stage.compare_bags([example.bag for example, _ in drawn])
        for number, ((example, manifest), one) in enumerate(zip(drawn, said, strict=True)):
            yield _judged(f"{wanted}:{number}", wanted, example, one, cells, manifest)


def _labelled(
    stage: HomologComparer, data: Path, pack: StripPack, plan: BagPlan, cells: Mapping[str, str]
) -> Iterator[JudgedBag]:
    metaphases = {cell: metaphase for metaphase, cell in cells.items()}
    labels = [
        replace(label, cells=tuple(metaphases[cell] for cell in label.cells if cell in metaphases))
        for label in read_labels(data)
    ]
    bags = LabelledBags(ProfileSet.from_pack(pack), stage.preprocessing, labels)
    for fewest, most in plan.sizes or ((1, len(metaphases)),):
        wanted = _wanted(fewest, most) if plan.sizes else ""
        chosen = [number for number, (_, paired) in enumerate(bags.known) if len(paired) >= fewest]
        examples = [bags.example(number, most) for number in chosen]
        said = stage.compare_bags([example.bag for example in examples])
        for number, example, one in zip(chosen, examples, said, strict=True):
            yield _judged(bags.known[number][0].bag, wanted, example, one, cells)


def _judged(
    name: str,
    wanted: str,
    example: Example,
    said: BagComparison,
    cells: Mapping[str, str],
    manifest: Manifest | None = None,
) -> JudgedBag:
    known = [(one, truth) for one, truth in zip(said.homologs, example.affected, strict=True) if truth >= 0]
    what = None if manifest is None else manifest.abnormality
    judged = JudgedBag(
        bag=name,
        chromosome=said.chromosome,
        abnormal=example.abnormal,
        cells=tuple(cells[metaphase] for metaphase in said.metaphases),
        case=example.bag.case,
        probability=said.probability,
        region=said.region,
        wanted=wanted,
        homologs=(sum(one == truth for one, truth in known), len(known)),
    )
    if what is None:
        return judged
    start, stop = _place(example)
    return replace(
        judged,
        kind=what.kind,
        size=what.size if what.kind in _FREE_SIZES else None,
        start=what.start,
        stop=what.stop,
        donor=what.donor,
        region_found=said.region[0] < stop and start < said.region[1],
    )


def _place(example: Example) -> tuple[float, float]:
    """Where the abnormality is, as shares of the length of the altered homolog: the mean over the metaphases."""
    assert example.region is not None
    ends = []
    for pair, affected, region in zip(example.bag.pairs, example.affected, example.region, strict=True):
        if affected >= 0:
            length = int(np.flatnonzero(pair.valid[affected])[-1]) + 1
            marked = np.flatnonzero(region[affected])
            ends.append((marked[0] / length, (marked[-1] + 1) / length))
    start, stop = np.mean(ends, axis=0).tolist()
    return float(start), float(stop)


def _wanted(fewest: int, most: int) -> str:
    return str(fewest) if fewest == most else f"{fewest}-{most}"


def sizes_from(text: str) -> tuple[tuple[int, int], ...]:
    """Sizes of bags as a person writes them: ``5``, ``1-5``, or several separated by commas.

    Raises:
        ValueError: if that is not what the text holds.
    """
    sizes: Sequence[tuple[int, int]] = [
        (int(first), int(last or first)) for first, _, last in (part.strip().partition("-") for part in text.split(","))
    ]
    if any(not 1 <= fewest <= most for fewest, most in sizes):
        raise ValueError(f"{text}: bags of at least one metaphase, the smaller number first")
    return tuple(dict.fromkeys(sizes))
