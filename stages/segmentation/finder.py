"""Weights in use: the chromosomes of a metaphase, each with its box and direction, at any magnification."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from karyonet.case import FloatArray
from karyonet.device import DeviceName, Precision, autocast, choose_device
from karyonet.training.lone import density_in_boxes
from karyonet.turns import View, Views, views
from karyonet.weights import WeightFile, card_section, load_into

from .averaging import averaged
from .crops import MOST_DENSE
from .detection import Boxes, every_cell, peaks, suppressed, together, whole_boxes
from .detector_model import Detector, DetectorArchitecture
from .rescoring_model import Evidence, tensors
from .threshold import first_threshold
from .tiles import tiles

GRID = 32
"""Sides of the network's input are multiples of this many pixels."""
USUAL_SIZE = 84.0
"""Median of the longer sides of the boxes in ``gband_metaphases``, in pixels: the magnification that is tried first."""
OTHER_SIZES = (1.6, 1 / 1.6, 2.5, 1 / 2.5)
"""Tried next, relative to the usual one, where that does not fit."""
CONSISTENT = 1.35
"""Factor by which the found size may differ from the assumed one for the network to be trusted with it."""
CLOSE = 1.1
"""Factor within which size and density are not measured anew."""
SMALLEST = 24.0
"""Pixels: chromosomes of which the median is shorter show no bands, and grains of dirt look like them."""
MOST_LOOKS = 3
"""At an image, each at the size and density that the one before has found."""
FEWEST = 8
"""Fewer chromosomes do not tell a magnification."""
CONVINCING = 30
"""So many chromosomes are a metaphase for which nothing else is tried."""
SAME_BOX, SAME_CANDIDATE = 0.5, 0.75
"""Intersection over union from which boxes of one direction are the same, without and with a rescoring network."""
TILE, MARGIN = 1024, 160
"""Of the network's input, in pixels: a metaphase at the usual size is one tile."""


class FinderSettings(BaseModel):
    """How an image becomes input; stored in the model card of the weights.

    Attributes:
        size: what the median of the longer sides of a metaphase's boxes is brought to, in pixels.
        views: ways round in which the network looks at it once magnification and stain are known.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    size: float = Field(default=48.0, gt=0)
    views: Views = 1


class Found(NamedTuple):
    """What was found in an image.

    Attributes:
        boxes: the candidates, the surest first, in pixels of the image.
        sure: how many of them are surer than the detector's threshold.
        size: median of the longer sides of their boxes in pixels of the image: the magnification.
        density: optical density of a typical chromosome.
    """

    boxes: Boxes
    sure: int
    size: float
    density: float


class _Settled(NamedTuple):
    """What was found, and whether it is a metaphase of the magnification that was assumed last."""

    found: Found
    agrees: bool


class ChromosomeFinder:
    """A detector with its weights and the input of its model card.

    Args:
        weight: a weight file of a detector.
        device, precision: where and in which number format it runs.
        least: how probable a candidate must be; None takes what the model card says.
        ways: round which an image is looked at; None takes what the model card says.

    Attributes:
        rescoring: whether the weights hold a rescoring network.
        threshold: of the detector: how probable chromosomes must be to tell magnification and stain.
        least: the same of a candidate.

    Raises:
        WeightsError: K302, K304, K305 for the file, K306 if its card describes no detector.
    """

    def __init__(
        self,
        weight: WeightFile,
        device: DeviceName = "auto",
        precision: Precision = "auto",
        least: float | None = None,
        ways: Views | None = None,
    ) -> None:
        model = Detector(card_section(weight, "architecture", DetectorArchitecture))
        self.settings = card_section(weight, "input", FinderSettings)
        self._ways = views(self.settings.views if ways is None else ways)
        self.threshold = weight.card.thresholds.get("centre", 0.35)
        self.least = weight.card.thresholds.get("candidate", self.threshold) if least is None else least
        load_into(model, weight)
        self.rescoring = model.rescoring is not None
        # Of several candidates the rescoring network chooses.
        self._chooses = self.least < self.threshold
        self.device, self.precision = choose_device(device), precision
        self.model = model.eval().requires_grad_(False).to(self.device).to(memory_format=torch.channels_last)

    def __call__(self, optical_density: FloatArray) -> Found:
        """Find the chromosomes of an image.

        Magnification and stain are not known beforehand: what is found at the usual ones says better ones, at which
        it is looked for again.

        Args:
            optical_density: float32, shape (height, width); 0 is background.
        """
        density = typical_density(optical_density)
        # Ink, dirt or nuclei may be so dark that a first guess takes them for the chromosomes.
        fainter = typical_density(np.where(optical_density > density / 2, 0, optical_density))
        tried: list[_Settled] = []
        for factor, stain in ((1.0, density), (1.0, fainter), *((factor, density) for factor in OTHER_SIZES)):
            tried.append(self._settled(optical_density, USUAL_SIZE * factor, stain))
            if tried[-1].agrees and tried[-1].found.sure >= CONVINCING:
                return self._seen_all_ways(tried[-1].found, optical_density)
        fitting = [one.found for one in tried if one.agrees] or [tried[0].found]
        best = max(fitting, key=lambda one: float(one.boxes.scores[: one.sure].sum()))
        return self._seen_all_ways(best, optical_density)

    def look(self, optical_density: FloatArray, size: float, density: float, ways: Sequence[View] = ()) -> Boxes:
        """Find the chromosomes of an image whose magnification and stain are known.

        Args:
            optical_density: float32, shape (height, width).
            size: median of the longer sides of its chromosomes' boxes, in pixels.
            density: optical density of a typical chromosome.
            ways: round which it is looked at; none stands for all that the network is to take.

        Returns:
            The boxes in pixels of the image.
        """
        height, width = optical_density.shape
        scale = self.settings.size / size
        shape = max(round(height * scale), 1), max(round(width * scale), 1)
        way = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        resized = cv2.resize(optical_density, shape[::-1], interpolation=way)
        relative = np.clip(np.asarray(resized, dtype=np.float32) / np.float32(density), 0, MOST_DENSE)
        parts = []
        for tile in tiles(shape, TILE, MARGIN):
            said = self._seen(relative[tile.rows, tile.columns], ways or self._ways)
            middles = (said.boxes[:, :2] + said.boxes[:, 2:]) / 2 + (tile.columns.start, tile.rows.start)
            own = _within(middles[:, 0], tile.core_columns) & _within(middles[:, 1], tile.core_rows)
            shifted = said.boxes + np.tile(np.array([tile.columns.start, tile.rows.start], np.float32), 2)
            parts.append(said._replace(boxes=shifted).take(np.flatnonzero(own)))
        found = suppressed(together(parts), SAME_CANDIDATE if self._chooses else SAME_BOX)
        to_image = np.tile(np.array([width / shape[1], height / shape[0]], np.float32), 2)
        limits = np.array([width, height, width, height], dtype=np.float32)
        return found._replace(boxes=np.clip(found.boxes * to_image, 0, limits))

    def _settled(self, optical_density: FloatArray, size: float, density: float) -> _Settled:
        """What is found at a magnification, and again at the one that this says, until they agree."""
        for look in range(MOST_LOOKS):
            boxes = self.look(optical_density, size, density, views(1))
            found = self._measured(boxes, size, density, optical_density)
            apart = max(_apart(found.size, size), _apart(found.density, density))
            if found.sure < FEWEST or apart <= CLOSE or look == MOST_LOOKS - 1:
                break
            size, density = float(np.clip(found.size, size / CONSISTENT, size * CONSISTENT)), found.density
        agrees = found.sure >= FEWEST and found.size >= SMALLEST and _apart(found.size, size) < CONSISTENT
        return _Settled(found, agrees)

    def _seen_all_ways(self, found: Found, optical_density: FloatArray) -> Found:
        """What is found at a known magnification and stain."""
        if len(self._ways) == 1 or found.sure < FEWEST:
            return found
        boxes = self.look(optical_density, found.size, found.density)
        return self._measured(boxes, found.size, found.density, optical_density)

    @torch.inference_mode()
    def rescored(self, evidence: Evidence) -> NDArray[np.float32]:
        """How probably each of n candidates is a chromosome, float32, shape (n,).

        Args:
            evidence: of the candidates of one metaphase, at least one, for weights with a rescoring network.
        """
        assert self.model.rescoring is not None
        logits = self.model.rescoring(*tensors(evidence, self.device))
        probabilities: NDArray[np.float32] = torch.sigmoid(logits).cpu().numpy()
        return probabilities

    def _measured(self, boxes: Boxes, size: float, density: float, optical_density: FloatArray) -> Found:
        """With the magnification and the stain that the sure boxes say, if they are enough to say it."""
        once = suppressed(boxes, SAME_BOX)
        sure = once.boxes[once.scores >= self.threshold]
        if len(sure) < FEWEST:
            return Found(boxes, len(sure), size, density)
        sides = (sure[:, 2:] - sure[:, :2]).max(axis=1)
        typical = float(density_in_boxes(optical_density, whole_boxes(sure)))
        return Found(boxes, len(sure), float(np.median(sides)), typical)

    @torch.inference_mode()
    def _seen(self, relative: FloatArray, ways: Sequence[View]) -> Boxes:
        height, width = relative.shape
        padded = np.pad(relative, ((0, -height % GRID), (0, -width % GRID)))
        image = torch.from_numpy(padded)[None, None].to(self.device).contiguous(memory_format=torch.channels_last)
        with autocast(self.device, self.precision):
            said = averaged(self.model, image, ways)
        return (every_cell if self._chooses else peaks)(said, threshold=self.least)


def typical_density(optical_density: FloatArray) -> float:
    """A first guess of the optical density of chromosomes: the median of what is stained, nuclei among it."""
    stained = optical_density[optical_density > first_threshold(optical_density)]
    return max(float(np.median(stained)), 1e-3) if stained.size else 1.0


def _apart(one: float, other: float) -> float:
    """The factor between two sizes, at least 1."""
    return max(one / other, other / one)


def _within(middles: NDArray[np.floating], core: slice) -> NDArray[np.bool_]:
    return np.asarray((middles >= core.start) & (middles < core.stop))
