"""A test set of composed clusters, on which every cluster-type stage can be measured."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from karyonet.case import FloatArray
from karyonet.errors import DataError
from karyonet.evaluation.cluster_type import evaluate_cluster_type
from karyonet.evaluation.cluster_type_figures import ClusterTypeEvaluation
from karyonet.evaluation.cluster_type_results import ComponentResult, KnownComponent
from karyonet.evaluation.cluster_type_truth import KnownClusters, TruthSource, in_grid, moved, on_canvas
from karyonet.geometry.region import Region
from karyonet.stage import BoxSegmenter, Stage, load
from karyonet.training.lone import density_in_boxes
from karyonet.training.metaphase_pack import MetaphasePack
from karyonet.training.packing import pack_whole_metaphases

from .compositions import Composed, Compositions, compose
from .kinds import KINDS
from .sources import Sources
from .views import PACKED_SIZE

EXAMPLES = 2000
"""How many are composed if nothing else is said."""
_SEED = 20250101
"""No training composes from it: the seeds of recipes and of their validation are small."""
_TOGETHER, _LONE = 8, 12
"""Examples on a canvas, and lone chromosomes beside them: a stage reads the stain from the median of all components,
and most of those of a metaphase are lone chromosomes."""
_GAP = 64


def evaluate_compositions(
    stages: Mapping[str, Stage],
    data: Path,
    split: str | None = None,
    examples: int = EXAMPLES,
    settings: Compositions | None = None,
    progress: bool = True,
    inspect: Callable[[Sequence[ComponentResult]], object] | None = None,
) -> ClusterTypeEvaluation:
    """Measure a stage on compositions of the cut-outs of a split; the same data give the same compositions.

    Args:
        stages: the last one is asked.
        data: a folder of format ``metaphases``, or a metaphase pack (``.npz``).
        split: whose cut-outs; None takes all.
        examples: how many.
        settings: how they are composed.
        progress, inspect: as for :func:`karyonet.evaluation.cluster_type.evaluate_cluster_type`.

    Returns:
        Its metrics. A composition takes its parts from several cases, so each is drawn as a case of its own, and the
        intervals tell how many examples there are, not how many cases the cut-outs come from; those are what the
        evaluation counts, together with their images and the lone chromosomes.

    Raises:
        DataError: K4xx for data that cannot be used, K403 if there is no such split. ConfigError, WeightsError: K2xx,
            K3xx for the stage.
    """
    pack = load_split(data, split)
    settings = settings or Compositions()
    # The split was chosen, so that what is left is one, whatever it is called.
    pack = replace(pack, splits=np.full(len(pack), "", dtype=np.str_)) if split is None else pack
    sources = Sources.of(pack, split or "", settings.sources)
    found = evaluate_cluster_type(stages, composed_clusters(sources, settings, examples), progress, inspect)
    images = pack.of_split(split or "")
    return found.model_copy(
        update={
            "cases": len(np.unique(pack.cases[images])),
            "metaphases": len(images),
            "chromosomes": len(sources.chromosomes),
        }
    )


def composed_clusters(sources: Sources, settings: Compositions, examples: int) -> list[TruthSource]:
    """Composed clusters, several on a canvas.

    Args:
        sources: of a split.
        settings: how they are composed.
        examples: how many.
    """
    canvases = [range(first, min(first + _TOGETHER, examples)) for first in range(0, examples, _TOGETHER)]
    return [
        TruthSource(f"examples {c[0]}–{c[-1]}", f"examples {c[0]}–{c[-1]}", 0, partial(_canvas, sources, settings, c))
        for c in canvases
    ]


def load_split(data: Path, split: str | None) -> MetaphasePack:
    """A metaphase pack that has the images of a split, read or made of a folder.

    Raises:
        DataError: K4xx if the path is neither, K403 if it has no such split.
    """
    if data.suffix != ".npz":
        segmentation = load("threshold_segmenter", "segmentation")(device="cpu")
        assert isinstance(segmentation, BoxSegmenter)
        return pack_whole_metaphases(data, segmentation, density_in_boxes, PACKED_SIZE, split).pack
    pack = MetaphasePack.read(data)
    if split is not None and not len(pack.of_split(split)):
        known = sorted({str(name) for name in pack.splits if name})
        raise DataError("K403", path=data, split=split, known=", ".join(known) or "none")
    return pack


def _canvas(sources: Sources, settings: Compositions, numbers: Sequence[int]) -> KnownClusters:
    """Some examples among lone chromosomes, which nobody asks about."""
    composed = [compose(sources, settings, (_SEED, number)) for number in numbers]
    rows = np.random.default_rng((_SEED, numbers[0])).choice(sources.chromosomes, _LONE)
    lone = [sources.pack.cutout(row) for row in rows.tolist()]
    densities: list[FloatArray] = [c.relative_density for c in composed] + [c.optical_density for c in lone]
    regions = [c.region for c in composed] + [Region.from_mask(c.mask) for c in lone]
    canvas, corners = in_grid(densities, _GAP)
    metaphase = on_canvas(canvas, [moved(*pair) for pair in zip(regions, corners, strict=True)])
    known = tuple(_known(number, one) for number, one in zip(numbers, composed, strict=True))
    return KnownClusters(metaphase, known, tuple(range(len(known))), PACKED_SIZE)


def _known(number: int, composed: Composed) -> KnownComponent:
    name = f"{number:06d}"
    return KnownComponent(name, name, composed.region.bbox, KINDS[composed.kind], composed.chromosomes)
