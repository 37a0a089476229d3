"""Profiles of packed strips, and how a profile becomes the network's input."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from karyonet.case import LABELS, FloatArray
from karyonet.errors import ArrayError, DataError
from karyonet.geometry.profiles import left_right_profiles
from karyonet.training.strip_pack import LEVELS, StripPack

from .orientation import SURE, orient_pair

logger = logging.getLogger(__name__)


class Preprocessing(BaseModel):
    """How profiles become input; stored in the model card of the weights.

    Attributes:
        samples: of a profile; what is left over is background.
        reference_length: samples that the median chromosome of a metaphase is brought to, so that condensation and
            pixel pitch cancel out and a lost or doubled segment still changes the length; None: one sample a pixel.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    samples: int = Field(default=256, ge=8)
    reference_length: float | None = Field(default=88.0, gt=0)

    def scale(self, median_length: float) -> float:
        """Samples a pixel in a metaphase whose median chromosome has so many pixels.

        Raises:
            ArrayError: K501 if the length is not positive.
        """
        if not median_length > 0:
            raise ArrayError("K501", what="median_length", expected="positive", actual=median_length)
        return 1.0 if self.reference_length is None else self.reference_length / median_length

    def place(
        self, profile: FloatArray, scale: float, valid: NDArray[np.bool_] | None = None
    ) -> tuple[FloatArray, NDArray[np.bool_]]:
        """Bring a profile to the input's length; one that is too long is squeezed into it.

        Args:
            profile: float32, shape (rows, 2), short arm first.
            scale: samples a row.
            valid: bool, shape (rows,), rows that show the chromosome; None takes all.

        Returns:
            float32, shape (2, samples), and bool, shape (samples,), samples that show the chromosome.
        """
        rows = len(profile)
        length = min(max(round(rows * scale), 1), self.samples)
        method = cv2.INTER_AREA if length < rows else cv2.INTER_LINEAR
        placed = np.zeros((2, self.samples), dtype=np.float32)
        placed[:, :length] = cv2.resize(np.ascontiguousarray(profile), (2, length), interpolation=method).T
        shown = np.zeros(self.samples, dtype=bool)
        centres = np.minimum((np.arange(length) + 0.5) * rows / length, rows - 1).astype(np.intp)
        shown[:length] = True if valid is None else valid[centres]
        return placed * shown, shown


class PolarityReader(Protocol):
    """What a classification stage says of strips, such as the pipeline's own."""

    def __call__(self, strips: Sequence[FloatArray], /) -> Any:
        """Something with ``polarity_probability``, shape (n,), of the short arm being at row 0."""


@dataclass(frozen=True, eq=False)
class ProfileSet:
    """The chromosomes of many metaphases as profiles, short arm first.

    Attributes:
        profiles: float32, shape (rows, 2) each, at the pixel pitch of the image, relative to the metaphase's density.
        labels: int, shape (n,), index in :data:`karyonet.case.LABELS`.
        metaphases, patients, sources: str, shape (n,).
        median_length: float, shape (n,): of the metaphase's chromosomes in pixels.
        pairs: by metaphase and type, the two of that type; nothing where there are fewer or more.
        members: by metaphase and type, all of that type.
    """

    profiles: tuple[FloatArray, ...]
    labels: NDArray[np.integer]
    metaphases: NDArray[np.str_]
    patients: NDArray[np.str_]
    sources: NDArray[np.str_]
    median_length: NDArray[np.floating]
    pairs: Mapping[tuple[str, str], tuple[int, int]]
    members: Mapping[str, Mapping[str, tuple[int, ...]]]

    @classmethod
    def from_pack(cls, pack: StripPack) -> ProfileSet:
        """The strips of a pack whose polarity is known, turned short arm first.

        Raises:
            DataError: K405 if there is none.
        """
        known = np.flatnonzero((pack.polarity >= 0) & (pack.heights >= 4))
        if not len(known):
            raise DataError("K405", path="the strip pack", reason="no strip says at which end its short arm is")
        if len(known) < len(pack):
            logger.warning("%d of %d strips are left out: polarity unknown", len(pack) - len(known), len(pack))
        profiles = []
        for index in known.tolist():
            strip = pack.strip(index)
            if pack.polarity[index] == 0:
                strip = strip[::-1, ::-1]
            density: FloatArray = (strip / LEVELS).astype(np.float32)
            profiles.append(np.ascontiguousarray(left_right_profiles(density, strip > 0, len(strip)).T))
        labels, metaphases = pack.labels[known], pack.metaphases[known]
        members: dict[str, dict[str, list[int]]] = {}
        for number, (metaphase, label) in enumerate(zip(metaphases.tolist(), labels.tolist(), strict=True)):
            members.setdefault(metaphase, {}).setdefault(LABELS[label], []).append(number)
        return cls(
            tuple(profiles),
            labels,
            metaphases,
            pack.patients[known],
            pack.sources[known],
            pack.median_length[known],
            {(m, t): (rows[0], rows[1]) for m, of in members.items() for t, rows in of.items() if len(rows) == 2},
            {metaphase: {t: tuple(rows) for t, rows in of.items()} for metaphase, of in members.items()},
        )


def with_polarity(pack: StripPack, reader: PolarityReader, certainty: float = SURE) -> StripPack:
    """A pack whose strips without a polarity were shown to a classifier, metaphase by metaphase.

    Where it is not sure, the two of a type are turned to each other (:func:`.orientation.orient_pair`); the polarity of
    one that has no homolog, or several, stays unknown.

    Args:
        pack: strips as they were measured.
        reader: says of strips, float32, shape (length, width), whether the short arm is at row 0.
        certainty: probability, from 0.5, from which that is believed.
    """
    polarity = pack.polarity.copy()
    _, members = np.unique(pack.metaphases, return_inverse=True)
    order = np.argsort(members, kind="stable")
    for rows in np.split(order, np.flatnonzero(np.diff(members[order])) + 1):
        if (polarity[rows] < 0).any():
            up = np.asarray(reader([pack.optical_density(int(row)) for row in rows]).polarity_probability)
            up = np.where(polarity[rows] < 0, up, polarity[rows])
            said = np.where(np.maximum(up, 1 - up) >= certainty, up >= 0.5, -1)
            labels = pack.labels[rows]
            for label in np.unique(labels[said < 0]):
                if len(pair := np.flatnonzero(labels == label)) == 2:
                    strips = pack.strip(int(rows[pair[0]])), pack.strip(int(rows[pair[1]]))
                    turned = orient_pair(strips, (float(up[pair[0]]), float(up[pair[1]])), certainty)
                    said[pair] = -1 if turned is None else turned
            polarity[rows] = said
    return replace(pack, polarity=polarity.astype(np.int8))
