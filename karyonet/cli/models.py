"""``karyonet models``: the weight files that ship."""

from __future__ import annotations


def models() -> None:
    """List the shipped weight files: checksum, licence, what they were trained on and their figures."""
    from rich.console import Console
    from rich.table import Table

    from karyonet import weights

    table = Table(title="Shipped weights", show_lines=True)
    for heading in ("stage", "name", "MB", "sha256", "licence", "trained on", "figures"):
        table.add_column(heading, overflow="fold")
    for weight in weights.shipped():
        card = weight.card
        table.add_row(
            weight.stage,
            weight.name,
            f"{weight.path.stat().st_size / 1e6:.1f}",
            weight.sha256,
            card.licence,
            "\n".join(source.name for source in card.training_data),
            "\n".join(f"{name} {metric.value:.4f} ({metric.data})" for name, metric in card.metrics.items()),
        )
    Console().print(table)
