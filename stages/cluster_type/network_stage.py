"""The cluster-type stage on a network: SupCAM."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, cast

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from karyonet.case import Cluster, ClusterType, FloatArray, Metaphase
from karyonet.data.boxes import box_size
from karyonet.device import DeviceName, Precision
from karyonet.errors import ArrayError
from karyonet.geometry.region import Region
from karyonet.network_stage import NetworkStage
from karyonet.stage import MetaphaseStage, StageOptions
from karyonet.weights import WeightFile

from .crops import chromosome_size
from .kinds import KINDS
from .seen import Seen

if TYPE_CHECKING:
    from karyonet.explanation import Explanations

    from .inference import TypeNetwork

LARGEST = 10.0
"""A component longer than so many chromosomes is larger than a metaphase."""


@dataclass(frozen=True, eq=False)
class ClusterTypes:
    """What the network says of n components.

    Attributes:
        kinds: of each, one of :data:`~karyonet.stages.cluster_type.kinds.KINDS`.
        probabilities: float32, shape (n, 6), calibrated, in the order of ``KINDS``.
        counts: int64, shape (n,): chromosomes in it, 0 for a nucleus or debris; the largest number that the weights
            know means so many or more.
        count_probabilities: float32, shape (n, most), of 1, 2, … chromosomes.
        rejected: bool, shape (n,): a nucleus or debris.
    """

    kinds: tuple[str, ...]
    probabilities: FloatArray
    counts: NDArray[np.int64]
    count_probabilities: FloatArray
    rejected: NDArray[np.bool_]


class SupCAM(NetworkStage["TypeNetwork"], MetaphaseStage):
    """Says of every cluster what it is, by a network trained on composed clusters.

    A cluster that is no chromosome at all (a nucleus, debris) or that cannot be judged keeps the type None; in the
    first case ``probability`` says how sure that is, in the second it is None.

    Raises:
        WeightsError: K301, K303, K304 or K306 when it is built; K302, K304 or K305 at its first use.
    """

    weights_of: ClassVar[str] = "cluster_type"
    summary: ClassVar[str] = "Tells single, touching and overlapping chromosomes, nuclei and debris by a network"
    requires: ClassVar[frozenset[str]] = frozenset(
        {"metaphase.optical_density", "metaphase.clusters", "cluster.region"}
    )
    assigns: ClassVar[frozenset[str]] = frozenset({"cluster.type", "cluster.probability"})

    class Options(StageOptions):
        weights: str = Field("supcam", description="name of shipped weights, or a .safetensors file")
        device: DeviceName = Field("auto", description="auto takes a GPU where there is one")
        precision: Precision = Field("auto", description="auto takes bfloat16 where the hardware multiplies in it")
        batch_size: int = Field(64, ge=1, description="clusters that are judged at a time")

    def process(self, metaphase: Metaphase) -> Metaphase:
        judged, said = self.judge(metaphase)
        places = {cluster.id: place for place, cluster in enumerate(judged)}

        def typed(cluster: Cluster) -> Cluster:
            if cluster.id not in places:
                return replace(cluster, type=None, probability=None)
            place = places[cluster.id]
            probability = float(said.probabilities[place, KINDS.index(said.kinds[place])])
            kind = None if said.rejected[place] else cast(ClusterType, said.kinds[place])
            return replace(cluster, type=kind, probability=probability)

        return replace(metaphase, clusters=tuple(typed(cluster) for cluster in metaphase.clusters))

    def judge(self, metaphase: Metaphase, size: float | None = None) -> tuple[tuple[Cluster, ...], ClusterTypes]:
        """Say of the clusters of a metaphase what :meth:`process` writes into them, and besides how many they hold.

        Args:
            metaphase: after a segmentation.
            size: as for :meth:`classify`; None reads it from the instances, where there are some, or else from the
                clusters.

        Returns:
            The clusters that can be judged, and what each of them is, in the same order.

        Raises:
            WeightsError: K302, K304 or K305 for the weights.
        """
        judged, size = self.judgeable(metaphase, size)
        regions = [cluster.region for cluster in judged]
        said = self.network(metaphase.optical_density, regions, size, Seen.of(metaphase, regions, size))
        return judged, said

    def judgeable(self, metaphase: Metaphase, size: float | None = None) -> tuple[tuple[Cluster, ...], float]:
        """The clusters that can be judged, and the size of the chromosomes; arguments as for :meth:`judge`."""
        density = metaphase.optical_density
        judged = [cluster for cluster in metaphase.clusters if _fault(cluster.region, density) is None]
        if size is None:
            # Instances come in the boxes that a detector sees, which are as people draw them.
            boxes = [instance.region.bbox for instance in metaphase.instances]
            regions = [cluster.region for cluster in judged]
            size = box_size(boxes) if boxes or not regions else chromosome_size(regions)
        return tuple(cluster for cluster in judged if _fault(cluster.region, density, size) is None), size

    def classify(
        self, optical_density: FloatArray, regions: Sequence[Region], size: float | None = None
    ) -> ClusterTypes:
        """Judge components of one metaphase.

        Args:
            optical_density: float32, shape (height, width); 0 is background.
            regions: the components, best all of the metaphase: they tell scale and stain.
            size: median of the longer sides of the boxes that people draw around the metaphase's chromosomes, in
                pixels; None reads it from the components.

        Raises:
            ArrayError: K501 if the image is no image of finite values, or a component leaves it, has one value alone or
                is larger than a metaphase; K502 if one is empty. WeightsError: K302, K304 or K305 for the weights.
        """
        density = np.asarray(optical_density)
        if density.ndim != 2 or density.size == 0 or not np.issubdtype(density.dtype, np.floating):
            expected = "a float array of shape (height, width)"
            raise ArrayError(
                "K501", what="optical_density", expected=expected, actual=f"{density.dtype} {density.shape}"
            )
        density = density.astype(np.float32, copy=False)
        if not np.isfinite(density).all():
            raise ArrayError(
                "K501", what="optical_density", expected="finite", actual="partly infinite or not a number"
            )
        _refuse(regions, density)
        if size is None:
            size = chromosome_size(regions) if regions else 1.0
        _refuse(regions, density, size)
        return self.network(density, regions, size)

    def explain(
        self,
        optical_density: FloatArray,
        regions: Sequence[Region],
        size: float | None = None,
        kinds: Sequence[str] | None = None,
    ) -> Explanations:
        """Show what in components of one metaphase spoke for their kinds (LayerCAM).

        Args:
            optical_density, regions, size: as for :meth:`classify`.
            kinds: of each component, the kind to explain; None takes what :meth:`classify` says.

        Raises:
            ArrayError: as :meth:`classify`, and K501 if ``kinds`` are not one of ``KINDS`` for each region.
            WeightsError: K302, K304 or K305 for the weights.
        """
        from .explanation import explain_types  # torch is imported when it is needed

        said = self.classify(optical_density, regions, size)
        return explain_types(self.network, np.asarray(optical_density, np.float32), regions, said, size, kinds)

    def load(self, weight: WeightFile) -> TypeNetwork:
        from .inference import TypeNetwork

        options: SupCAM.Options = self.options
        return TypeNetwork(weight, options.device, options.precision, options.batch_size)


def _refuse(regions: Sequence[Region], density: FloatArray, size: float | None = None) -> None:
    for number, region in enumerate(regions):
        if not region.mask.any():
            raise ArrayError("K502")
        fault = _fault(region, density, size)
        if fault is not None:
            raise ArrayError("K501", what=f"regions[{number}]", expected=fault[0], actual=fault[1])


def _fault(region: Region, density: FloatArray, size: float | None = None) -> tuple[str, str] | None:
    """Why a component cannot be judged: what it should be, and what it is; None if it can.

    Args:
        size: of a chromosome in pixels, where it is known.
    """
    xmin, ymin, xmax, ymax = region.bbox
    height, width = density.shape
    if not region.mask.any():
        return "at least one pixel", "empty"
    if xmin < 0 or ymin < 0 or xmax > width or ymax > height:
        return f"inside an image of {width} × {height} pixels", f"in the box {region.bbox}"
    stain = density[region.slices]
    if float(stain.min()) == float(stain.max()):
        return "stained", "of one value"
    longest = max(xmax - xmin, ymax - ymin)
    if size is not None and longest > LARGEST * size:
        return "smaller than a metaphase", f"{longest / size:.0f} chromosomes long"
    return None
