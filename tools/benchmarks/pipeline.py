"""From image to written report: seconds a metaphase, peak memory, failures.

Example::

    python tools/benchmarks/pipeline.py DATA/gband_metaphases --split test --metaphases 50
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.progress import track

from karyonet import Case, Pipeline
from karyonet.data.metaphases import read_metaphases
from karyonet.evaluation.pipeline import peak_memory_mb


def main(
    data: Annotated[Path, typer.Argument(help="A data set of format metaphases.")],
    split: str | None = None,
    metaphases: int = 50,
    config: str = "default",
) -> None:
    """Run each metaphase as a case of its own, after one that loads the models and does not count."""
    chosen = read_metaphases(data, split=split, limit=metaphases)
    pipeline = Pipeline.from_config(config)
    pipeline(Case.read(chosen[0].path))
    seconds, failures, stages = [], [], []
    with tempfile.TemporaryDirectory() as folder:
        for annotated in track(chosen, "running"):
            start = time.perf_counter()
            report = pipeline(Case.read(annotated.path))
            report.save(Path(folder) / annotated.id)
            seconds.append(time.perf_counter() - start)
            stages.append(report.provenance.seconds)
            failures += [f"{error.image}: {error.message}" for error in report.errors]
        written = len(list(Path(folder).glob("*/report.html")))
    low, middle, high = np.quantile(seconds, [0.05, 0.5, 0.95])
    print(f"{len(chosen)} metaphases, {written} reports, {len(failures)} failures", *failures, sep="\n")
    print(f"image to report: median {middle:.2f} s (5–95 %: {low:.2f}–{high:.2f}, most {max(seconds):.2f})")
    for name in stages[0]:
        print(f"  {name:<16} median {np.median([row[name] for row in stages]):.3f} s")
    print(f"peak memory: {peak_memory_mb()} MB")


if __name__ == "__main__":
    typer.run(main)
