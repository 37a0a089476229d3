"""The file of edits: its schema, and what is said of one that cannot be understood."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from karyonet.edits.document import EditsDocument, json_schema, read_edits
from karyonet.errors import EditError, KaryonetError

README = Path(__file__).resolve().parents[2] / "README.md"


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ('{"schema": "karyonet.edits/1",\n "author": }', "line 2, column 12: this is not JSON"),
        ("[]", "the top level"),
        ('{"schema": "karyonet.edits/2", "author": "A", "edits": []}', "schema"),
        ('{"schema": "karyonet.edits/1", "author": " ", "edits": []}', "author"),
        ('{"schema": "karyonet.edits/1", "edits": []}', "author: this key is needed"),
        ("relabel", "edit 1, label: \"23\" is no chromosome"),
        ("merge", "edit 1, chromosomes: a merge needs two chromosomes or more"),
        ("twice", "edit 1, chromosomes: c1 is named twice"),
        ("box", "edit 1, box: a box is"),
        ("line", "edit 1, line"),
        ("kind", 'edit 1: there is no edit "paint"; give one of relabel, flip, split'),
        ("none", "edit 1: it does not say what to do"),
        ("key", "edit 1, colour: there is no such key"),
        ("infinite", "edit 1, line.0.0"),
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_understood_is_one_sentence(tmp_path: Path, text: str, named: str) -> None:
    bad = {
        "relabel": '{"edit": "relabel", "metaphase": "m1", "chromosome": "c1", "label": "23"}',
        "merge": '{"edit": "merge", "metaphase": "m1", "chromosomes": ["c1"]}',
        "twice": '{"edit": "merge", "metaphase": "m1", "chromosomes": ["c1", "c1"]}',
        "box": '{"edit": "add-by-box", "metaphase": "m1", "box": [9, 9, 1, 20]}',
        "line": '{"edit": "split", "metaphase": "m1", "chromosome": "c1", "line": [[1, 2]]}',
        "kind": '{"edit": "paint", "metaphase": "m1"}',
        "none": '{"metaphase": "m1"}',
        "key": '{"edit": "delete", "metaphase": "m1", "chromosome": "c1", "colour": 1}',
        "infinite": '{"edit": "split", "metaphase": "m1", "chromosome": "c1", "line": [[NaN, 2], [1, 1]]}',
    }
    file = tmp_path / "mine.json"
    if text in bad:
        text = f'{{"schema": "karyonet.edits/1", "author": "A", "edits": [{bad[text]}]}}'
    file.write_text(text)
    with pytest.raises(EditError) as caught:
        read_edits(file)
    assert str(caught.value).startswith(f"K701: mine.json, {named}")
    assert "\n" not in str(caught.value)


@given(st.binary(max_size=60) | st.text(max_size=60).map(lambda text: text.encode("utf-8", "replace")))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_file_of_edits_gives_another_error(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "mine.json").write_bytes(content)
    with pytest.raises(EditError, match="K701"):
        read_edits(tmp_path / "mine.json")


def test_the_schema_is_valid_and_holds_the_example_of_the_readme() -> None:
    jsonschema.Draft202012Validator.check_schema(json_schema())
    example = README.read_text("utf-8").partition("```json\n")[2].partition("```")[0]
    jsonschema.Draft202012Validator(json_schema()).validate(json.loads(example))
    kinds = {one["edit"] for one in json.loads(example)["edits"]}
    assert len(EditsDocument.model_validate_json(example).edits) == len(kinds) == 8


def test_every_error_is_one_a_person_can_mend() -> None:
    assert issubclass(EditError, KaryonetError)
