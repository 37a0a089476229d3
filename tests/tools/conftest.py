"""Tools are scripts and in no package: they are loaded by their path."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

TOOLS = Path(__file__).parents[2] / "tools"


def loaded(name: str) -> ModuleType:
    """A tool as a module, for example ``benchmarks/abnormality``."""
    unique = f"tool_{name.replace('/', '_')}"
    spec = importlib.util.spec_from_file_location(unique, TOOLS / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[unique] = module  # dataclasses look there
    spec.loader.exec_module(module)
    return module
