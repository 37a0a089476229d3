"""The ways round in which an image without a way up can be shown to a network.

A metaphase and its clusters have no way up, so that a network should say the same of every turned and mirrored copy.
What it says of one of them alone is wrong in its own way, and the mean over several is less so.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
from torch import Tensor

Views = Literal[1, 2, 4, 8]
"""How many copies: the image alone, mirrored too, both turned by a quarter, all eight ways."""


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


def turned(images: Tensor, way: View) -> Tensor:
    """Images the other way round, shape (n, channels, height, width)."""
    copies = images.flip(-1) if way.mirrored else images
    return torch.rot90(copies, way.quarters, (-2, -1)).contiguous(memory_format=torch.channels_last)
