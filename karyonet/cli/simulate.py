"""``karyonet simulate``: from a karyotype to metaphase images with their truth."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class Look(StrEnum):
    """How the slide was stained and photographed."""

    gband = "gband"
    qband = "qband"


def simulate(
    karyotype: Annotated[
        str, typer.Argument(metavar="ISCN", help='For example "47,XY,+21" or "mos 45,X[3]/46,XX[17]".')
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder to write; files of an earlier case are replaced.")],
    metaphases: Annotated[int, typer.Option("--metaphases", min=1, help="Number of metaphases.")] = 1,
    band_level: Annotated[float, typer.Option("--band-level", min=300, max=850, help="Bands per haploid set.")] = 550,
    crowding: Annotated[float, typer.Option("--crowding", min=0, max=1, help="0 all alone, 1 hardly one alone.")] = 0.5,
    seed: Annotated[int, typer.Option("--seed", min=0, help="The same seed gives the same images.")] = 1,
    style: Annotated[Look, typer.Option("--style", help="Dark on light or light on dark.")] = Look.gband,
    bit_depth: Annotated[int, typer.Option("--bit-depth", help="Of the images: 8 or 16.")] = 8,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors.")] = False,
) -> None:
    """Draw metaphases of a karyotype: images, truth.json, COCO masks, and the tables of format metaphases.

    The clones of a mosaic share the metaphases by their cell counts. A karyotype that contradicts itself or cannot
    be drawn is refused before anything is written.
    """
    from karyonet.simulate import simulate as draw

    case = draw(karyotype, seed, band_level, crowding, style.value, metaphases, bit_depth=bit_depth, progress=not quiet)
    folder = case.save(out)
    if not quiet:
        for number, metaphase in enumerate(case.metaphases, 1):
            together = sum(len(c.chromosomes) for c in metaphase.clusters if c.type != "instance")
            count = len(metaphase.chromosomes)
            typer.echo(f"m{number:03d}  {metaphase.karyotype}  {count} chromosomes, {together} of them in clusters")
        typer.echo(f"images: {folder / 'images'}")
