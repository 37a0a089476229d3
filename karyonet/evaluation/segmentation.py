"""Measuring what segmentation, cluster type and separation find, whatever the chromosomes are called afterwards.

Box IoU says which chromosomes were found, on every data set; where the truth has masks, panoptic quality, splits and
merges are of masks. Panoptic quality is Kirillov et al., CVPR 2019, equation 1, with pairs of IoU 0.5 or more matched
one to one: PQ = SQ × RQ, the mean IoU of the pairs times the F1 of finding them.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from karyonet.case import Case, Metaphase
from karyonet.errors import ConfigError, WeightsError
from karyonet.evaluation.average_precision import RankedMatches, coco_matches, require_pycocotools
from karyonet.evaluation.matching import (
    box_region,
    count_splits_and_merges,
    group_sizes,
    match_boxes,
    match_by_iou,
    region_iou,
)
from karyonet.evaluation.report import Evaluation, reason_of, weights_in_use
from karyonet.evaluation.segmentation_figures import ImageResult, summarise
from karyonet.evaluation.segmentation_truth import AnnotatedImage
from karyonet.geometry.region import Region
from karyonet.stage import Stage, candidates


class FoundObject(NamedTuple):
    """What was found, how sure the segmentation is of it, and whether it is one that the segmentation leaves open."""

    region: Region
    score: float = 1.0
    doubtful: bool = False


class Seen(NamedTuple):
    """An image, what is in it, and what was found in it."""

    image: AnnotatedImage
    truth: Sequence[Region]
    found: Sequence[Region]
    result: ImageResult


def evaluate_segmentation(
    stages: Mapping[str, Stage],
    images: Sequence[AnnotatedImage],
    progress: bool = True,
    inspect: Callable[[Seen], object] | None = None,
) -> Evaluation:
    """Run the stages of a pipeline that find chromosomes, and compare what they find with the annotation.

    Args:
        stages: of a pipeline, by their place in it; those after the last that finds chromosomes do not run.
        images: of :func:`karyonet.evaluation.segmentation_truth.read_annotated_images`.
        progress: show a progress bar on a terminal.
        inspect: called with every image as soon as it was compared.

    Returns:
        The metrics of :func:`summarise`.

    Raises:
        InputError: K110 if pycocotools is not installed, K1xx if a class map cannot be read.
        ConfigError, WeightsError: K2xx, K3xx; an image that fails otherwise counts as one in which nothing was found,
            and is named in the evaluation.
        DataError: K402 if the truth of an image cannot be read.
    """
    from rich.progress import track

    require_pycocotools()
    stages = finding_stages(stages)
    results: list[ImageResult] = []
    for image in track(images, description="evaluating", disable=not (progress and sys.stderr.isatty())):
        seen = _look(stages, image)
        results.append(seen.result)
        if inspect is not None:
            inspect(seen)
    return summarise(results).model_copy(update={"weights": weights_in_use(stages.items())})


def finding_stages(stages: Mapping[str, Stage]) -> dict[str, Stage]:
    """The stages up to the last that says which pixels are a chromosome.

    Raises:
        ConfigError: K205 if there is none.
    """
    finding = [name for name, step in stages.items() if step.assigns & {"metaphase.chromosomes", "chromosome.region"}]
    if not finding:
        field, givers = "metaphase.chromosomes", ", ".join(candidates("metaphase.chromosomes"))
        raise ConfigError("K205", stage="evaluate segmentation", field=field, candidates=givers)
    names = list(stages)
    return {name: stages[name] for name in names[: names.index(finding[-1]) + 1]}


def found_objects(metaphase: Metaphase) -> list[FoundObject]:
    """The chromosomes of a metaphase, each with the score of the instance that it is (mask IoU at least 0.5).

    What is none of the instances has the score 0; where no stage gives instances all have the score 1.
    """
    regions = [chromosome.region for chromosome in metaphase.chromosomes]
    doubtful = [chromosome.doubtful for chromosome in metaphase.chromosomes]
    if not metaphase.instances or not regions:
        return [FoundObject(region, doubtful=doubt) for region, doubt in zip(regions, doubtful, strict=True)]
    iou = region_iou(regions, [instance.region for instance in metaphase.instances])
    scores = np.array([instance.score for instance in metaphase.instances], dtype=np.float64)
    best = iou.argmax(axis=1)
    given = np.where(iou[np.arange(len(regions)), best] >= 0.5, scores[best], 0.0)
    return [FoundObject(*one) for one in zip(regions, given.tolist(), doubtful, strict=True)]


def compare(
    image: AnnotatedImage,
    found: Sequence[FoundObject],
    truth: Sequence[Region] | None = None,
    seconds: float = 0.0,
    stage_seconds: Mapping[str, float] | None = None,
    error: str | None = None,
) -> ImageResult:
    """Compare what was found in an image with its annotation; the order of what was found changes nothing.

    What the segmentation leaves to later stages has its place in the ranking, for average precision, and counts nowhere
    else.

    Args:
        image: says whether the truth is masks.
        found: chromosomes, doubtful ones too.
        truth: of the image, read from it if absent.
        seconds, stage_seconds: that it took.
        error: why nothing was found.
    """
    truth = image.read_truth() if truth is None else truth
    ranked = sorted(found, key=lambda one: (-one.score, one.region.bbox, one.region.mask.tobytes()))
    regions = [one.region for one in ranked if not one.doubtful]
    boxes, true_boxes = ([region.bbox for region in several] for several in (regions, truth))
    by_box = match_boxes(boxes, true_boxes)
    hit = np.ones(len(truth), dtype=bool)
    hit[by_box.unmatched_truth] = False
    # Where there are no masks, a found chromosome is its box here too.
    objects = regions if image.masks else [box_region(box) for box in boxes]
    matches = match_by_iou(region_iou(objects, truth)) if image.masks else by_box
    splits, merges = count_splits_and_merges(objects, truth, matches)
    return ImageResult(
        metaphase=image.id,
        case=image.case,
        truth=len(truth),
        found=len(regions),
        hit=hit,
        matched_75=len(match_boxes(boxes, true_boxes, 0.75).pairs),
        together=group_sizes(truth, touching=image.masks),
        paired=len(matches.pairs),
        overlap=float(matches.iou.sum()),
        splits=splits,
        merges=merges,
        boxes=_ranked(ranked, truth, masks=False),
        masks=_ranked(ranked, truth, masks=True) if image.masks else None,
        difficult=image.difficult,
        seconds=seconds,
        stage_seconds=stage_seconds or {},
        error=error,
    )


def _ranked(found: Sequence[FoundObject], truth: Sequence[Region], masks: bool) -> RankedMatches:
    return coco_matches([one.region for one in found], [one.score for one in found], truth, masks)


def _look(stages: Mapping[str, Stage], image: AnnotatedImage) -> Seen:
    """Run the stages over an image and compare; an image that fails is one in which nothing was found."""
    found: list[FoundObject] = []
    error: str | None = None
    stage_seconds: dict[str, float] = {}
    start = time.perf_counter()
    try:
        case = Case.read(image.path, case_id=image.id)
        for name, step in stages.items():
            before = time.process_time()
            case = step(case)
            stage_seconds[name] = time.process_time() - before
        if case.metaphases:
            found = found_objects(case.metaphases[0])
        else:
            error = "; ".join(fault.message for fault in case.errors) or "no metaphase came out of the stages"
    except (ConfigError, WeightsError):  # it would fail on every image
        raise
    except Exception as fault:
        error = reason_of(fault)
    seconds = time.perf_counter() - start
    truth = image.read_truth()
    result = compare(image, found, truth, seconds, stage_seconds, error)
    return Seen(image, truth, [one.region for one in found if not one.doubtful], result)
