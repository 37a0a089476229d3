"""The YAML files that say which stages run, with which options.

A configuration is a name of a shipped file (``default``) or a path. Every mistake in it is one error that names the
file, the key and what is allowed there.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from karyonet.errors import ConfigError
from karyonet.imaging.limits import ReadingLimits

Model = TypeVar("Model", bound=BaseModel)

PLACES = (
    "segmentation", "cluster_type", "separation", "quality", "straightening", "classification", "centromere",
    "band_level", "abnormality", "karyotype",
)  # fmt: skip
"""The places of a pipeline in their order. A file may have others, and leave any out."""


class StageChoice(BaseModel):
    """Which implementation fills a place in the pipeline; the other keys are its options."""

    model_config = ConfigDict(extra="allow", frozen=True)

    use: str = Field(description="registered name, see `karyonet stages`")

    @property
    def options(self) -> dict[str, Any]:
        return dict(self.model_extra or {})


class PipelineConfig(BaseModel):
    """A pipeline: its stages in the order in which they run."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    stages: dict[str, StageChoice] = Field(min_length=1)
    device: Literal["auto", "cpu", "cuda"] = "auto"
    reading: ReadingLimits = ReadingLimits()

    @property
    def sha256(self) -> str:
        """Checksum of the configuration as it was resolved."""
        text = json.dumps(self.model_dump(mode="json"), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()


def shipped() -> list[str]:
    """Names of the pipeline configurations that ship with karyonet."""
    return sorted(
        entry.name.removesuffix(".yaml")
        for entry in files("karyonet.configs").iterdir()
        if entry.name.endswith(".yaml")
    )


def load_config(name: str | Path = "default", overrides: Iterable[str] = ()) -> PipelineConfig:
    """Read and validate a configuration.

    Args:
        name: a shipped name, or the path of a YAML file.
        overrides: ``KEY=VALUE`` with a dotted key; the value is read as YAML. A stage that the file does not have
            takes its place among :data:`PLACES`; one of another name comes last. ``stages.NAME=null`` leaves one out.

    Raises:
        ConfigError: K201 unknown name, K202 not YAML, K203 a key or value that is not allowed, K206 a bad override.
    """
    text, source = _text(name)
    content = parse_yaml(text, source)
    written = content.get("stages")
    known = list(written) if isinstance(written, dict) else []
    for override in overrides:
        _apply(content, override)
    if isinstance(content.get("stages"), dict):
        content["stages"] = _in_place(content["stages"], known)
    return validate(PipelineConfig, content, source)


def parse_yaml(text: str, source: str) -> dict[str, Any]:
    """Parse a YAML mapping, or raise ConfigError K202."""
    try:
        content = yaml.safe_load(text)
    except yaml.YAMLError as fault:
        raise ConfigError("K202", source=source, reason=" ".join(str(fault).split())) from fault
    if not isinstance(content, dict):
        raise ConfigError("K202", source=source, reason="a mapping of keys to values is needed")
    return content


def read_constants(model: type[Model], path: Path, known: str) -> Model:
    """Read the constants that one of ``tools/fit_*.py`` wrote.

    Args:
        model: what they are.
        path: a YAML file.
        known: name of the file that ships, for the error.

    Raises:
        ConfigError: K201 if the file cannot be read, K202 or K203 if it holds something else.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as fault:
        raise ConfigError("K201", name=path, known=known) from fault
    return validate(model, parse_yaml(text, str(path)), str(path))


def validate(model: type[Model], content: Mapping[str, Any], source: str, prefix: str = "") -> Model:
    """Build a pydantic model, or raise ConfigError K203 with the first wrong key."""
    try:
        return model.model_validate(content)
    except ValidationError as fault:
        raise config_error(fault, source, prefix, allowed=list(model.model_fields)) from fault


def config_error(fault: ValidationError, source: str, prefix: str = "", allowed: Iterable[str] = ()) -> ConfigError:
    """The first complaint of pydantic as a K203."""
    first = fault.errors(include_url=False)[0]
    key = ".".join(part for part in (prefix, *map(str, first["loc"])) if part) or "(top level)"
    reason = first["msg"][0].lower() + first["msg"][1:]
    if first["type"] == "extra_forbidden" and len(first["loc"]) == 1:
        reason = f"there is no such key; allowed are {', '.join(allowed) or 'none'}"
    elif first["type"] == "extra_forbidden":
        reason = "there is no such key"
    elif first["type"] == "missing":
        reason = "this key is needed"
    return ConfigError("K203", source=source, key=key, reason=reason)


def _text(name: str | Path) -> tuple[str, str]:
    path = Path(name)
    if path.suffix in (".yaml", ".yml") or len(path.parts) > 1:
        try:
            return path.read_text(encoding="utf-8"), str(path)
        except (OSError, UnicodeDecodeError) as fault:
            raise ConfigError("K201", name=path, known=", ".join(shipped())) from fault
    if str(name) not in shipped():
        raise ConfigError("K201", name=name, known=", ".join(shipped()))
    return files("karyonet.configs").joinpath(f"{name}.yaml").read_text(encoding="utf-8"), f"{name}.yaml"


def _in_place(stages: Mapping[str, Any], written: Sequence[str]) -> dict[str, Any]:
    """The stages as the file has them without those that were set to nothing, each that was added before the first that
    comes later in a pipeline."""
    order = list(written)
    for name in stages:
        if name not in order:
            later = PLACES[PLACES.index(name) + 1 :] if name in PLACES else ()
            order.insert(next((number for number, other in enumerate(order) if other in later), len(order)), name)
    return {name: stages[name] for name in order if stages[name] is not None or name not in written}


def _apply(content: dict[str, Any], override: str) -> None:
    key, separator, text = override.partition("=")
    *parents, last = key.strip().split(".")
    if not separator or not all((*parents, last)):
        raise ConfigError("K206", text=override)
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError as fault:
        raise ConfigError("K206", text=override) from fault
    node = content
    for part in parents:
        child = node.setdefault(part, {})
        if not isinstance(child, dict):
            raise ConfigError("K203", source="--set", key=key, reason=f"{part} holds a value, not a mapping")
        node = child
    node[last] = value
