"""From bags to what the network says of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from karyonet.device import DeviceName, Precision, autocast, choose_device
from karyonet.errors import ArrayError
from karyonet.training.batches import moved
from karyonet.weights import WeightFile, card_section, load_into

from .bags import Bag, BagBatch, collate
from .comparison import BagComparison, along_chromosome, mean_of_known, strongest_stretch
from .model import Architecture, Diagnosis, HomNet
from .profiles import Preprocessing


class PairNetwork:
    """HomNet with its weights, and the preprocessing and temperature of its model card.

    Args:
        weight: a weight file of this stage.
        device, precision: where and in which number format it runs.
        batch_size: bags at a time.

    Raises:
        WeightsError: K302, K304, K305 for the file, K306 if its card describes no network of this stage.
    """

    def __init__(
        self, weight: WeightFile, device: DeviceName = "auto", precision: Precision = "auto", batch_size: int = 128
    ) -> None:
        self.architecture = card_section(weight, "architecture", Architecture)
        self.preprocessing = card_section(weight, "input", Preprocessing)
        self.temperature = weight.card.temperature
        model = HomNet(self.architecture)
        load_into(model, weight)
        self.device, self.precision, self.batch_size = choose_device(device), precision, batch_size
        self.model = model.eval().requires_grad_(False).to(self.device)

    @torch.inference_mode()
    def __call__(self, bags: Sequence[Bag]) -> tuple[BagComparison, ...]:
        """Compare the homologs of bags, each for itself.

        Raises:
            ArrayError: K501 if the profiles of a bag have not the length of the network.
        """
        samples = self.preprocessing.samples
        for bag in bags:
            given = bag.pairs[0].profiles.shape[-1]
            if given != samples:
                expected = f"of {samples} samples, as these weights need them"
                raise ArrayError(
                    "K501", what=f"a profile of chromosome {bag.chromosome}", expected=expected, actual=given
                )
        found: list[BagComparison] = []
        for start in range(0, len(bags), self.batch_size):
            part = bags[start : start + self.batch_size]
            batch: BagBatch = moved(collate(part), self.device)
            with autocast(self.device, self.precision):
                said: Diagnosis = self.model(batch)
            said = Diagnosis(*(tensor.cpu() for tensor in said))
            found += [self._comparison(bag, said, row) for row, bag in enumerate(part)]
        return tuple(found)

    def _comparison(self, bag: Bag, said: Diagnosis, row: int) -> BagComparison:
        count = len(bag.pairs)
        which = torch.softmax(said.homolog[row, :count].float(), dim=-1).numpy()
        evidence = torch.sigmoid(said.evidence[row, :count].float()).numpy()
        visible = said.visible[row, :count].numpy()
        homologs = which.argmax(axis=1)
        placed = mean_of_known(
            [
                along_chromosome(
                    evidence[m, homolog], visible[m, homolog],
                    int(np.flatnonzero(pair.valid[homolog])[-1]) + 1, self.architecture.merge_range,
                )
                for m, (pair, homolog) in enumerate(zip(bag.pairs, homologs, strict=True))
            ]
        )  # fmt: skip
        return BagComparison(
            chromosome=bag.chromosome,
            probability=float(torch.sigmoid(said.logit[row].double() / self.temperature)),
            metaphases=tuple(pair.metaphase for pair in bag.pairs),
            homologs=tuple(homologs.tolist()),
            homolog_probabilities=which.astype(np.float32),
            weights=said.weight[row, :count].float().numpy(),
            evidence=placed,
            region=strongest_stretch(placed),
        )
