"""How fast is the classifier: seconds a metaphase, training examples a second, and the share of the machine it uses?

    python tools/benchmarks/classification.py [--weights gband] [--set review_margin=1] [--threads 1 --threads 2]
    python tools/benchmarks/classification.py --train-backbone resnext50_32x4d --batch 96 --json speed.json

Strips are random, of the lengths of a metaphase. Cold is the first call of a new classifier, which reads the weights;
warm are the calls after it. The rate of the machine is measured with large matrix products in the same number format
on the same threads; a network reaches a part of it, because its layers are small and much of it is no matrix product.
"""

from __future__ import annotations

import json as json_module
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
import yaml
from rich.console import Console
from rich.table import Table
from torch.utils.flop_counter import FlopCounterMode

from karyonet.device import autocast
from karyonet.stages.classification import ProxyClassifier
from karyonet.stages.classification.model import Architecture, ProxyResNeXtCBAM
from karyonet.stages.classification.preprocessing import Preprocessing, prepare
from karyonet.stages.classification.train import class_loss, polarity_loss
from karyonet.weights import find

FORMATS = ("fp32", "bf16")
MATRIX = {"cpu": 1536, "cuda": 8192}
"""Side of the matrices that the machine's rate is measured with."""


def main(
    weights: Annotated[str, typer.Option("--weights", help="Name of shipped weights, or a file.")] = "gband",
    override: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Option of the stage.")
    ] = None,
    chromosomes: Annotated[int, typer.Option("--chromosomes", min=1)] = 46,
    repeat: Annotated[int, typer.Option("--repeat", min=1)] = 20,
    threads: Annotated[list[int] | None, typer.Option("--threads", min=1, help="May be given several times.")] = None,
    precision: Annotated[list[str] | None, typer.Option("--precision", help="fp32, bf16; default both.")] = None,
    train_backbone: Annotated[
        str | None, typer.Option("--train-backbone", help="Also time the training of it.")
    ] = None,
    output_stride: Annotated[int | None, typer.Option("--output-stride", help="Of that backbone: 8, 16 or 32.")] = None,
    batch: Annotated[int, typer.Option("--batch", min=2, help="Of training.")] = 96,
    steps: Annotated[int, typer.Option("--steps", min=1, help="Of training, that are timed.")] = 3,
    json: Annotated[Path | None, typer.Option("--json", help="Write the figures to this file.")] = None,
) -> None:
    """Time the classifier on the CPU, and on the GPU where there is one."""
    options = dict(_parsed(text) for text in override or ())
    architecture = Architecture.model_validate({"backbone": train_backbone or "", "output_stride": output_stride})
    places = [("cpu", count) for count in threads or [1, 2]]
    if torch.cuda.is_available():
        places.append(("cuda", 1))
    strips = random_strips(chromosomes)
    figures: dict[str, Any] = {
        "chromosomes": chromosomes, "torch": torch.__version__, "cpu": torch.backends.cpu.get_cpu_capability(),
        "weights": find("classification", weights).sha256, "rows": [], "training": [],
    }  # fmt: skip
    for device, count in places:
        torch.set_num_threads(count)
        for form in precision or FORMATS:
            rate = machine_rate(device, form)
            where = {"device": device, "threads": count, "precision": form, "machine_gflops": rate / 1e9}
            timed = time_classifier(weights, strips, repeat, {**options, "device": device, "precision": form})
            timed["share_of_machine"] = 2 * timed["gmacs"] * 1e9 / timed["network"]["median"] / rate
            figures["rows"].append(where | timed)
            if train_backbone is not None:
                trained = time_training(architecture, batch, steps, device, form)
                trained["share_of_machine"] = 2 * trained["gmacs_per_step"] * 1e9 / trained["seconds_per_step"] / rate
                figures["training"].append(where | trained)
    report(figures)
    if json is not None:
        json.write_text(json_module.dumps(figures, indent=2) + "\n", encoding="utf-8")
        print(f"figures: {json}")


def random_strips(count: int, seed: int = 0) -> list[np.ndarray[Any, np.dtype[np.float32]]]:
    """Noise of the sizes that the strips of a metaphase have, float32, shape (length, width) each."""
    generator = np.random.default_rng(seed)
    return [generator.random((int(length), 23), dtype=np.float32) for length in np.linspace(35, 150, count)]


def time_classifier(weights: str, strips: Sequence[Any], repeat: int, options: dict[str, Any]) -> dict[str, Any]:
    """Seconds of the first call, of the following ones, and of their parts; multiply-adds of one call in 10⁹."""
    classifier = ProxyClassifier.from_pretrained(weights, **options)
    scale = None if len(strips) >= 10 else 1.0
    start = time.perf_counter()
    classifier.classify(strips, scale)
    cold = time.perf_counter() - start
    network = classifier._network("absorption")
    assert network is not None  # the first call has loaded it
    images = prepare(strips, scale, network.preprocessing)
    batches = torch.split(torch.from_numpy(images).to(network.device), network.batch_size)

    def forward() -> None:
        with torch.inference_mode(), autocast(network.device, network.precision):
            for part in batches:
                network.model(part)
        _wait(network.device)

    counter = FlopCounterMode(display=False)
    with counter:
        forward()
    return {
        "cold": cold,
        "warm": spread(lambda: classifier.classify(strips, scale), repeat),
        "preprocessing": spread(lambda: prepare(strips, scale, network.preprocessing), repeat),
        "network": spread(forward, repeat),
        "gmacs": counter.get_total_flops() / 2e9,
    }


def time_training(architecture: Architecture, batch: int, steps: int, device: str, precision: str) -> dict[str, Any]:
    """Seconds and examples a second of forward, backward and optimiser, and the multiply-adds of a step in 10⁹."""
    model = ProxyResNeXtCBAM(architecture).to(device).to(memory_format=torch.channels_last).train()
    loss_of = class_loss(model.head, architecture, 0.0)
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-4)
    height, width = Preprocessing().canvas
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(batch, 1, height, width, generator=generator).to(device)
    labels = (torch.arange(batch) % architecture.classes).to(device)
    polarity = (torch.arange(batch) % 2).to(device)

    def step() -> None:
        with autocast(torch.device(device), precision):  # type: ignore[arg-type]
            said = model(images)
        loss = loss_of(said.embeddings, labels) + 0.3 * polarity_loss(said.polarity, polarity)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        _wait(torch.device(device))

    counter = FlopCounterMode(display=False)
    with counter:
        step()  # also the step that warms up
    seconds = spread(step, steps)
    return {
        "backbone": architecture.backbone,
        "batch": batch,
        "parameters": sum(p.numel() for p in model.parameters()),
        "seconds_per_step": seconds["median"],
        "examples_per_second": batch / seconds["median"],
        "gmacs_per_step": counter.get_total_flops() / 2e9,
    }


def machine_rate(device: str, precision: str, seconds: float = 1.0) -> float:
    """Floating point operations a second in large matrix products: the best of as many as fit into the time."""
    side, form = MATRIX[device], torch.bfloat16 if precision == "bf16" else torch.float32
    first, second = (torch.rand(side, side, device=device).to(form) for _ in range(2))
    best, end = np.inf, time.perf_counter() + seconds
    while best == np.inf or time.perf_counter() < end:
        start = time.perf_counter()
        first @ second
        _wait(torch.device(device))
        best = min(best, time.perf_counter() - start)
    return float(2 * side**3 / best)


def spread(action: Callable[[], object], repeat: int) -> dict[str, float]:
    """Median and 95th percentile of the seconds that an action takes."""
    seconds = []
    for _ in range(repeat):
        start = time.perf_counter()
        action()
        seconds.append(time.perf_counter() - start)
    return {"median": float(np.median(seconds)), "p95": float(np.percentile(seconds, 95))}


def report(figures: dict[str, Any]) -> None:
    """Print the figures as tables."""
    console = Console()
    console.width = max(console.width, 110)
    rows = figures["rows"]
    inference = Table(title=f"{figures['chromosomes']} strips, seconds; {rows[0]['gmacs']:.1f} billion multiply-adds")
    for column in ("where", "format", "cold", "warm", "p95", "prepare", "network", "p95", "GFLOP/s", "share"):
        inference.add_column(column, justify="right")
    for row in rows:
        inference.add_row(
            f"{row['device']} ×{row['threads']}", row["precision"], f"{row['cold']:.2f}",
            f"{row['warm']['median']:.3f}",
            f"{row['warm']['p95']:.3f}", f"{row['preprocessing']['median']:.3f}", f"{row['network']['median']:.3f}",
            f"{row['network']['p95']:.3f}", f"{row['machine_gflops']:.0f}", f"{row['share_of_machine']:.0%}",
        )  # fmt: skip
    console.print(inference)
    if figures["training"]:
        first = figures["training"][0]
        title = f"training {first['backbone']}, {first['parameters'] / 1e6:.1f} M parameters, batch {first['batch']}"
        training = Table(title=title)
        for column in ("device", "threads", "format", "seconds a step", "examples a second", "share"):
            training.add_column(column, justify="right")
        for row in figures["training"]:
            training.add_row(
                row["device"], str(row["threads"]), row["precision"], f"{row['seconds_per_step']:.2f}",
                f"{row['examples_per_second']:.1f}", f"{row['share_of_machine']:.0%}",
            )  # fmt: skip
        console.print(training)


def _parsed(text: str) -> tuple[str, Any]:
    key, separator, value = text.partition("=")
    if not separator:
        raise typer.BadParameter(f"--set takes KEY=VALUE, not {text}")
    return key.removeprefix("stages.classification."), yaml.safe_load(value)


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


if __name__ == "__main__":
    typer.run(main)
