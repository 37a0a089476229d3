"""Are normal variants kept apart from abnormalities? Pairs with a variable band made longer or shorter.

    python tools/benchmarks/heteromorphism.py PACK_OR_FOLDER [--split validation] [--weights homnet] [--threshold 0.85]

In bags of normal pairs of ``pki3`` (1, 9, 16 and the acrocentrics) the variable bands of one homolog are stretched by a
factor; beside them stand artificially abnormal bags of the same types. Of each: the share above a threshold, and the
share that still is a structural finding once the lengths of variable bands are allowed for.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from karyonet.evaluation.bootstrap import bootstrap_interval
from karyonet.ideogram import VARIABLE_BANDS, variable_stretch
from karyonet.stages.abnormality import Bag, HomologComparer
from karyonet.stages.abnormality.artificial_bags import ArtificialBags, BagSettings
from karyonet.stages.abnormality.case_bags import TYPES
from karyonet.stages.abnormality.heteromorphism import lengthened
from karyonet.stages.abnormality.profiles import ProfileSet
from karyonet.stages.abnormality.variation import input_pair
from karyonet.stages.classification.train import ClassificationRecipe, load_pack

VARIABLE = [label for label in TYPES if label in VARIABLE_BANDS]
FACTORS = (1.0, 0.5, 1.5, 2.0, 2.5, 3.0)


def variants(
    profiles: ProfileSet, stage: HomologComparer, factor: float, number: int, metaphases: int, seed: int
) -> list[Bag]:
    """Bags of normal pairs, in each of which one homolog has a longer variable band; of every type as many."""
    generator = np.random.default_rng(seed)
    by_type = {label: [name for name, of in profiles.pairs if of == label] for label in VARIABLE}
    bags = []
    for label in (VARIABLE[i % len(VARIABLE)] for i in range(number)):
        stretch = variable_stretch(label)
        assert stretch is not None
        pairs = []
        for place in generator.permutation(len(by_type[label]))[:metaphases]:
            name = by_type[label][place]
            rows = profiles.pairs[name, label]
            homologs = [profiles.profiles[row] for row in rows]
            which = int(generator.integers(2))
            homologs[which] = lengthened(homologs[which], stretch, factor)
            scale = stage.preprocessing.scale(float(profiles.median_length[rows[0]]))
            pairs.append(input_pair(homologs, name, scale, stage.preprocessing))
        bags.append(Bag(label, tuple(pairs)))
    return bags


def abnormal(
    profiles: ProfileSet, stage: HomologComparer, number: int, metaphases: int, seed: int
) -> tuple[list[Bag], list[str]]:
    """Artificially abnormal bags of the types that have variable bands, and the kind of each."""
    settings = BagSettings(fewest=metaphases, most=metaphases, abnormal=1.0)
    source, generator = ArtificialBags(profiles, stage.preprocessing, settings), np.random.default_rng(seed)
    bags: list[Bag] = []
    kinds: list[str] = []
    while len(bags) < number:
        example, manifest = source.draw(generator)
        if example.bag.chromosome in VARIABLE and manifest.abnormality is not None:
            bags.append(example.bag)
            kinds.append(manifest.abnormality.kind)
    return bags, kinds


def row(name: str, bags: Sequence[Bag], stage: HomologComparer, threshold: float) -> str:
    """One line of the table."""
    suspect = np.array([said.probability > threshold for said in stage.compare_bags(bags)])
    structural = suspect & ~np.array([stage.is_heteromorphism(bag) for bag in bags])
    cells = []
    for values in (suspect, structural):
        low, high = bootstrap_interval(lambda sums: sums[..., 0] / len(bags), values.astype(float))
        cells.append(f"{values.mean():.1%} ({100 * low:.1f}–{100 * high:.1f})")
    return f"| {name} | {len(bags)} | {cells[0]} | {cells[1]} |"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="strip pack or folder of strips, short arm up")
    parser.add_argument("--split", default="validation")
    parser.add_argument("--weights", default="homnet")
    parser.add_argument("--threshold", type=float, help="default: that of the weights for so many metaphases")
    parser.add_argument("--metaphases", type=int, default=5)
    parser.add_argument("--number", type=int, default=512, help="bags a line")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int)
    arguments = parser.parse_args()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    stage = HomologComparer(weights=arguments.weights, threshold=arguments.threshold or "auto")
    threshold = stage.threshold_for(arguments.metaphases)
    with tempfile.TemporaryDirectory() as cache:
        pack = load_pack(arguments.data, ClassificationRecipe(steps=1), Path(cache))
    profiles = ProfileSet.from_pack(pack.select(split=arguments.split))
    shape = arguments.number, arguments.metaphases, arguments.seed
    print(f"| bags of {arguments.metaphases}, threshold {threshold:.3f} | bags | above it | structural finding |")
    print("|---" * 4 + "|")
    for factor in FACTORS:
        name = "normal" if factor == 1 else f"variable bands of one homolog × {factor:g}"
        print(row(name, variants(profiles, stage, factor, *shape), stage, threshold), flush=True)
    bags, kinds = abnormal(profiles, stage, *shape)
    print(row("abnormal", bags, stage, threshold))
    for kind in sorted(set(kinds)):
        chosen = [bag for bag, of in zip(bags, kinds, strict=True) if of == kind]
        print(row(f"abnormal: {kind}", chosen, stage, threshold))


if __name__ == "__main__":
    main()
