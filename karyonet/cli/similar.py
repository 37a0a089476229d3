"""``karyonet similar``: the known chromosomes that look most like a given one."""

from __future__ import annotations

import json as json_module
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from karyonet.cli.options import Config, Limit, Set, Split

if TYPE_CHECKING:
    from karyonet.similar.gallery import Gallery
    from karyonet.similar.search import Sighting

SCHEMA = "karyonet.similar/1"


def similar(
    data: Annotated[Path, typer.Option("--data", help="Folder of the labelled chromosomes to compare with.")],
    crops: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[CROP]...", help="Pictures of one chromosome each, on an even background."),
    ] = None,
    format: Annotated[str, typer.Option("--format", help="strips or metaphases")] = "strips",
    split: Split = None,
    limit: Limit = None,
    count: Annotated[int, typer.Option("--count", min=1, max=50, help="How many are shown.")] = 8,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Draw them beside the chromosome (PNG).")] = None,
    json: Annotated[Path | None, typer.Option("--json", help="Write what was found to this file.")] = None,
    index: Annotated[
        Path | None, typer.Option("--index", help="File that keeps the embeddings; default: in your cache folder.")
    ] = None,
    scale: Annotated[
        float | None,
        typer.Option(
            "--scale", min=4, help="Median chromosome length in pixels of the metaphase; tried out if absent."
        ),
    ] = None,
    without: Annotated[
        str | None, typer.Option("--without", metavar="CASE", help="Leave out the known chromosomes of this case.")
    ] = None,
    report: Annotated[
        Path | None, typer.Option("--report", help="Folder of a report to take chromosomes from.")
    ] = None,
    chromosome: Annotated[
        list[str] | None, typer.Option("--chromosome", metavar="M:C", help="With --report: which, e.g. m1:c4.")
    ] = None,
    config: Config = "default",
    override: Set = None,
) -> None:
    """Show the known chromosomes that look most like a given one, for a person who doubts a label.

    The chromosome comes from a picture (dark on light or light on dark, in any position), or from a finished report;
    then CROP may name the image, or a folder that holds it, should it have moved.
    """
    from karyonet.config import load_config
    from karyonet.data import read_format
    from karyonet.pipeline import Pipeline
    from karyonet.similar.crop import read_crop
    from karyonet.similar.gallery import open_gallery
    from karyonet.similar.reported import read_reported, see_reported
    from karyonet.similar.search import see_crop

    _check_call(crops, report, chromosome, scale)
    settings = load_config(config, override or ())
    stages = Pipeline.from_config(settings).stages
    # What is asked about is read first: a mistake there is not said only after minutes of embedding.
    looks: list[Callable[[Gallery], Sighting]]
    if report is not None:
        taken = [read_reported(report, name, crops or (), settings.reading) for name in chromosome or ()]
        looks = [partial(see_reported, stages, one, count=count, without_case=without) for one in taken]
    else:
        read = [read_crop(path, settings.reading) for path in crops or ()]
        looks = [partial(see_crop, stages, one, count=count, scale=scale, without_case=without) for one in read]
    cells = read_format(data, format, stage="classification", split=split, limit=limit)
    gallery = open_gallery(stages, cells, index)
    sightings = [look(gallery) for look in looks]
    for sighting in sightings:
        _print(sighting)
    for failure in gallery.failures:
        typer.echo(f"left out of the known chromosomes: {failure}", err=True)
    files: dict[Path, bytes] = {}
    if out is not None:
        files[out] = _png(sightings, gallery)
    if json is not None:
        content = _as_json(sightings, gallery, data.name, format, split)
        files[json] = (json_module.dumps(content, indent=2, ensure_ascii=False) + "\n").encode(
            "utf-8", "backslashreplace"
        )
    for path, content_of in files.items():
        _write(path, content_of)
        typer.echo(f"{'picture' if path == out else 'neighbours'}: {path}")


def _check_call(
    crops: list[Path] | None, report: Path | None, chromosome: list[str] | None, scale: float | None
) -> None:
    if report is not None and not chromosome:
        raise typer.BadParameter("--report needs --chromosome, for example --chromosome m1:c4")
    if chromosome and report is None:
        raise typer.BadParameter("--chromosome needs --report, the folder of the report that has it")
    if report is not None and scale is not None:
        raise typer.BadParameter("--scale is for pictures; a report has the whole metaphase")
    if report is None and not crops:
        raise typer.BadParameter("name the picture of a chromosome, or --report and --chromosome")


def _print(sighting: Sighting) -> None:
    from rich.console import Console
    from rich.table import Table

    found = sighting.neighbours
    title = f"{sighting.name}: classified {sighting.label} ({sighting.confidence:.1%})"
    table = Table(title=title, title_justify="left")
    for column in ("rank", "label", "similarity", "cell", "case"):
        table.add_column(column, justify="right" if column in ("rank", "label", "similarity") else "left")
    for rank, n in enumerate(found, start=1):
        table.add_row(str(rank), n.label, f"{n.similarity:.3f}", n.cell, n.case)
    console = Console()
    console.print(table)
    votes = ", ".join(f"{vote.label}: {vote.neighbours} of {len(found)}" for vote in sighting.votes)
    console.print(f"vote: {votes or 'none, as nothing was left to compare with'}", markup=False)
    if len(sighting.scales) > 1:
        low, high = sighting.scales[0], sighting.scales[-1]
        console.print(
            f"scale: not known; of {len(sighting.scales)} between {low:.0f} and {high:.0f} pixels (median chromosome "
            f"length) {sighting.scale:.0f} fits the known ones best; --scale gives it if you know it",
            markup=False, soft_wrap=True,
        )  # fmt: skip


def _as_json(sightings: list[Sighting], gallery: Gallery, data: str, format: str, split: str | None) -> dict[str, Any]:
    from karyonet.report.schema import NOTICE

    def rounded(value: float) -> float:
        return round(float(value), 6)

    return {
        "schema": SCHEMA,
        "known": {
            "data": data, "format": format, "split": split, "chromosomes": len(gallery),
            "data_sha256": gallery.key.data, "model_sha256": gallery.key.model, "failures": list(gallery.failures),
        },
        "chromosomes": [
            {
                "name": s.name,
                "label": s.label,
                "confidence": rounded(s.confidence),
                "scale": {"pixels": rounded(s.scale), "tried": [rounded(value) for value in s.scales]},
                "vote": {vote.label: vote.neighbours for vote in s.votes},
                "neighbours": [
                    {"rank": rank, "label": n.label, "similarity": rounded(n.similarity)}
                    | {"cell": n.cell, "case": n.case}
                    for rank, n in enumerate(s.neighbours, start=1)
                ],
            }
            for s in sightings
        ],
        "notice": NOTICE,
    }  # fmt: skip


def _png(sightings: list[Sighting], gallery: Gallery) -> bytes:
    import io

    from karyonet.similar.picture import draw_similar

    buffer = io.BytesIO()
    draw_similar(sightings, gallery).save(buffer, "PNG")
    return buffer.getvalue()


def _write(path: Path, content: bytes) -> None:
    """Write a file; a reader sees the old one or the whole new one.

    Raises:
        ConfigError: K213 if it cannot be written.
    """
    from karyonet.errors import ConfigError

    partial = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_bytes(content)
        partial.replace(path)
    except OSError as fault:
        partial.unlink(missing_ok=True)
        raise ConfigError("K213", path=path, reason=(fault.strerror or str(fault)).lower()) from fault
