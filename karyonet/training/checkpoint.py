"""Checkpoints: written whole or not at all, read without running code from them."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import torch

from karyonet.errors import DataError


def write_atomically(state: Any, path: Path) -> None:
    """Save tensors and plain values so that a kill at any moment leaves the former file or the new one."""
    partial = path.with_name(path.name + ".partial")
    with partial.open("wb") as stream:
        torch.save(state, stream)
        stream.flush()
        os.fsync(stream.fileno())
    partial.replace(path)


def read_checkpoint(path: Path, fingerprint: str, device: torch.device) -> dict[str, Any]:
    """Read a checkpoint of a recipe.

    Raises:
        DataError: K406 if it cannot be read or belongs to another recipe.
    """
    try:
        state: dict[str, Any] = torch.load(path, weights_only=True, map_location=device)
    except (OSError, RuntimeError, EOFError, pickle.UnpicklingError) as fault:
        raise DataError("K406", path=path, reason=f"it cannot be read: {str(fault).splitlines()[0]}") from fault
    if state.get("fingerprint") != fingerprint:
        raise DataError("K406", path=path, reason="the recipe has changed since it was written")
    return state
