"""``karyonet train``: train a stage's model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="Train the model of a stage.", no_args_is_help=True)


Config = Annotated[Path | None, typer.Option("--config", "-c", help="Recipe; default: the shipped one.")]
Data = Annotated[list[Path] | None, typer.Option("--data", help="Data set folder, format metaphases; repeat for more.")]
StripData = Annotated[
    list[Path] | None, typer.Option("--data", help="Data set folder, format strips or metaphases; repeat for more.")
]
Initial = Annotated[
    str | None, typer.Option("--initial", help="Weights to start from: a shipped name or a .safetensors file.")
]
Run = Annotated[Path | None, typer.Option("--run", help="Folder for checkpoints, logs and weights.")]
Fresh = Annotated[bool, typer.Option("--fresh", help="Start anew even if the run has a checkpoint.")]


@app.command()
def classification(
    config: Config = None,
    data: StripData = None,
    initial: Initial = None,
    run: Run = None,
    fresh: Fresh = False,
) -> None:
    """Train the chromosome classifier; a run that was stopped goes on where it was."""
    from karyonet.stages.classification import train

    train.main(config, data or [], run, resume=not fresh, initial=initial)


@app.command("classification-context")
def classification_context(
    config: Config = None,
    data: StripData = None,
    run: Run = None,
    fresh: Fresh = False,
) -> None:
    """Train the attention over a metaphase's chromosomes for a classifier that is finished."""
    from karyonet.stages.classification import train_context

    train_context.main(config, data or [], run, resume=not fresh)


@app.command("segmentation-masks")
def segmentation_masks(
    config: Config = None,
    data: Data = None,
    initial: Initial = None,
    run: Run = None,
    fresh: Fresh = False,
) -> None:
    """Train the network that tells the pixels of the chromosome in a box from those of its neighbours."""
    from karyonet.stages.segmentation import train_masks

    train_masks.main(config, data or [], run, resume=not fresh, initial=initial)


@app.command("segmentation-detector")
def segmentation_detector(
    config: Config = None,
    data: Data = None,
    initial: Initial = None,
    run: Run = None,
    fresh: Fresh = False,
) -> None:
    """Train the network that finds the chromosomes of a metaphase."""
    from karyonet.stages.segmentation import train_detector

    train_detector.main(config, data or [], run, resume=not fresh, initial=initial)


@app.command("segmentation-rescoring")
def segmentation_rescoring(
    config: Config = None,
    data: Data = None,
    initial: Initial = None,
    run: Run = None,
    fresh: Fresh = False,
) -> None:
    """Train the network that judges the candidates of a detector that is finished."""
    from karyonet.stages.segmentation import train_rescoring

    train_rescoring.main(config, data or [], run, resume=not fresh, initial=initial)


@app.command("abnormality-pretrain")
def abnormality_pretrain(
    config: Config = None,
    data: StripData = None,
    initial: Initial = None,
    run: Run = None,
    fresh: Fresh = False,
) -> None:
    """Train the comparison of homologs on artificial abnormalities of normal metaphases."""
    from karyonet.stages.abnormality import train

    train.main(config, data or [], run, resume=not fresh, initial=initial)


@app.command("abnormality-finetune")
def abnormality_finetune(
    config: Config = None,
    data: StripData = None,
    initial: Initial = None,
    run: Run = None,
    fresh: Fresh = False,
) -> None:
    """Train it further on a laboratory's own abnormal cases, which bags.csv names."""
    from karyonet.stages.abnormality import finetune

    finetune.main(config, data or [], run, resume=not fresh, initial=initial)


@app.command("band-level")
def band_level(
    config: Config = None,
    data: StripData = None,
    initial: Initial = None,
    run: Run = None,
    fresh: Fresh = False,
) -> None:
    """Train the band level on simulated metaphases, which are drawn first, and adapt it to real ones if there are."""
    from karyonet.stages.band_level import train

    train.main(config, data or [], run, resume=not fresh, initial=initial)


@app.command("cluster-type")
def cluster_type(
    config: Config = None,
    data: Data = None,
    initial: Initial = None,
    run: Run = None,
    fresh: Fresh = False,
) -> None:
    """Train the network that tells single, touching and overlapping chromosomes, nuclei and debris."""
    from karyonet.stages.cluster_type import train

    train.main(config, data or [], run, resume=not fresh, initial=initial)


@app.command()
def centromere(
    config: Config = None,
    data: StripData = None,
    initial: Initial = None,
    run: Run = None,
    fresh: Fresh = False,
) -> None:
    """Train the network that places centromeres, on simulated metaphases and real chromosomes."""
    from karyonet.stages.centromere import train

    train.main(config, data or [], run, resume=not fresh, initial=initial)
