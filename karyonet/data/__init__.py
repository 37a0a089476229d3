"""Readers of annotated data sets, for training and evaluation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from karyonet.data.formats import read_format as read_format

__all__ = ["read_format"]


def __getattr__(name: str) -> Any:
    """Import the readers when they are first asked for, so that importing a single one stays light."""
    if name == "read_format":
        from karyonet.data.formats import read_format

        return read_format
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
