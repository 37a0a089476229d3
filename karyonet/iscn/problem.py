"""What is wrong with a karyotype that can be read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Severity = Literal["error", "warning"]


@dataclass(frozen=True, slots=True)
class Problem:
    """One contradiction or departure from the rules.

    Attributes:
        severity: ``error`` where the karyotype contradicts itself or the chromosomes, ``warning`` where it is
            understood but not written, or not supported, as the rules ask.
        message: one sentence.
        rewriting: the whole karyotype as it should be written, where that is certain.
    """

    severity: Severity
    message: str
    rewriting: str | None = None

    def __str__(self) -> str:
        return f"{self.severity}: {self.message}" + (f"; write {self.rewriting}" if self.rewriting else "")


def error(message: str) -> Problem:
    """A contradiction."""
    return Problem("error", message)


def warning(message: str) -> Problem:
    """A departure from the rules."""
    return Problem("warning", message)
