"""Measure how much the stain varies within chromosomes: what `contrast` of the cluster-type network's input should be.

    python tools/stain_contrast.py DATA [--split train] [--images 60]

DATA is a directory of format ``metaphases``. The components that ``threshold_segmenter`` finds in evenly spaced images
are measured by :func:`karyonet.geometry.stain.stain_contrast`; the median belongs into the recipe.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.progress import track

from karyonet.case import Case
from karyonet.data.metaphases import read_metaphases
from karyonet.geometry.stain import stain_contrast
from karyonet.stages.segmentation import ThresholdSegmenter

SHARES = (0.0, 0.05, 0.5, 0.95, 1.0)


def main(data: Path, split: str = "train", images: Annotated[int, typer.Option(min=1)] = 60) -> None:
    """Print quantiles of the contrast over images."""
    known = read_metaphases(data, split=split)
    chosen = [known[number] for number in np.linspace(0, len(known) - 1, min(images, len(known))).astype(int)]
    segmenter = ThresholdSegmenter()
    found = []
    for annotated in track(chosen, "measuring"):
        metaphase = segmenter(Case.read(annotated.path, case_id=annotated.case)).metaphases[0]
        if metaphase.clusters:
            regions = [cluster.region for cluster in metaphase.clusters]
            found.append(stain_contrast(regions, metaphase.optical_density))
    for share, value in zip(SHARES, np.quantile(found, SHARES), strict=True):
        print(f"{share:4.0%}  {value:.3f}")


if __name__ == "__main__":
    typer.run(main)
