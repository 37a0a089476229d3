"""The metaphases that the networks of this stage are trained on."""

from __future__ import annotations

from pathlib import Path

from karyonet.training.lone import density_in_boxes
from karyonet.training.metaphase_pack import MetaphasePack
from karyonet.training.packing import Packed, pack_masked_images, pack_once, pack_whole_metaphases

from .stage import ThresholdSegmenter

PACKED_SIZE = 64.0
"""Median of the longer sides of a metaphase's boxes in a pack, in pixels: more than any network is shown."""
MASKED = {"mfish": "*_classes.*", "simulated": "**/chromosomes.coco.json"}
"""Formats that know every pixel, by the files that tell them."""


def load_metaphases(path: Path, cache: Path, processes: int = 1) -> MetaphasePack:
    """Read a metaphase pack, or make one of a data set and keep it in ``cache``.

    Args:
        path: the pack (``.npz``), or a folder of format metaphases, mfish or simulated.
        cache: folder of the packs that were made.
        processes: how many images are worked on at a time.

    Raises:
        DataError: K4xx if the path is neither.
    """

    def pack(folder: Path) -> Packed[MetaphasePack]:
        masked = next((name for name, sign in MASKED.items() if any(folder.glob(sign))), None)
        if masked is not None:
            return pack_masked_images(folder, masked, density_in_boxes, PACKED_SIZE, processes=processes)
        # On the CPU: the processes could not share a GPU.
        segmentation = ThresholdSegmenter(device="cpu")
        return pack_whole_metaphases(folder, segmentation, density_in_boxes, PACKED_SIZE, processes=processes)

    return pack_once(MetaphasePack, path, cache, pack)
