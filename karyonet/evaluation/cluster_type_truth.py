"""What a cluster-type stage is measured against: components of which people say what they are."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from karyonet.case import Case, Cluster, FloatArray, Metaphase
from karyonet.data import read_format
from karyonet.data.boxes import components_of, region_in_box
from karyonet.data.cluster_objects import ClusterObject
from karyonet.data.metaphases import AnnotatedMetaphase, read_metaphases
from karyonet.data.objects import holds, touches
from karyonet.data.pictures import image_size, read_grey
from karyonet.data.selection import limited
from karyonet.data.tables import read_table
from karyonet.errors import DataError, StageError
from karyonet.evaluation.cluster_type_results import NO_CHROMOSOME, PIECE, SEVERAL, TYPES, KnownComponent
from karyonet.geometry.region import BoundingBox, Region, box_iou
from karyonet.imaging import to_optical_density
from karyonet.stage import Stage

METAPHASES, CLUSTERS, COMPOSITIONS = "metaphases", "clusters", "compositions"
FORMATS = (METAPHASES, CLUSTERS, COMPOSITIONS)
"""What ``--format`` takes; compositions are made by the stage's own composer and not read here."""
LEAST_IOU = 0.5
"""Of the boxes of a listed component and of what is taken for it."""
WHITE = 251.5 / 255
"""Grey value from which cut-out segments are blank: in ``chrcluster_sample`` 252 to 254 do not occur, and what is
darker is one connected component in each of its 642 images (below 250 some fall apart)."""


@dataclass(frozen=True, eq=False)
class KnownClusters:
    """The clusters of a metaphase, of some of which it is known what they are.

    Attributes:
        metaphase: with its clusters, which have no type yet.
        known: what is known.
        places: of each known component, which of the clusters it is; None where it is none of them.
        size: median of the longer sides of the boxes of the metaphase's chromosomes in pixels, where that is known.
    """

    metaphase: Metaphase
    known: tuple[KnownComponent, ...]
    places: tuple[int | None, ...]
    size: float | None = None


@dataclass(frozen=True, eq=False)
class TruthSource:
    """Known clusters that are read when it is their turn.

    Attributes:
        id: of the image or case.
        case: patient or culture.
        chromosomes: how many are annotated.
        read: reads them.
        listed: what is known before the clusters are; all of it counts as not found if they cannot be read.
    """

    id: str
    case: str
    chromosomes: int
    read: Callable[[], KnownClusters]
    listed: tuple[KnownComponent, ...] = ()


def read_known_clusters(
    directory: str | Path,
    format: str,
    finding: Mapping[str, Stage],
    split: str | None = None,
    limit: int | None = None,
    truth: str | Path | None = None,
) -> list[TruthSource]:
    """Read a data set to measure what is said of components.

    Args:
        directory: the data set.
        format: ``metaphases``: the components that a segmentation finds, with the annotated boxes that they hold;
            ``clusters``: cut-out segments on white (:mod:`karyonet.data.cluster_objects`).
        finding: the stages that find components in metaphases.
        split: only this split.
        limit: whole cases with at most so many images together.
        truth: a table ``image, xmin, ymin, xmax, ymax, type`` of components of the metaphases, which are then all that
            is measured.

    Raises:
        DataError: K401 if something is missing, K402 if a row is wrong, K403 if there is no such split,
            K404 if an image is missing, K407 for another format, K415 for a list with another format than metaphases.
    """
    if truth is not None and format != METAPHASES:
        raise DataError("K415", format=format)
    if format not in (METAPHASES, CLUSTERS):
        raise DataError("K407", format=format, stage="cluster_type", known=", ".join(FORMATS))
    if format == CLUSTERS:
        return cut_out_clusters(read_format(directory, CLUSTERS, stage="cluster_type", split=split, limit=limit))
    if truth is not None:
        images = read_metaphases(directory, split=split)
        listed = read_list(truth, images)
        return listed_clusters(finding, limited([image for image in images if image.id in listed], limit), listed)
    images = read_metaphases(directory, split=split, limit=limit)
    if not images:
        raise DataError("K401", path=directory, format=format, missing="at least one row in cells.csv")
    return boxed_clusters(finding, images)


def boxed_clusters(finding: Mapping[str, Stage], images: Sequence[AnnotatedMetaphase]) -> list[TruthSource]:
    """The components that stages find in metaphases; the annotated boxes in each say how many chromosomes it holds."""
    return [
        TruthSource(image.id, image.case, len(image.chromosomes), partial(_boxed, finding, image)) for image in images
    ]


def listed_clusters(
    finding: Mapping[str, Stage],
    images: Sequence[AnnotatedMetaphase],
    listed: Mapping[str, Sequence[KnownComponent]],
) -> list[TruthSource]:
    """The components that stages find in metaphases in the place of listed ones.

    Args:
        finding: the stages.
        images: to look at.
        listed: by image, as of :func:`read_list`.
    """
    return [
        TruthSource(i.id, i.case, len(i.chromosomes), partial(_listed, finding, i, known), known)
        for i, known in ((image, tuple(listed[image.id])) for image in images)
    ]


def read_list(path: str | Path, images: Sequence[AnnotatedMetaphase]) -> dict[str, list[KnownComponent]]:
    """Read a list of components whose type a person has checked.

    Args:
        path: CSV, columns ``image, xmin, ymin, xmax, ymax, type``; boxes in pixels.
        images: those that it may name.

    Returns:
        Components by image, in the order of the list.

    Raises:
        DataError: K401 if the file, a column or all rows are missing, K402 if a row is wrong.
    """
    path, known = Path(path), {image.id: image for image in images}
    columns = ("image", "xmin", "ymin", "xmax", "ymax", "type")
    found: dict[str, list[KnownComponent]] = {}
    for row in read_table(path, "list of components", columns):
        name, kind = row.text("image"), row.text("type")
        if name not in known:
            raise row.error(f"the image {name} is not in cells.csv, or not in the split asked for; remove the row")
        if kind not in TYPES:
            raise row.error(f"type must be one of {', '.join(TYPES)}, not {kind!r}")
        image = known[name]
        bbox = row.box(image.width, image.height)
        found.setdefault(name, []).append(KnownComponent(name, image.case, bbox, kind))
    if not found:
        raise DataError("K401", path=path, format="list of components", missing="at least one row")
    return found


def cut_out_clusters(objects: Sequence[ClusterObject]) -> list[TruthSource]:
    """Cut-out segments, all of a case on one canvas, since a stage tells scale and stain by all of a metaphase."""
    cases: dict[str, list[ClusterObject]] = {}
    for item in objects:
        cases.setdefault(item.case, []).append(item)
    return [
        TruthSource(case, case, sum(k.kind == TYPES[0] for k in known), partial(_cut_out, items, known), known)
        for case, items, known in ((case, items, tuple(map(_known, items))) for case, items in cases.items())
    ]


def in_grid(images: Sequence[FloatArray], gap: int, ground: float = 0.0) -> tuple[FloatArray, list[tuple[int, int]]]:
    """Images side by side on one canvas.

    Args:
        images: float32, shape (height, width) each; at least one.
        gap: pixels of ground between them and around all.
        ground: value of what no image covers.

    Returns:
        float32, shape (height, width): the canvas; of each image ``(x, y)`` of its top left pixel.
    """
    height, width = (max(image.shape[axis] for image in images) + gap for axis in (0, 1))
    columns = int(np.ceil(np.sqrt(len(images))))
    rows = -(-len(images) // columns)
    canvas = np.full((rows * height + gap, columns * width + gap), ground, dtype=np.float32)
    corners = [(gap + number % columns * width, gap + number // columns * height) for number in range(len(images))]
    for image, (x, y) in zip(images, corners, strict=True):
        canvas[y : y + image.shape[0], x : x + image.shape[1]] = image
    return canvas, corners


def moved(region: Region, corner: tuple[int, int]) -> Region:
    """A region of an image of which ``corner`` is the top left pixel, ``(x, y)``, on the canvas."""
    xmin, ymin, xmax, ymax = region.bbox
    return Region((xmin + corner[0], ymin + corner[1], xmax + corner[0], ymax + corner[1]), region.mask)


def on_canvas(optical_density: FloatArray, regions: Sequence[Region], grey: FloatArray | None = None) -> Metaphase:
    """A metaphase that nobody has recorded.

    Args:
        optical_density: float32, shape (height, width).
        regions: its clusters ``k1`` …
        grey: float32, the same shape; by default as the density absorbs.
    """
    foreground = np.zeros(optical_density.shape, dtype=bool)
    for region in regions:
        foreground[region.slices] |= region.mask
    return Metaphase(
        id="m1",
        image="canvas",
        sha256="",
        grey=np.power(np.float32(10), -optical_density) if grey is None else grey,
        contrast="absorption",
        optical_density=optical_density,
        foreground=foreground,
        clusters=tuple(Cluster(f"k{number}", region) for number, region in enumerate(regions, start=1)),
    )


def _found(finding: Mapping[str, Stage], image: AnnotatedMetaphase) -> Metaphase:
    """The metaphase after the stages."""
    case = Case.read(image.path, case_id=image.id)
    for name, step in finding.items():
        case = step(case)
        if not case.metaphases:
            raise StageError("K901", stage=name, image=image.id, reason=case.errors[-1].message)
    return case.metaphases[0]


def _boxed(finding: Mapping[str, Stage], image: AnnotatedMetaphase) -> KnownClusters:
    metaphase = _found(finding, image)
    regions = [cluster.region for cluster in metaphase.clusters]
    stained = _stained(metaphase)
    boxes = [chromosome.bbox for chromosome in image.chromosomes]
    chromosomes = [one for one in (region_in_box(stained, box) for box in boxes) if one is not None]
    known = []
    for region in regions:
        held = sum(holds(region, one) for one in chromosomes)
        kind = TYPES[0] if held == 1 else SEVERAL if held else NO_CHROMOSOME
        if not held and any(touches(region, box) for box in boxes):
            kind = PIECE
        known.append(KnownComponent(image.id, image.case, region.bbox, kind, held))
    return KnownClusters(metaphase, tuple(known), tuple(range(len(known))))


def _listed(
    finding: Mapping[str, Stage], image: AnnotatedMetaphase, known: tuple[KnownComponent, ...]
) -> KnownClusters:
    metaphase = _found(finding, image)
    stained, clusters, places = _stained(metaphase), list(metaphase.clusters), list[int | None]()
    for component in known:
        candidates = [*(cluster.region for cluster in metaphase.clusters), *_shown_in(component.bbox, stained)]
        boxes = np.array([region.bbox for region in candidates], dtype=float).reshape(-1, 4)
        iou = box_iou(np.array([component.bbox], dtype=float), boxes)[0]
        best = int(iou.argmax()) if iou.size and iou.max() >= LEAST_IOU else None
        if best is not None and best >= len(metaphase.clusters):
            clusters.append(Cluster(f"k{len(clusters) + 1}", candidates[best]))
            best = len(clusters) - 1
        places.append(best)
    return KnownClusters(replace(metaphase, clusters=tuple(clusters)), known, tuple(places))


def _stained(metaphase: Metaphase) -> NDArray[np.bool_]:
    """The pixels of all clusters."""
    stained = np.zeros(metaphase.optical_density.shape, dtype=bool)
    for cluster in metaphase.clusters:
        stained[cluster.region.slices] |= cluster.region.mask
    return stained


def _shown_in(box: BoundingBox, stained: NDArray[np.bool_]) -> list[Region]:
    """What may be meant by a listed box where a component has gained or lost a neighbour since: the stained parts that
    the box cuts out, each and all together."""
    inside = np.zeros_like(stained)
    rows, columns = slice(box[1], box[3]), slice(box[0], box[2])
    inside[rows, columns] = stained[rows, columns]
    parts = components_of(inside, 1)
    return [*parts, Region.from_mask(inside)] if len(parts) > 1 else parts


def _known(item: ClusterObject) -> KnownComponent:
    width, height = image_size(item.path)
    kind = TYPES[0] if item.kind == "chromosome" else item.kind
    return KnownComponent(item.id, item.case, (0, 0, width, height), kind)


def _cut_out(items: Sequence[ClusterObject], known: tuple[KnownComponent, ...]) -> KnownClusters:
    """The segments of a case as one metaphase; a blank image holds none."""
    greys = [read_grey(item.path) for item in items]
    longest = max(max(grey.shape) for grey in greys)
    canvas, corners = in_grid(greys, gap=longest, ground=1.0)  # so wide a gap that no crop shows two of them
    segments = [Region.from_mask(grey < WHITE) if (grey < WHITE).any() else None for grey in greys]
    pairs = [(one, corner) for one, corner in zip(segments, corners, strict=True) if one is not None]
    metaphase = on_canvas(to_optical_density(canvas, "absorption"), [moved(*pair) for pair in pairs], canvas)
    numbers = iter(range(len(pairs)))
    places = tuple(None if one is None else next(numbers) for one in segments)
    boxed = [k if one is None else replace(k, bbox=one.bbox) for k, one in zip(known, segments, strict=True)]
    return KnownClusters(metaphase, tuple(boxed), places)
