"""Weights in use: the pixels of the chromosomes in given boxes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import binary_fill_holes, label

from karyonet.case import FloatArray
from karyonet.device import DeviceName, Precision, autocast, choose_device
from karyonet.geometry.region import BoundingBox, Region
from karyonet.training.lone import density_in_boxes
from karyonet.weights import WeightFile, card_section, load_into

from .crops import CropSettings, crop_boxes, mask_in_image
from .mask_model import MaskArchitecture, MaskNetwork

_EIGHT_CONNECTED = np.ones((3, 3), dtype=bool)
_LEAST_PIECE = 0.2
"""Pieces of at least this share of the largest one belong to the chromosome: an overlap may part it."""


class Drawn(NamedTuple):
    """The chromosome in a box.

    Attributes:
        region: its pixels.
        certainty: 0–1, how sure the network is of them.
    """

    region: Region
    certainty: float


class BoxMasks:
    """A mask network with its weights and the input of its model card.

    Args:
        weight: a weight file of a mask network.
        device, precision: where and in which number format it runs.
        batch_size: boxes at a time.

    Raises:
        WeightsError: K302, K304, K305 for the file, K306 if its card describes no mask network.
    """

    def __init__(
        self, weight: WeightFile, device: DeviceName = "auto", precision: Precision = "auto", batch_size: int = 64
    ) -> None:
        architecture = card_section(weight, "architecture", MaskArchitecture)
        self.settings = card_section(weight, "input", CropSettings)
        self.inputs = architecture.inputs
        model = MaskNetwork(architecture)
        load_into(model, weight)
        self.device, self.precision, self.batch_size = choose_device(device), precision, batch_size
        self.model = model.eval().requires_grad_(False).to(self.device).to(memory_format=torch.channels_last)

    def __call__(
        self,
        optical_density: FloatArray,
        boxes: Sequence[BoundingBox],
        directions: Sequence[float | None] | None = None,
    ) -> list[Region | None]:
        """The chromosomes in boxes of one metaphase.

        No threshold of the whole image is used: haze, nuclei or debris that mislead one do not reach the boxes.

        Args:
            optical_density: float32, shape (height, width); 0 is background.
            boxes: inside the image, one a chromosome, best all of the metaphase: they tell scale and stain.
            directions: of the long axes, in radians from x towards y, where they are known: they tell apart two
                chromosomes that cross in one box.

        Returns:
            One region a box, inside it; None where the network finds nothing. Crossing chromosomes share the pixels of
            their overlap.
        """
        found = self.drawn(optical_density, boxes, directions)
        return [None if one is None else one.region for one in found]

    def drawn(
        self,
        optical_density: FloatArray,
        boxes: Sequence[BoundingBox],
        directions: Sequence[float | None] | None = None,
    ) -> list[Drawn | None]:
        """The same, with how sure the network is of each."""
        relative = np.asarray(optical_density / density_in_boxes(optical_density, boxes), dtype=np.float32)
        crops = crop_boxes(relative, boxes, self.settings, directions)
        said: list[FloatArray] = []
        with torch.inference_mode(), autocast(self.device, self.precision):
            for start in range(0, len(boxes), self.batch_size):
                images = torch.from_numpy(crops.images[start : start + self.batch_size, : self.inputs]).to(self.device)
                logits = self.model(images.contiguous(memory_format=torch.channels_last))
                said.extend(torch.sigmoid(logits.float()).cpu().numpy())
        found: list[Drawn | None] = []
        for box, probability, matrix in zip(boxes, said, crops.matrices, strict=True):
            region = _solid(mask_in_image(probability, matrix, box), (box[0], box[1]))
            inside = probability[probability > 0.5]
            certainty = 2 * float(inside.mean()) - 1 if inside.size else 0.0
            found.append(None if region is None else Drawn(region, certainty))
        return found


def _solid(mask: NDArray[np.bool_], offset: tuple[int, int]) -> Region | None:
    """The large pieces of a mask without their holes; None if nothing is there."""
    pieces, count = label(mask, structure=_EIGHT_CONNECTED)
    if count == 0:
        return None
    sizes = np.bincount(pieces.ravel())
    sizes[0] = 0
    return Region.from_mask(binary_fill_holes((sizes >= _LEAST_PIECE * sizes.max())[pieces]), offset)
