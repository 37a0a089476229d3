"""What a detector says of turned and mirrored copies of an image (:mod:`karyonet.turns`), averaged."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from karyonet.turns import View, turned

from .detector_model import Detections

_LEAST = 1e-6


def averaged(detector: Callable[[Tensor], Detections], image: Tensor, ways: Sequence[View]) -> Detections:
    """The mean over several ways round: of probabilities, of logarithms of distances, of all else as it is.

    Args:
        detector: images in, detections out.
        image: shape (n, channels, height, width); sides divisible by 32.
        ways: at least one.
    """
    said = [turned_back(detector(turned(image, way)), way) for way in ways]
    if len(said) == 1:
        return said[0]
    centres, distances, names, features = (torch.stack(maps) for maps in zip(*said, strict=True))
    probable = torch.sigmoid(centres).mean(dim=0).clamp(_LEAST, 1 - _LEAST)
    return Detections(torch.logit(probable), distances.log().mean(dim=0).exp(), names.mean(dim=0), features.mean(dim=0))


def turned_back(said: Detections, way: View) -> Detections:
    """What was said of a turned image, as the image itself lies.

    Directions turn with the image: a quarter turn leads half way round them, a mirror runs through them backwards.
    Left, top, right and bottom change places too.
    """
    count = said.centres.shape[1]
    centres, distances, names, features = (torch.rot90(maps, -way.quarters, (-2, -1)) for maps in said)
    if way.quarters % 2:
        centres, distances = (maps.roll(count // 2, dims=1) for maps in (centres, distances))
    # The right edge of an image that was turned anticlockwise was its bottom edge, and so on round.
    distances = distances.roll(way.quarters, dims=2)
    if way.mirrored:
        centres, distances, names, features = (m.flip(-1) for m in (centres, distances, names, features))
        backwards = [-direction % count for direction in range(count)]
        centres, distances = centres[:, backwards], distances[:, backwards][:, :, [2, 1, 0, 3]]
    return Detections(centres, distances, names, features)
