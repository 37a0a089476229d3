"""``karyonet models``: the weight files that ship."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from karyonet.weights import WeightFile


def models() -> None:
    """List the shipped weight files: checksum, licence, what they were trained on and their figures."""
    from karyonet import weights

    typer.echo("\n\n".join(_described(weight) for weight in weights.shipped()))


def _described(weight: WeightFile) -> str:
    card = weight.card
    lines = [f"{weight.stage}/{weight.name}  {weight.path.stat().st_size / 1e6:.1f} MB  {card.licence}"]
    lines.append(f"  sha256 {weight.sha256}")
    for source in card.training_data:
        split = f", split {source.split}" if source.split else ""
        lines.append(f"  trained on {source.name}{split}: {source.examples:,} examples of {source.cases:,} cases")
    for data, metrics in groupby(card.metrics.items(), lambda item: item[1].data):
        figures = []
        for name, metric in metrics:
            interval = "" if metric.interval is None else " ({:.4f}–{:.4f})".format(*metric.interval)
            figures.append(f"{name} {metric.value:.4f}{interval}")
        lines.append(f"  {data}: {', '.join(figures)}")
    return "\n".join(lines)
