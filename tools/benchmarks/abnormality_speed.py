"""How fast is the comparison of homologs: the types of one case, as many metaphases of each.

    python tools/benchmarks/abnormality_speed.py [--metaphases 5] [--threads 2] [--repeat 30]

Profiles are random, of the lengths of a metaphase. Timed is all from bags to answers, warm, and the network alone.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence

import numpy as np
import torch

from karyonet.case import LABELS
from karyonet.device import autocast
from karyonet.ideogram import relative_length
from karyonet.stages.abnormality import Bag, HomologComparer, LabelledProfile, make_bag
from karyonet.stages.abnormality.bags import collate
from karyonet.training.batches import moved

LONGEST = 0.9
"""Share of the samples that the longest chromosome takes."""


def random_bags(metaphases: int, samples: int, seed: int = 0) -> list[Bag]:
    """One bag of every type but Y, with so many pairs."""
    generator = np.random.default_rng(seed)
    longest = max(relative_length(label) for label in LABELS)
    bags = []
    for label in LABELS[:-1]:
        rows = round(LONGEST * samples * relative_length(label) / longest)
        shown = np.arange(samples) < rows
        profiles = [
            LabelledProfile(
                np.where(shown, generator.random((2, samples), dtype=np.float32) + 0.5, 0).astype(np.float32),
                shown,
                label,
                f"m{number // 2}",
            )
            for number in range(2 * metaphases)
        ]
        bags.append(make_bag(profiles, samples))
    return bags


def timed(comparer: HomologComparer, bags: Sequence[Bag], repeat: int) -> dict[str, list[float]]:
    """Milliseconds from bags to answers, and of the network alone, call by call after three that do not count."""
    network = comparer.network

    def alone() -> None:
        batch = moved(collate(bags), network.device)
        with torch.inference_mode(), autocast(network.device, network.precision):
            network.model(batch)

    def whole() -> None:
        comparer.compare_bags(bags)

    taken: dict[str, list[float]] = {}
    for name, work in (("from bags to answers", whole), ("network alone", alone)):
        calls = []
        for _ in range(3 + repeat):
            began = time.perf_counter()
            work()
            if network.device.type == "cuda":
                torch.cuda.synchronize(network.device)
            calls.append(1000 * (time.perf_counter() - began))
        taken[name] = calls[3:]
    return taken


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", default="homnet")
    parser.add_argument("--metaphases", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeat", type=int, default=30)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    for place in ("cpu", *(["cuda"] if torch.cuda.is_available() else [])):
        for precision in ("fp32", "bf16"):
            comparer = HomologComparer(weights=arguments.weights, device=place, precision=precision)
            bags = random_bags(arguments.metaphases, comparer.preprocessing.samples)
            print(f"{place}, {arguments.threads} threads, {precision}, {sum(len(bag.pairs) for bag in bags)} pairs")
            for name, calls in timed(comparer, bags, arguments.repeat).items():
                print(f"  {name}: median {np.median(calls):.1f} ms, 95th percentile {np.percentile(calls, 95):.1f} ms")


if __name__ == "__main__":
    main()
