"""``karyonet explain``: what decided an answer, drawn for a person."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from karyonet.cli.options import Config, Set
from karyonet.cli.run import DONE_WITH_ERRORS

if TYPE_CHECKING:
    from PIL.Image import Image

    from karyonet.case import Metaphase
    from karyonet.config import PipelineConfig
    from karyonet.explanation import TypeExplainer
    from karyonet.report.explanation import ExplainedMetaphase

app = typer.Typer(help="Show what decided an answer of a stage.", no_args_is_help=True)
TYPE = "cluster.type"


@app.callback()
def _group() -> None:
    """Keeps the name of the only command: a Typer of one command would swallow it."""


@app.command("cluster-type")
def cluster_type(
    image: Annotated[Path, typer.Argument(metavar="IMAGE", help="A metaphase image.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="The picture: a .png file, or a folder to put it in.")],
    config: Config = "default",
    override: Set = None,
) -> None:
    """Draw every component of a metaphase with what decided its type: clusters first, then the least sure.

    The stage that tells the types must be one that can explain itself, such as supcam. Exit status: 0 done; 2 unusable
    input or configuration, nothing written; 3 done, but the image or a page of it failed.
    """
    from karyonet.case import Case
    from karyonet.config import load_config
    from karyonet.errors import InputError
    from karyonet.explanation import TypeExplainer
    from karyonet.pipeline import Pipeline
    from karyonet.report.explanation import draw_explanations

    settings = up_to_types(load_config(config, override or ()))
    path = out if out.suffix.lower() == ".png" else out / "cluster_type.png"
    stages = list(Pipeline.from_config(settings).stages.values())
    explainer = stages[-1]
    assert isinstance(explainer, TypeExplainer)  # up_to_types has seen to it
    case = Case.read(image, limits=settings.reading)
    for stage in stages:
        case = stage(case)
    explained = [_explained(explainer, metaphase) for metaphase in case.metaphases]
    explained = [one for one in explained if one.components]
    for failure in case.errors:
        typer.echo(f"{failure.image}: {failure.message}", err=True)
    if not explained and not case.errors:
        raise InputError("K122")
    if not explained:
        raise typer.Exit(DONE_WITH_ERRORS)
    _write(path, draw_explanations(explained))
    typer.echo(f"picture: {path}")
    if case.errors:
        raise typer.Exit(DONE_WITH_ERRORS)


def up_to_types(settings: PipelineConfig) -> PipelineConfig:
    """The configuration without the stages behind the one that tells the types of components.

    Raises:
        ConfigError: K204 if a stage is not installed, K205 if none tells types, K215 if it cannot explain itself.
    """
    from karyonet import stage
    from karyonet.errors import ConfigError
    from karyonet.explanation import TypeExplainer

    kept = {}
    for key, choice in settings.stages.items():
        kept[key] = choice
        cls = stage.load(choice.use, stage=key)
        if TYPE not in cls.assigns:
            continue
        if not issubclass(cls, TypeExplainer):
            able = [name for name in stage.candidates(TYPE) if issubclass(stage.load(name), TypeExplainer)]
            raise ConfigError("K215", stage=key, use=choice.use, known=", ".join(able) or "(none is installed)")
        return settings.model_copy(update={"stages": kept})
    known = ", ".join(stage.candidates(TYPE)) or "(none is installed)"
    raise ConfigError("K205", stage="explain cluster-type", field=TYPE, candidates=known)


def _explained(explainer: TypeExplainer, metaphase: Metaphase) -> ExplainedMetaphase:
    from karyonet.data.boxes import box_size
    from karyonet.report.explanation import ExplainedMetaphase

    # One that could not be judged has no probability, and nothing decided it.
    clusters = [cluster for cluster in metaphase.clusters if cluster.probability is not None]
    boxes = [instance.region.bbox for instance in metaphase.instances]
    regions = [cluster.region for cluster in clusters]
    said = explainer.explain(metaphase.optical_density, regions, box_size(boxes) if boxes else None)
    return ExplainedMetaphase(metaphase.id, metaphase.contrast, tuple(cluster.id for cluster in clusters), said)


def _write(path: Path, picture: Image) -> None:
    """Write a PNG whole or not at all, or raise ConfigError K213."""
    from karyonet.errors import ConfigError
    from karyonet.training.pack import appearing

    try:
        with appearing(path) as stream:
            picture.save(stream, "PNG")
    except OSError as fault:
        raise ConfigError("K213", path=path, reason=(fault.strerror or str(fault)).lower()) from fault
