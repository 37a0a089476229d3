"""Which end of a training strip is the short arm, said by trained weights where nobody wrote it down.

Pseudo-labels (Lee, ICML workshop 2013): data sets of metaphase images name their chromosomes but not their ends. Only
what the weights are sure of becomes a label; the rest stays unknown.
"""

from __future__ import annotations

from dataclasses import replace
from math import log
from pathlib import Path

import numpy as np
import torch
from rich.progress import track

from karyonet.device import autocast
from karyonet.training.pack import appearing
from karyonet.training.strip_pack import StripPack

from .dataset import StripSet
from .inference import Network

BATCH_SIZE = 256


def label_polarity(pack: StripPack, network: Network, certainty: float) -> StripPack:
    """Fill in the polarity that is not known.

    Args:
        pack: strips.
        network: says the polarity of every strip as it lies.
        certainty: probability, above 0.5, from which it is believed.

    Returns:
        the same strips; polarity that was known is as it was.
    """
    polarity = pack.polarity.copy()
    unknown = np.flatnonzero(polarity < 0)
    starts = range(0, len(unknown), BATCH_SIZE)
    for start in track(starts, "finding the short arms"):
        rows = unknown[start : start + BATCH_SIZE]
        with torch.inference_mode(), autocast(network.device, network.precision):
            prepared = StripSet.from_pack(pack.take(rows), network.preprocessing)
            strips = prepared.batch(np.arange(len(rows)), network.device).strips
            logits = network.model(strips).polarity.float().cpu().numpy()
        sure = np.abs(logits) >= log(certainty / (1 - certainty))
        polarity[rows[sure]] = logits[sure] > 0
    return replace(pack, polarity=polarity)


def polarity_once(pack: StripPack, network: Network, certainty: float, cache: Path) -> StripPack:
    """:func:`label_polarity`, kept in a file for the next start of the same run.

    A file of other strips is written anew; whoever names it says by which weights and how surely.
    """
    if cache.is_file() and len(kept := np.load(cache)) == len(pack):
        return replace(pack, polarity=kept)
    labelled = label_polarity(pack, network, certainty)
    with appearing(cache) as file:
        np.save(file, labelled.polarity)
    return labelled
