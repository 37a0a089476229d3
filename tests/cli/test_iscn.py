from __future__ import annotations

import subprocess
import sys

import pytest


def iscn(command: str, string: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "karyonet", "iscn", command, string], capture_output=True, text=True)


@pytest.mark.parametrize("command", ["check", "explain", "normalise"])
def test_a_string_that_cannot_be_read_is_2_and_pointed_at(command: str) -> None:
    result = iscn(command, "46,XX,dle(5)(q13)")
    assert (result.returncode, result.stdout) == (2, "")
    message, string, caret = result.stderr.splitlines()
    assert message.startswith("K60")
    assert string.strip() == "46,XX,dle(5)(q13)"
    assert string[caret.index("^")] == "d"


@pytest.mark.parametrize("command", ["check", "explain", "normalise"])
def test_contradictions_are_2_and_listed_one_a_line(command: str) -> None:
    result = iscn(command, "46,XY,+21,del(5)(q99)")
    assert (result.returncode, result.stdout) == (2, "")
    errors = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 2
    assert any("47" in line for line in errors) and any("q99" in line for line in errors)


def test_a_good_karyotype_is_0() -> None:
    result = iscn("check", "47,XY,+21")
    assert (result.returncode, result.stdout, result.stderr) == (0, "47,XY,+21: good\n", "")


def test_warnings_are_printed_and_0() -> None:
    result = iscn("check", "48,XY,+21,+18")
    assert result.returncode == 0
    warning, verdict = result.stdout.splitlines()
    assert warning.startswith("warning: ") and warning.endswith("write 48,XY,+18,+21")
    assert verdict == "48,XY,+21,+18: good with 1 warning"


def test_explain_names_what_is_lost() -> None:
    result = iscn("explain", "46,XX,del(5)(q13q33)")
    assert result.returncode == 0
    assert "lost: 5q13" in result.stdout
    assert "female" in result.stdout


def test_normalise_prints_the_rewriting_alone() -> None:
    result = iscn("normalise", " 48,YX,+21,+18 ")
    assert (result.returncode, result.stdout) == (0, "48,XY,+18,+21\n")
    assert "X stands before Y" in result.stderr
