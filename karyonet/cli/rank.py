"""``karyonet rank``: metaphase images by how well they can be read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from karyonet.cli.options import Config, Set
from karyonet.cli.run import DONE_WITH_ERRORS

if TYPE_CHECKING:
    from karyonet.case import ImageError, Metaphase
    from karyonet.config import PipelineConfig

SCHEMA = "karyonet.rank/1"
COLUMNS = ("rank", "image", "score", "count", "flags")
QUALITY = "metaphase.quality"


@dataclass(frozen=True)
class Ranked:
    """One metaphase: its image, its quality, how many chromosomes were found, and why it cannot be karyotyped."""

    image: str
    score: float
    count: int
    flags: tuple[str, ...]
    reasons: tuple[str, ...]

    @classmethod
    def of(cls, metaphase: Metaphase) -> Ranked:
        quality = metaphase.quality
        score, flags = (0.0, ()) if quality is None else (quality.score, quality.flags)
        return cls(metaphase.image, score, len(metaphase.chromosomes), flags, metaphase.reasons)


def rank(
    images: Annotated[
        list[Path], typer.Argument(metavar="FOLDER", help="A folder of metaphase images, or the images one by one.")
    ],
    top: Annotated[int | None, typer.Option("--top", min=1, help="Only the best so many.")] = None,
    json: Annotated[Path | None, typer.Option("--json", help="Write the ranking to this file.")] = None,
    csv: Annotated[Path | None, typer.Option("--csv", help="Write the ranking as a table to this file.")] = None,
    config: Config = "default",
    override: Set = None,
) -> None:
    """Rank metaphases by how well they can be read, best first; their chromosomes are not named.

    The score is the probability that the image is karyotyped without a person's help, the flags say what stands
    against it. Exit status: 0 done; 2 unusable input or configuration, nothing written; 3 done, but an image failed.
    """
    from rich.console import Console
    from rich.progress import track

    from karyonet.case import Case, ImageError
    from karyonet.config import load_config
    from karyonet.errors import InputError
    from karyonet.imaging.case_reader import images_in
    from karyonet.pipeline import Pipeline

    settings = load_config(config, override or ())
    stages = Pipeline.from_config(up_to_quality(settings)).stages.values()
    files = images_in(images[0]) if len(images) == 1 and images[0].is_dir() else images
    ranked: list[Ranked] = []
    unreadable: list[InputError] = []
    errors: list[ImageError] = []
    for file in track(files, description="ranking", console=Console(stderr=True), transient=True):
        try:
            case = Case.read(file, limits=settings.reading)
        except InputError as error:
            unreadable.append(error)
            errors.append(ImageError(file.name, error.code, str(error)))
            continue
        for stage in stages:
            case = stage(case)
        ranked += [Ranked.of(metaphase) for metaphase in case.metaphases]
        errors += case.errors
    if len(unreadable) == len(files):
        first = unreadable[0]
        raise first if len(files) == 1 else InputError("K112", count=len(files), reason=first.message)
    ranked = sorted(ranked, key=lambda one: -one.score)[:top]  # equals stay in the order of their names
    _print(ranked)
    for path, text in ((json, _as_json(ranked, errors)), (csv, _as_csv(ranked))):
        if path is not None:
            _write(path, text)
    for failure in errors:
        typer.echo(f"{failure.image}: {failure.message}", err=True)
    if errors:
        raise typer.Exit(DONE_WITH_ERRORS)


def up_to_quality(settings: PipelineConfig) -> PipelineConfig:
    """The configuration without the stages behind the one that judges the quality.

    Raises:
        ConfigError: K204 if a stage is not installed, K205 if none judges the quality.
    """
    from karyonet import stage
    from karyonet.errors import ConfigError

    kept = {}
    for key, choice in settings.stages.items():
        kept[key] = choice
        if QUALITY in stage.load(choice.use, stage=key).assigns:
            return settings.model_copy(update={"stages": kept})
    known = ", ".join(stage.candidates(QUALITY)) or "(none is installed)"
    raise ConfigError("K205", stage="rank", field=QUALITY, candidates=known)


def _print(ranked: Sequence[Ranked]) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from karyonet.report.schema import readable

    table = Table()
    for column in COLUMNS:
        table.add_column(column, justify="left" if column in ("image", "flags") else "right", overflow="fold")
    for place, one in enumerate(ranked, start=1):
        image, flags = escape(readable(one.image)), ", ".join(one.flags)
        table.add_row(str(place), image, f"{one.score:.3f}", str(one.count), flags)
    Console().print(table)


def _as_json(ranked: Sequence[Ranked], errors: Sequence[ImageError]) -> str:
    import json

    content = {
        "schema": SCHEMA,
        "metaphases": [{"rank": place} | asdict(one) for place, one in enumerate(ranked, start=1)],
        "errors": [{"image": e.image, "code": e.code, "message": e.message} for e in errors],
    }
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"


def _as_csv(ranked: Sequence[Ranked]) -> str:
    import csv
    import io

    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for place, one in enumerate(ranked, start=1):
        writer.writerow((place, one.image, one.score, one.count, " ".join(one.flags)))
    return text.getvalue()


def _write(path: Path, text: str) -> None:
    """Write a file whole or not at all, or raise ConfigError K213."""
    from karyonet.errors import ConfigError
    from karyonet.evaluation.report import write_text
    from karyonet.report.schema import readable

    try:
        write_text(path, readable(text))
    except OSError as fault:
        raise ConfigError("K213", path=path, reason=(fault.strerror or str(fault)).lower()) from fault
    typer.echo(f"ranking: {path}")
