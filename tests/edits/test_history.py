"""The history of edits: it only grows, a change of it is found, and a kill leaves it whole."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from karyonet.edits.apply import Outcome
from karyonet.errors import EditError
from karyonet.report.folder import recover

from ..conftest import killed_at
from .conftest import contents, edit


def tampered(place: Path, change: Callable[[dict[str, Any]], None], name: str = "history.json") -> None:
    path = place / "report" / name
    content = json.loads(path.read_text("utf-8"))
    change(content)
    path.write_text(json.dumps(content, indent=2) + "\n", "utf-8")


@pytest.mark.parametrize(
    "change",
    [
        lambda h: h["entries"][0].update(author="B. Meyer"),
        lambda h: h["entries"][0]["edits"][0]["edit"].update(note="something else"),
        lambda h: h["entries"][1].update(when="2001-01-01T00:00:00+00:00"),
        lambda h: h["entries"].pop(0),
        lambda h: h["entries"].pop(),
        lambda h: h["entries"].reverse(),
        lambda h: h["entries"].insert(1, h["entries"][0]),
        lambda h: h["entries"][0].update(more="of it"),
        lambda h: h.clear(),
    ],
)
def test_a_change_of_the_past_is_found(place: Path, apply: Callable[..., Outcome], change: Any) -> None:
    apply(edit("exclude-metaphase", "m1", reason="crushed"))
    apply(edit("include-metaphase", "m1"))
    tampered(place, change)
    before = contents(place / "report")
    with pytest.raises(EditError, match="K702"):
        apply(edit("exclude-metaphase", "m1", reason="crushed"))
    assert contents(place / "report") == before


def test_a_report_changed_by_other_means_or_robbed_of_its_history_is_found(
    place: Path, apply: Callable[..., Outcome]
) -> None:
    apply(edit("exclude-metaphase", "m1", reason="crushed"))
    kept = (place / "report" / "history.json").read_bytes()
    (place / "report" / "history.json").unlink()
    with pytest.raises(EditError, match=r"K702.*missing"):
        apply()
    (place / "report" / "history.json").write_bytes(kept)
    tampered(place, lambda report: report["karyotype"].update(iscn="46,XX"), "report.json")
    with pytest.raises(EditError, match=r"K702.*not the one that the last entry left"):
        apply()


def test_the_history_only_grows(place: Path, apply: Callable[..., Outcome]) -> None:
    apply(edit("flip", chromosome="c1", note="seen twice"))
    first = json.loads((place / "report" / "history.json").read_text())["entries"]
    apply()
    both = json.loads((place / "report" / "history.json").read_text())["entries"]
    assert both[:1] == first
    assert both[1]["previous"] == first[0]["sha256"]
    assert first[0]["author"] == "A. Meyer"
    assert first[0]["edits"][0]["edit"]["note"] == "seen twice"
    assert both[1]["report_after"] == contents(place / "report")["report.json"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_kill_at_any_moment_leaves_the_old_report_or_the_new_one(place: Path, apply: Callable[..., Outcome]) -> None:
    folder = place / "report"
    old = contents(folder)
    seen = set()
    for step in range(1, 60):
        killed = killed_at(step, apply)
        recover(folder)
        now = contents(folder)
        assert {name: h for name, h in now.items() if name != "history.json"} == old
        seen.add("history.json" in now)
        if not killed:
            break
        assert "history.json" not in now or step > len(old)
        if "history.json" in now:
            break
    assert seen == {False, True}
    assert step > len(old)
