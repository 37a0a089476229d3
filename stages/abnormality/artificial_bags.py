"""Bags of normal and of artificially abnormal pairs, drawn from profiles of normal metaphases."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor

from karyonet.case import LABELS, FloatArray
from karyonet.errors import DataError
from karyonet.ideogram import variable_stretch
from karyonet.training.abnormalities import (
    JITTER,
    KINDS,
    SIZES,
    Kind,
    Manifest,
    draw_abnormality,
    edit_pair,
    possible_kinds,
)

from .bags import Bag, BagBatch, collate
from .heteromorphism import lengthened
from .profiles import Preprocessing, ProfileSet
from .variation import Variation, input_pair, region_in_samples


class BagSettings(BaseModel):
    """How bags are drawn.

    Attributes:
        fewest, most: metaphases of a bag; as many as a case has, where it has fewer than ``most``.
        mixed_sources: data sets whose bags mix the cases of a split, because a case has too few metaphases.
        abnormal: share of the bags.
        kinds: of abnormalities. sizes: least and largest share of the chromosome.
        jitter: see :mod:`karyonet.training.abnormalities`.
        mosaic: share of the abnormal bags in which only some metaphases are abnormal, at least one.
        heteromorphism: standard deviation of the logarithm of how much longer the variable bands of one homolog are,
            in normal and in abnormal bags, beside what they are by themselves; 0 leaves them.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    fewest: int = Field(default=1, ge=1)
    most: int = Field(default=5, ge=1)
    mixed_sources: tuple[str, ...] = ("pki3",)
    abnormal: float = Field(default=0.5, ge=0, le=1)
    kinds: tuple[Kind, ...] = KINDS
    sizes: tuple[float, float] = SIZES
    jitter: float = Field(default=JITTER, ge=0, lt=0.5)
    mosaic: float = Field(default=0.0, ge=0, le=1)
    heteromorphism: float = Field(default=0.0, ge=0)


class Example(NamedTuple):
    """A bag with its answers.

    Attributes:
        bag: what is asked.
        abnormal: whether its type is.
        affected: which homolog of each pair, 0 or 1; -1 where none is, or where that is not known.
        region: float32, shape (metaphases, 2, samples): 1 where the abnormality is; None where that is not known.
    """

    bag: Bag
    abnormal: bool
    affected: tuple[int, ...]
    region: FloatArray | None = None


class TrainingBatch(NamedTuple):
    """Bags side by side with their answers.

    Attributes:
        inputs: what the network takes.
        abnormal: float32, shape (b,).
        affected: int64, shape (b, m), -1 where no homolog is, or where that is not known.
        region: float32, shape (b, m, 2, samples).
        region_known: bool, shape (b, m, 2): whether that homolog's region is known, be it empty.
    """

    inputs: BagBatch
    abnormal: Tensor
    affected: Tensor
    region: Tensor
    region_known: Tensor


class _Variant(NamedTuple):
    """Variable bands that one homolog of a bag has longer or shorter, the same one in all of its metaphases.

    Attributes:
        stretch: where they lie; None where nothing is varied.
        factor: of their length.
        of_affected: whether it is the homolog that is abnormal, where one is.
    """

    stretch: tuple[float, float] | None = None
    factor: float = 1.0
    of_affected: bool = False

    def of_pair(
        self, pair: tuple[FloatArray, FloatArray], affected: int, generator: np.random.Generator
    ) -> tuple[FloatArray, FloatArray]:
        """The homologs of a metaphase; ``affected`` is -1 where none is abnormal."""
        if self.stretch is None:
            return pair
        carrier = int(generator.integers(2)) if affected < 0 else affected if self.of_affected else 1 - affected
        first, second = (
            lengthened(one, self.stretch, self.factor) if number == carrier else one for number, one in enumerate(pair)
        )
        return first, second


class ArtificialBags:
    """Draws bags from normal metaphases.

    Args:
        profiles: of normal chromosomes.
        preprocessing: of the network.
        settings: how bags are drawn.

    Raises:
        DataError: K405 if no metaphase has a pair, or no bag could have as many metaphases as asked for.
    """

    def __init__(self, profiles: ProfileSet, preprocessing: Preprocessing, settings: BagSettings) -> None:
        self.profiles, self.preprocessing, self.settings = profiles, preprocessing, settings
        groups: dict[tuple[str, str], list[str]] = {}
        for (metaphase, label), (row, _) in profiles.pairs.items():
            source = str(profiles.sources[row])
            owner = source if source in settings.mixed_sources else str(profiles.patients[row])
            groups.setdefault((owner, label), []).append(metaphase)
        self.groups = {key: names for key, names in groups.items() if len(names) >= settings.fewest}
        if not self.groups:
            reason = f"no case has {settings.fewest} metaphases with both homologs of a type"
            raise DataError("K405", path="the training data", reason=reason)
        by_type: dict[str, list[tuple[str, str]]] = {}
        for key in self.groups:
            if possible_kinds(key[1], LABELS, settings.kinds):
                by_type.setdefault(key[1], []).append(key)
        if not by_type:
            kinds = ", ".join(settings.kinds)
            raise DataError("K405", path="the training data", reason=f"none of its types can have {kinds or 'no kind'}")
        self._by_type = [by_type[label] for label in LABELS if label in by_type]
        # Large groups are drawn more often: by their number of metaphases, not one case as often as a data set.
        self._shares = [_shares([len(self.groups[key]) for key in keys]) for keys in self._by_type]

    def draw(self, generator: np.random.Generator, variation: Variation | None = None) -> tuple[Example, Manifest]:
        """One bag, decided by the generator alone; every type is equally likely.

        Args:
            generator: decides everything.
            variation: of the profiles; None leaves them as they are.

        Raises:
            DataError: K405 if the metaphases of a hundred bags lack what the kinds asked for take from other types.
        """
        settings, profiles = self.settings, self.profiles
        label, metaphases, donors = self._metaphases(generator)
        plan = draw_abnormality(label, generator, donors, settings.kinds, settings.sizes)
        abnormal = bool(generator.random() < settings.abnormal)
        clone = self._clone(len(metaphases), abnormal, generator)
        variant = self._variant(label, generator)
        pairs, affected, regions = [], [], []
        for name, changed in zip(metaphases, clone, strict=True):
            homologs = profiles.pairs[name, label]
            which = int(generator.integers(2)) if changed else -1
            donor = None
            if plan.donor is not None:
                of_type = profiles.members[name][plan.donor]
                donor = profiles.profiles[of_type[int(generator.integers(len(of_type)))]]
            edited = edit_pair(
                plan,
                variant.of_pair((profiles.profiles[homologs[0]], profiles.profiles[homologs[1]]), which, generator),
                which if changed else None,
                donor,
                generator,
                settings.jitter,
            )
            scale = self.preprocessing.scale(float(profiles.median_length[homologs[0]]))
            values = [one.values for one in edited]
            pair = input_pair(values, name, scale, self.preprocessing, generator, variation)
            region = np.zeros(pair.valid.shape, dtype=np.float32)
            for number, one in enumerate(edited):
                if one.region is not None:
                    region[number] = region_in_samples(one.region, pair, number)
            pairs.append(pair)
            affected.append(which)
            regions.append(region)
        case = str(profiles.patients[profiles.pairs[metaphases[0], label][0]])
        manifest = Manifest(case, label, tuple(metaphases), tuple(affected), plan if abnormal else None)
        return Example(Bag(label, tuple(pairs), case), abnormal, tuple(affected), np.stack(regions)), manifest

    def _variant(self, label: str, generator: np.random.Generator) -> _Variant:
        stretch = variable_stretch(label) if self.settings.heteromorphism else None
        if stretch is None:
            return _Variant()
        factor = float(np.exp(self.settings.heteromorphism * generator.standard_normal()))
        return _Variant(stretch, factor, bool(generator.random() < 0.5))

    def _metaphases(self, generator: np.random.Generator) -> tuple[str, list[str], list[str]]:
        """Type, metaphases and the other types that all of them have, such that some kind is possible."""
        settings = self.settings
        for _ in range(100):
            chosen = int(generator.integers(len(self._by_type)))
            keys = self._by_type[chosen]
            owner, label = keys[int(generator.choice(len(keys), p=self._shares[chosen]))]
            names = self.groups[owner, label]
            wanted = int(generator.integers(settings.fewest, settings.most + 1))
            metaphases = [names[i] for i in generator.permutation(len(names))[:wanted]]
            present = [set(self.profiles.members[name]) for name in metaphases]
            donors = sorted(set.intersection(*present) - {label}, key=LABELS.index)
            if possible_kinds(label, donors, settings.kinds):
                return label, metaphases, donors
        reason = f"its metaphases lack the other types that {', '.join(settings.kinds)} take something from"
        raise DataError("K405", path="the training data", reason=reason)

    def _clone(self, count: int, abnormal: bool, generator: np.random.Generator) -> list[bool]:
        if not abnormal:
            return [False] * count
        if generator.random() >= self.settings.mosaic:
            return [True] * count
        size = int(generator.integers(1, count + 1))
        return [bool(place < size) for place in generator.permutation(count)]


def collate_examples(examples: Sequence[Example]) -> TrainingBatch:
    """Bags side by side with their answers.

    Where it is known which homolog is abnormal, the other one's region is left open: what a homolog has lost is seen
    in the other one.
    """
    inputs = collate([example.bag for example in examples])
    affected = np.full(tuple(inputs.present.shape), -1, dtype=np.int64)
    region = np.zeros(tuple(inputs.valid.shape), dtype=np.float32)
    known = np.zeros(tuple(inputs.valid.shape[:3]), dtype=bool)
    for row, example in enumerate(examples):
        for place, which in enumerate(example.affected):
            affected[row, place] = which
            if example.region is not None:
                region[row, place] = example.region[place]
                known[row, place] = True if which < 0 else np.arange(2) == which
    abnormal = torch.tensor([float(example.abnormal) for example in examples])
    return TrainingBatch(inputs, abnormal, *(torch.from_numpy(array) for array in (affected, region, known)))


def _shares(counts: Sequence[int]) -> NDArray[np.float64]:
    return np.asarray(counts, dtype=np.float64) / sum(counts)
