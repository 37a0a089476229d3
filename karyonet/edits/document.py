"""EDITS.json as pydantic models: what a person wants changed in a finished case."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, FiniteFloat, StringConstraints, ValidationError
from pydantic_core import ErrorDetails

from karyonet.errors import EditError, InputError
from karyonet.report.schema import Box, Label

SCHEMA = "karyonet.edits/1"
LARGEST_FILE = 16 * 2**20
"""Bytes; a file of edits is a few kilobytes."""

Id = Annotated[str, Field(min_length=1, max_length=200)]
Words = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500)]
Line = Annotated[tuple[tuple[FiniteFloat, FiniteFloat], ...], Field(min_length=2, max_length=1000)]


def _several(ids: tuple[str, ...]) -> tuple[str, ...]:
    if len(ids) < 2:
        raise ValueError("a merge needs two chromosomes or more")
    for number, one in enumerate(ids):
        if one in ids[:number]:
            raise ValueError(f"{one} is named twice")
    return ids


class _Edit(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    metaphase: Id = Field(description="id of the metaphase in report.json")
    note: Words | None = Field(None, description="anything that the history should remember of this edit")


class Relabel(_Edit):
    """Gives a chromosome a name; to give it the name that it has confirms it."""

    edit: Literal["relabel"]
    chromosome: Id
    label: Label


class Flip(_Edit):
    """Turns a chromosome over: the other end is its short arm."""

    edit: Literal["flip"]
    chromosome: Id


class Split(_Edit):
    """Cuts a chromosome along a line into those that it was; the line's points are ``[x, y]`` in pixels."""

    edit: Literal["split"]
    chromosome: Id
    line: Line


class Merge(_Edit):
    """Makes one chromosome of pieces that touch or lie close together."""

    edit: Literal["merge"]
    chromosomes: Annotated[tuple[Id, ...], AfterValidator(_several)]


class Delete(_Edit):
    """Removes what is no chromosome."""

    edit: Literal["delete"]
    chromosome: Id


class AddByBox(_Edit):
    """Adds the chromosome that a box ``[xmin, ymin, xmax, ymax]`` was drawn around."""

    edit: Literal["add-by-box"]
    box: Box
    label: Label | None = Field(None, description="its name; without one it is named as all others are")


class ExcludeMetaphase(_Edit):
    """Leaves a metaphase out of the karyotype; it stays in the report."""

    edit: Literal["exclude-metaphase"]
    reason: Words


class IncludeMetaphase(_Edit):
    """Lets a metaphase take part in the karyotype that a person or a stage had left out."""

    edit: Literal["include-metaphase"]


AnyEdit = Relabel | Flip | Split | Merge | Delete | AddByBox | ExcludeMetaphase | IncludeMetaphase
Edit = Annotated[AnyEdit, Field(discriminator="edit")]
KINDS: tuple[str, ...] = tuple(get_args(kind.model_fields["edit"].annotation)[0] for kind in get_args(AnyEdit))


class EditsDocument(BaseModel):
    """The whole of EDITS.json: the edits are applied in their order."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_by_name=True, serialize_by_alias=True)

    version: Literal["karyonet.edits/1"] = Field(alias="schema")
    author: Words
    edits: tuple[Edit, ...]


def read_edits(path: Path) -> EditsDocument:
    """Read a file of edits.

    Raises:
        InputError: K101 if there is no such file.
        EditError: K701 with the place in the file if it cannot be understood.
    """
    source = path.name
    if not path.exists():
        raise InputError("K101", path=path)
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise EditError("K701", source=source, place="the file", reason=f"it has more than {LARGEST_FILE} bytes")
        text = path.read_text("utf-8-sig")
        json.loads(text)  # says line and column better than pydantic does
    except json.JSONDecodeError as fault:
        place = f"line {fault.lineno}, column {fault.colno}"
        raise EditError("K701", source=source, place=place, reason=f"this is not JSON ({fault.msg.lower()})") from None
    except (UnicodeDecodeError, RecursionError, ValueError):
        reason = "this is not JSON in UTF-8 that can be read"
        raise EditError("K701", source=source, place="the file", reason=reason) from None
    except OSError as fault:
        reason = (fault.strerror or "it cannot be read").lower()
        raise EditError("K701", source=source, place="the file", reason=reason) from None
    try:
        return EditsDocument.model_validate_json(text)
    except ValidationError as fault:
        place, reason = _first_fault(fault.errors(include_url=False)[0])
        raise EditError("K701", source=source, place=place, reason=reason) from None


def place_of(number: int, key: str = "") -> str:
    """How an error names an edit, counted from 1, and a key of it."""
    return f"edit {number}, {key}" if key else f"edit {number}"


def json_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of a file of edits."""
    schema = EditsDocument.model_json_schema(by_alias=True)
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    return {**head, **schema, "title": "karyonet edits", "description": "What a person changes in a finished case."}


def _first_fault(fault: ErrorDetails) -> tuple[str, str]:
    """Place and sentence of pydantic's complaint."""
    location = [part for part in fault["loc"] if part not in KINDS]
    if location[:1] == ["edits"] and len(location) > 1:
        place = place_of(int(location[1]) + 1, ".".join(map(str, location[2:])))
    else:
        place = ".".join(map(str, location)) or "the top level"
    kind, given = fault["type"], fault.get("input")
    if kind == "extra_forbidden":
        return place, "there is no such key"
    if kind == "missing":
        return place, "this key is needed"
    if kind == "union_tag_not_found":
        return place, f'it does not say what to do; give "edit" as one of {", ".join(KINDS)}'
    if kind == "union_tag_invalid":
        tag = given.get("edit") if isinstance(given, dict) else given
        return place, f"there is no edit {_short(tag)}; give one of {', '.join(KINDS)}"
    if kind == "literal_error" and location[-1:] == ["label"]:
        return place, f"{_short(given)} is no chromosome; give one of 1–22, X and Y, as text"
    message = fault["msg"].removeprefix("Value error, ")
    return place, message[:1].lower() + message[1:]


def _short(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 60 else f"{text[:57]}…"
