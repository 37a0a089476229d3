"""One image seen several ways round: what a detector says of its turned and mirrored copies, averaged.

A metaphase has no way up, so that a detector should say the same of every copy. What it says of one of them alone is
wrong in its own way, and the mean is less so.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from .detector_model import Detections

Views = Literal[1, 2, 4, 8]
"""How many copies: the image alone, mirrored too, both turned by a quarter, all eight ways."""
_LEAST = 1e-6


class View(NamedTuple):
    """A way round.

    Attributes:
        quarters: turns by a quarter, anticlockwise as the image is drawn.
        mirrored: left for right, before it is turned.
    """

    quarters: int
    mirrored: bool


def views(count: Views) -> list[View]:
    """The image itself first."""
    return [View(quarters, mirrored) for quarters in range(max(count // 2, 1)) for mirrored in (False, True)][:count]


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


def turned(image: Tensor, way: View) -> Tensor:
    """An image the other way round, shape (n, channels, height, width)."""
    copy = image.flip(-1) if way.mirrored else image
    return torch.rot90(copy, way.quarters, (-2, -1)).contiguous(memory_format=torch.channels_last)


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
