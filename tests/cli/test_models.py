from __future__ import annotations

from typer.testing import CliRunner

from karyonet import weights
from karyonet.cli.app import app


def test_every_shipped_weight_file_is_described() -> None:
    result = CliRunner().invoke(app, ["models"])
    assert result.exit_code == 0
    for weight, text in zip(weights.shipped(), result.stdout.split("\n\n"), strict=True):
        assert text.startswith(f"{weight.stage}/{weight.name}  ") and weight.sha256 in text
        assert all(source.name in text for source in weight.card.training_data)
        assert all(f"{name} {metric.value:.4f}" in text for name, metric in weight.card.metrics.items())
