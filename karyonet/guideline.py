"""What a guideline asks of the metaphases of a case, read from YAML."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from karyonet.config import read_constants
from karyonet.errors import ConfigError

_FOLDER = Path(str(files("karyonet.configs").joinpath("guidelines")))

Whole = Annotated[int, Field(ge=1, strict=True)]


class Guideline(BaseModel):
    """How many metaphases must be looked at, and how closely.

    Attributes:
        name: as the report names it.
        counted, analysed, karyotyped: how many must have at least this state (:data:`karyonet.case.MetaphaseState`).
        band_level: the least, in bands per haploid set; None where the guideline asks for none.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(min_length=1)
    counted: Whole
    analysed: Whole
    karyotyped: Whole
    band_level: Whole | None = None

    @model_validator(mode="after")
    def _nested(self) -> Guideline:
        if not self.counted >= self.analysed >= self.karyotyped:
            numbers: dict[str, Any] = self.model_dump(include={"counted", "analysed", "karyotyped"})
            raise PydanticCustomError(
                "not_nested",
                "karyotyped ({karyotyped}) must not exceed analysed ({analysed}), nor that counted ({counted}), since "
                "each state includes those before it",
                numbers,
            )
        return self


def shipped_guidelines() -> list[str]:
    """Names of the guidelines that ship with karyonet."""
    return sorted(path.stem for path in _FOLDER.glob("*.yaml"))


def load_guideline(name: str | Path) -> Guideline:
    """Read a guideline.

    Args:
        name: of a shipped one, or the path of a YAML file.

    Raises:
        ConfigError: K201 if there is none, K202 if it is not YAML, K203 for a key or value that is not allowed.
    """
    known, path = shipped_guidelines(), Path(name)
    if path.suffix not in (".yaml", ".yml") and len(path.parts) < 2:
        if str(name) not in known:
            raise ConfigError("K201", name=name, known=", ".join(known))
        path = _FOLDER / f"{name}.yaml"
    return read_constants(Guideline, path, ", ".join(known))
