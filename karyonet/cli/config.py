"""``karyonet config``: look at and check configurations."""

from __future__ import annotations

from typing import Annotated

import typer

from karyonet.cli.options import Set

app = typer.Typer(help="Show or check a configuration.", no_args_is_help=True)
Name = Annotated[str, typer.Argument(help="A shipped configuration or a YAML file.")]


@app.command()
def show(name: Name = "default", override: Set = None) -> None:
    """Print a configuration as it is resolved, with the options of every stage."""
    import yaml

    from karyonet.config import load_config
    from karyonet.pipeline import Pipeline

    config = load_config(name, override or ())
    content = config.model_dump(mode="json")
    for key, stage in Pipeline.from_config(config).stages.items():
        content["stages"][key] = {"use": config.stages[key].use, **stage.options.model_dump(mode="json")}
    typer.echo(yaml.safe_dump(content, sort_keys=False), nl=False)


@app.command()
def check(name: Name = "default", override: Set = None) -> None:
    """Check a configuration: keys, options, weights, and that every stage is given what it needs."""
    from karyonet.pipeline import Pipeline

    pipeline = Pipeline.from_config(name, override or ())
    typer.echo(f"{name}: {' → '.join(pipeline.stages)}: good")
