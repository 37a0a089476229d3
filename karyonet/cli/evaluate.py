"""``karyonet evaluate``: measure the pipeline or a stage on annotated data."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from karyonet.cli.options import Config, Data, Json, Limit, Set, Split

if TYPE_CHECKING:
    from karyonet.evaluation.classification import CellResult
    from karyonet.evaluation.report import Evaluation

app = typer.Typer(help="Measure the pipeline or a stage on annotated data.", no_args_is_help=True)


@app.command()
def pipeline(
    data: Data,
    format: Annotated[str, typer.Option("--format", help="metaphases")] = "metaphases",
    split: Split = None,
    limit: Limit = None,
    json: Json = None,
    config: Config = "default",
    override: Set = None,
    rows: Annotated[Path | None, typer.Option("--rows", help="Write one CSV row per metaphase to this file.")] = None,
) -> None:
    """Found and named chromosomes against annotated boxes (IoU at least 0.5, one to one)."""
    from karyonet.data import read_format
    from karyonet.evaluation.pipeline import evaluate_pipeline
    from karyonet.pipeline import Pipeline

    dataset = read_format(data, format, stage="pipeline", split=split, limit=limit)
    evaluation = evaluate_pipeline(Pipeline.from_config(config, override or ()), dataset, rows=rows)
    _finish(evaluation.described(data=data.name, format=format, split=split), json)


@app.command()
def classification(
    data: Data,
    format: Annotated[str, typer.Option("--format", help="strips, metaphases or mfish")] = "strips",
    split: Split = None,
    limit: Limit = None,
    json: Json = None,
    config: Config = "default",
    override: Set = None,
    confusion: Annotated[Path | None, typer.Option("--confusion", help="Draw the confusion matrix here (PNG).")] = None,
    retrieval: Annotated[bool, typer.Option("--retrieval", help="Also Recall@1, 2, 4, 8 of the embeddings.")] = False,
    tsne: Annotated[Path | None, typer.Option("--tsne", help="Draw a t-SNE map of the embeddings here (PNG).")] = None,
) -> None:
    """Names of annotated chromosomes, each alone and decided together over the metaphase."""
    from karyonet.data import mfish, read_format
    from karyonet.evaluation.classification import evaluate_classification
    from karyonet.evaluation.confusion import save_confusion_matrix
    from karyonet.pipeline import Pipeline

    cells = read_format(data, format, stage="classification", split=split, limit=limit)
    if format == mfish.FORMAT:
        cells = [mfish.boxed(metaphase) for metaphase in cells]
    stages = Pipeline.from_config(config, override or ()).stages
    results: list[CellResult] = []
    if retrieval or tsne is not None:
        from karyonet.evaluation.retrieval import check_embedding

        check_embedding(stages)
    evaluation = evaluate_classification(stages, cells, inspect=results.extend)
    if retrieval:
        from karyonet.evaluation.retrieval import retrieval_metrics

        metrics = {**evaluation.metrics, **retrieval_metrics(results)}
        evaluation = evaluation.model_copy(update={"metrics": metrics})
    _finish(evaluation.described(data=data.name, format=format, split=split), json)
    if confusion is not None and evaluation.confusion_matrix is not None:
        save_confusion_matrix(evaluation.confusion_matrix, confusion)
        typer.echo(f"confusion matrix: {confusion}")
    if tsne is not None:
        from karyonet.evaluation.embedding_map import save_embedding_map
        from karyonet.evaluation.retrieval import gathered

        save_embedding_map(*gathered(results), tsne)
        typer.echo(f"map of the embeddings: {tsne}")


@app.command()
def segmentation(
    data: Data,
    format: Annotated[str, typer.Option("--format", help="metaphases, mfish or simulated")] = "metaphases",
    split: Split = None,
    limit: Limit = None,
    json: Json = None,
    config: Config = "default",
    override: Set = None,
    rows: Annotated[Path | None, typer.Option("--rows", help="Write one CSV row per metaphase to this file.")] = None,
    gallery: Annotated[
        Path | None, typer.Option("--gallery", help="Show the worst 20 images here (an HTML file, or a folder).")
    ] = None,
) -> None:
    """Chromosomes found, whatever they are named, against annotated boxes or masks."""
    from karyonet.evaluation.segmentation import Seen, evaluate_segmentation
    from karyonet.evaluation.segmentation_figures import ImageResult, rows_as_csv
    from karyonet.evaluation.segmentation_gallery import WorstImages, gallery_path, render_gallery
    from karyonet.evaluation.segmentation_truth import read_annotated_images
    from karyonet.pipeline import Pipeline

    page = None if gallery is None else gallery_path(gallery)
    for path in (json, rows, page):
        _check_writable(path)
    images = read_annotated_images(data, format, split=split, limit=limit)
    results: list[ImageResult] = []
    worst = WorstImages()

    def inspect(seen: Seen) -> None:
        results.append(seen.result)
        worst.add(seen)

    evaluation = evaluate_segmentation(Pipeline.from_config(config, override or ()).stages, images, inspect=inspect)
    evaluation = evaluation.described(data=data.name, format=format, split=split)
    _finish(evaluation, json)
    if rows is not None:
        _write("rows", rows, rows_as_csv(results))
    if page is not None:
        _write("gallery", page, render_gallery(evaluation, worst))


@app.command()
def abnormality(
    data: Data,
    format: Annotated[str, typer.Option("--format", help="strips or metaphases")] = "strips",
    split: Split = None,
    limit: Limit = None,
    weights: Annotated[str, typer.Option("--weights", help="Shipped weights, or a .safetensors file.")] = "homnet",
    bags: Annotated[
        str | None,
        typer.Option("--bags", help="Metaphases of a bag: 5, 1-5, or several such as 1,2,5. By default 5, or all."),
    ] = None,
    number: Annotated[int, typer.Option("--number", min=2, help="Artificial bags of each size.")] = 1000,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Decides the artificial bags.")] = 0,
    mix: Annotated[
        bool | None, typer.Option("--mix/--no-mix", help="Artificial bags mix cases; by default those of pki3 alone.")
    ] = None,
    upright: Annotated[
        bool, typer.Option("--upright/--any-way-up", help="Whether the short arms of strips are up.")
    ] = True,
    json: Json = None,
    config: Config = "default",
    override: Set = None,
    rows: Annotated[Path | None, typer.Option("--rows", help="Write one CSV row per bag to this file.")] = None,
) -> None:
    """Structural abnormalities in bags of homologs: those that bags.csv names, otherwise artificial ones."""
    from karyonet.evaluation.abnormality import rows_as_csv
    from karyonet.pipeline import Pipeline
    from karyonet.stages.abnormality import HomologComparer
    from karyonet.stages.abnormality.evaluate import BagPlan, evaluate, sizes_from

    for path in (json, rows):
        _check_writable(path)
    try:
        sizes = () if bags is None else sizes_from(bags)
    except ValueError as fault:
        raise typer.BadParameter("give numbers of metaphases, such as 5, 1-5 or 1,2,5", param_hint="--bags") from fault
    stage = HomologComparer.from_pretrained(weights)
    needed = format == "metaphases" or not upright
    stages = Pipeline.from_config(config, override or ()).stages if needed else {}
    plan = BagPlan(sizes, number, seed, mix)
    evaluation, judged = evaluate(stage, data, format, plan, split, limit, upright, stages)
    _finish(evaluation.described(data=data.name, format=format, split=split), json)
    if rows is not None:
        _write("rows", rows, rows_as_csv(judged))


@app.command()
def karyotype(
    data: Data,
    format: Annotated[str, typer.Option("--format", help="metaphases or simulated")] = "metaphases",
    split: Split = None,
    limit: Limit = None,
    least_metaphases: Annotated[
        int, typer.Option("--least-metaphases", min=1, help="Leave out normal cases with fewer images.")
    ] = 3,
    json: Json = None,
    config: Config = "default",
    override: Set = None,
    rows: Annotated[Path | None, typer.Option("--rows", help="Write one CSV row per case to this file.")] = None,
) -> None:
    """Karyotypes of whole cases, all images of a case in one run, against what is known of the case."""
    from karyonet.config import load_config
    from karyonet.evaluation.karyotype import rows_as_csv
    from karyonet.evaluation.karyotype_figures import evaluate_karyotypes
    from karyonet.evaluation.karyotype_truth import read_known_cases, require_measurable
    from karyonet.pipeline import Pipeline

    for path in (json, rows):
        _check_writable(path)
    settings = load_config(config, override or ())
    cases = read_known_cases(data, format, split=split, limit=limit)
    require_measurable(cases, least_metaphases, data, format)
    evaluation, results = evaluate_karyotypes(Pipeline.from_config(settings), cases, least_metaphases, settings.reading)
    _finish(evaluation.described(data=data.name, format=format, split=split), json)
    if rows is not None:
        _write("rows", rows, rows_as_csv(results))


@app.command("cluster-type")
def cluster_type(
    data: Annotated[
        Path, typer.Option("--data", help="The data set's folder; for compositions also a metaphase pack.")
    ],
    format: Annotated[str, typer.Option("--format", help="metaphases, clusters or compositions")] = "metaphases",
    split: Split = None,
    limit: Annotated[
        int | None,
        typer.Option(
            "--limit",
            min=1,
            help="At most so many images, whole cases at a time; so many compositions (by default 2000).",
        ),
    ] = None,
    json: Json = None,
    config: Config = "default",
    override: Set = None,
    truth: Annotated[
        Path | None, typer.Option("--truth", help="Only the components of metaphases that this list names (CSV).")
    ] = None,
    rows: Annotated[Path | None, typer.Option("--rows", help="Write one CSV row per component to this file.")] = None,
) -> None:
    """What is said of components: one chromosome or several, how they lie, how many, or none at all."""
    from karyonet.evaluation.cluster_type import evaluate_cluster_type, typing_stages
    from karyonet.evaluation.cluster_type_results import ComponentResult, rows_as_csv
    from karyonet.evaluation.cluster_type_truth import COMPOSITIONS, read_known_clusters
    from karyonet.pipeline import Pipeline

    for path in (json, rows):
        _check_writable(path)
    stages = typing_stages(Pipeline.from_config(config, override or ()).stages)
    *finding, last = stages
    results: list[ComponentResult] = []
    if format == COMPOSITIONS and truth is None:
        from karyonet.stages.cluster_type.composed_clusters import EXAMPLES, evaluate_compositions

        # Of compositions the stage is asked alone: no segmentation has seen such images.
        alone = {last: stages[last]}
        evaluation = evaluate_compositions(alone, data, split, limit or EXAMPLES, inspect=results.extend)
    else:
        before = {name: stages[name] for name in finding}
        sources = read_known_clusters(data, format, before, split=split, limit=limit, truth=truth)
        evaluation = evaluate_cluster_type(stages, sources, inspect=results.extend)
    _finish(evaluation.described(data=data.name, format=format, split=split), json)
    if rows is not None:
        _write("rows", rows, rows_as_csv(results))


def _check_writable(path: Path | None) -> None:
    """Say at once, not after the evaluation, that a file cannot be written.

    Raises:
        ConfigError: K213.
    """
    import os

    from karyonet.errors import ConfigError

    if path is None:
        return
    folder = next(parent for parent in path.absolute().parents if parent.exists())
    if path.is_dir():
        raise ConfigError("K213", path=path, reason="it is a folder")
    if not folder.is_dir():
        raise ConfigError("K213", path=path, reason=f"{folder} is not a folder")
    if not os.access(folder, os.W_OK):
        raise ConfigError("K213", path=path, reason=f"nothing may be written to {folder}")


def _write(what: str, path: Path, text: str) -> None:
    from karyonet.errors import ConfigError
    from karyonet.evaluation.report import write_text

    try:
        write_text(path, text)
    except OSError as fault:
        raise ConfigError("K213", path=path, reason=(fault.strerror or str(fault)).lower()) from fault
    typer.echo(f"{what}: {path}")


def _finish(evaluation: Evaluation, json: Path | None) -> None:
    evaluation.print()
    if json is not None:
        evaluation.write_json(json)
        typer.echo(f"evaluation: {json}")
