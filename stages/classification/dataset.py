"""The strips that a classifier is trained on, prepared once, and the order in which they are drawn."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from karyonet.errors import DataError
from karyonet.training.strip_pack import LEVELS, StripPack

from .augmentation import Augmentation, augment
from .preprocessing import Preprocessing, place

Sampling = Literal["shuffled", "square_root", "balanced"]


class StripBatch(NamedTuple):
    """Strips with their labels.

    Attributes:
        strips: float32, shape (n, 1, height, width).
        labels: int64, shape (n,).
        polarity: int64, shape (n,): 1 short arm at row 0, 0 at the last row, -1 unknown.
    """

    strips: Tensor
    labels: Tensor
    polarity: Tensor


@dataclass(frozen=True, eq=False)
class StripSet:
    """Strips on their canvas.

    Attributes:
        images: uint8, shape (n, height, width), in 1/64 of the metaphase's mean density.
        pack: what is known of each, in the same order.
    """

    images: NDArray[np.uint8]
    pack: StripPack

    @classmethod
    def from_pack(cls, pack: StripPack, preprocessing: Preprocessing) -> StripSet:
        """Prepare every strip of a pack with the scale of its metaphase."""
        images = np.zeros((len(pack), *preprocessing.canvas), dtype=np.uint8)
        for index in range(len(pack)):
            scale = preprocessing.reference_length / float(pack.median_length[index])
            images[index] = place(pack.strip(index), scale, preprocessing.canvas)
        return cls(images, pack)

    def __len__(self) -> int:
        return len(self.images)

    def batch(self, indices: NDArray[np.integer], device: torch.device | str = "cpu") -> StripBatch:
        """Some of the strips as the network takes them, not varied."""
        strips = torch.from_numpy(self.images[indices]).to(device)[:, None].float() / LEVELS
        labels = torch.from_numpy(self.pack.labels[indices].astype(np.int64)).to(device)
        return StripBatch(strips, labels, torch.from_numpy(self.pack.polarity[indices].astype(np.int64)).to(device))

    def augmented(
        self, indices: NDArray[np.integer], settings: Augmentation, seed: int, device: torch.device | str = "cpu"
    ) -> StripBatch:
        """Some of the strips, varied on the CPU."""
        batch = self.batch(indices)
        strips, polarity = augment(batch.strips, batch.polarity, settings, seed)
        return StripBatch(strips.to(device), batch.labels.to(device), polarity.to(device))


class SampleOrder:
    """Which strips a step sees: a function of the seed and the step alone.

    ``shuffled`` goes through all strips; ``square_root`` draws a class with the square root of its frequency,
    without repeating a strip of a class before all others of it were seen; ``balanced`` fills every batch with the
    same number of strips of each of its classes (MPerClassSampler of pytorch-metric-learning).

    Args:
        labels: int, shape (n,).
        batch_size: strips a step.
        sampling: as above.
        per_class: of ``balanced``: strips a class in a batch; must divide the batch.
        seed: of the random order.

    Raises:
        DataError: K405 if there are fewer strips than a batch holds, or too few classes for ``balanced``.
    """

    def __init__(
        self, labels: NDArray[np.integer], batch_size: int, sampling: Sampling = "square_root", per_class: int = 4,
        seed: int = 0,
    ) -> None:  # fmt: skip
        self.labels, self.batch_size, self.sampling, self.seed = (
            np.asarray(labels, np.int64),
            batch_size,
            sampling,
            seed,
        )
        self.per_class = per_class
        self.steps_per_pass = len(self.labels) // batch_size
        if self.steps_per_pass == 0:
            raise DataError(
                "K405", path="the training data", reason=f"{len(self.labels)} strips, a batch is {batch_size}"
            )
        classes = len(np.unique(self.labels))
        if sampling == "balanced" and (batch_size % per_class or classes * per_class < batch_size):
            reason = f"a batch of {batch_size} cannot be filled with {per_class} strips of each of {classes} classes"
            raise DataError("K405", path="the training data", reason=reason)
        self._pass: tuple[int, NDArray[np.int64]] = (-1, np.zeros(0, np.int64))

    def __call__(self, step: int) -> NDArray[np.int64]:
        """Indices of the strips of a step, int64, shape (batch_size,)."""
        number, position = divmod(step, self.steps_per_pass)
        if self._pass[0] != number:
            self._pass = (number, self._draw(number))
        return self._pass[1][position * self.batch_size : (position + 1) * self.batch_size]

    def _draw(self, number: int) -> NDArray[np.int64]:
        generator = np.random.default_rng((self.seed, number))
        count = self.steps_per_pass * self.batch_size
        if self.sampling == "shuffled":
            return generator.permutation(len(self.labels))[:count]
        if self.sampling == "balanced":
            return _m_per_class(self.labels, self.per_class, self.batch_size, count, int(generator.integers(2**31)))
        present, sizes = np.unique(self.labels, return_counts=True)
        quotas = np.ceil(count * np.sqrt(sizes) / np.sqrt(sizes).sum()).astype(np.int64)
        drawn = [_cycled(np.flatnonzero(self.labels == c), q, generator) for c, q in zip(present, quotas, strict=True)]
        return generator.permutation(np.concatenate(drawn))[:count]


def split_pack(pack: StripPack, train: Sequence[str], validation: Sequence[str]) -> tuple[StripPack, StripPack]:
    """Training and validation part of a pack.

    Where no strip belongs to a validation split, every tenth case (by the checksum of its name) is held out; a case
    is never on both sides.

    Raises:
        DataError: K405 if one part is empty.
    """
    patients = pack.patients
    training = np.isin(pack.splits, [*train, ""])
    held_out = np.isin(pack.splits, list(validation))
    if not held_out.any():
        tenth = np.array([zlib.crc32(case.encode()) % 10 == 0 for case in patients], dtype=bool)
        training, held_out = training & ~tenth, training & tenth
    # Test material may be in the pack: what is named neither training nor validation is left alone.
    training &= ~np.isin(patients, np.unique(patients[held_out]))
    if not training.any() or not held_out.any():
        raise DataError("K405", path="the training data", reason="either the training or the validation part is empty")
    return pack.take(np.flatnonzero(training)), pack.take(np.flatnonzero(held_out))


def thinned(pack: StripPack, most: int | None) -> StripPack:
    """Whole cells at regular intervals, so that about ``most`` strips are left."""
    if most is None or len(pack) <= most:
        return pack
    cells, members = np.unique(pack.metaphases, return_inverse=True)
    kept = np.unique(np.linspace(0, len(cells) - 1, max(round(len(cells) * most / len(pack)), 1)).astype(int))
    return pack.take(np.flatnonzero(np.isin(members, kept)))


def _cycled(members: NDArray[np.int64], count: int, generator: np.random.Generator) -> NDArray[np.int64]:
    rounds = -(-int(count) // len(members))
    return np.concatenate([generator.permutation(members) for _ in range(rounds)])[:count]


def _m_per_class(labels: NDArray[np.int64], m: int, batch_size: int, count: int, seed: int) -> NDArray[np.int64]:
    from pytorch_metric_learning.samplers import MPerClassSampler
    from pytorch_metric_learning.utils import common_functions

    # The library's own way to be seeded.
    former = common_functions.NUMPY_RANDOM
    common_functions.NUMPY_RANDOM = np.random.RandomState(seed)
    try:
        return np.fromiter(MPerClassSampler(labels, m, batch_size, length_before_new_iter=count), dtype=np.int64)
    finally:
        common_functions.NUMPY_RANDOM = former
