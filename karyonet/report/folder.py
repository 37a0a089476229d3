"""Puts a folder of files in place in one step, without ever deleting what is not a report."""

from __future__ import annotations

import json
import shutil
import uuid
from collections.abc import Mapping
from glob import escape
from pathlib import Path

from karyonet.errors import ConfigError

REPORT = "report.json"
HISTORY = "history.json"
"""Who changed what and when; beside a report that a person has edited."""
_OWN_NAMES = frozenset({REPORT, HISTORY, "report.html", "report.pdf", "chromosomes.coco.json"})
_OWN_ENDINGS = (".karyogram.png", ".overlay.png")
_DESKTOP_FILES = frozenset({".DS_Store", "Thumbs.db", "desktop.ini"})


def check_target(folder: Path) -> None:
    """Refuse a place that holds anything but an earlier report.

    A folder that is absent, empty, or holds nothing but what :meth:`karyonet.report.Report.save` writes is free.

    Raises:
        ConfigError: K209 if it is a file, K210 if it holds something else.
    """
    if not folder.exists():
        return
    if not folder.is_dir():
        raise ConfigError("K209", path=folder)
    entries = {entry.name: entry for entry in folder.iterdir() if entry.name not in _DESKTOP_FILES}
    for name, entry in sorted(entries.items()):
        own = name in _OWN_NAMES or name.endswith(_OWN_ENDINGS)
        if not own or not entry.is_file() or not _is_report(folder / REPORT):
            raise ConfigError("K210", path=folder, entry=name)


def check_unedited(folder: Path) -> None:
    """Refuse a place that holds a report with edits: they are work that a new report would lose.

    Raises:
        ConfigError: K214.
    """
    if (folder / HISTORY).is_file():
        raise ConfigError("K214", path=folder)


def replace_folder(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write files into a new sibling folder and rename it into place; an earlier report there goes.

    A reader sees the earlier folder or the new one, whole. After a failure the earlier one is still there, and nothing
    is left beside it.

    Args:
        folder: where to; parents are made.
        files: contents by name.

    Raises:
        ConfigError: K209, K210, see :func:`check_target`.
    """
    folder = folder.resolve()  # through a link, so that the folder is replaced and not the link
    check_target(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    mark = uuid.uuid4().hex[:8]
    fresh, former = (folder.with_name(f".{folder.name}.{mark}.{kind}") for kind in ("new", "old"))
    try:
        fresh.mkdir()
        for name, content in files.items():
            (fresh / name).write_bytes(content)
        if folder.exists():
            folder.rename(former)
        try:
            fresh.rename(folder)
        except OSError:
            if former.exists():
                former.rename(folder)
            raise
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    shutil.rmtree(former, ignore_errors=True)


def recover(folder: Path) -> None:
    """Put an earlier report back that a kill in the middle of :func:`replace_folder` left under its hidden name."""
    folder = folder.resolve()
    if folder.exists() or not folder.parent.is_dir():
        return
    beside = f".{escape(folder.name)}.{'[0-9a-f]' * 8}"
    for former in sorted(folder.parent.glob(f"{beside}.old"), key=lambda path: path.stat().st_mtime, reverse=True)[:1]:
        former.rename(folder)
        for unfinished in folder.parent.glob(f"{beside}.new"):
            shutil.rmtree(unfinished, ignore_errors=True)


def _is_report(path: Path) -> bool:
    try:
        content = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(content, dict) and str(content.get("schema", "")).startswith("karyonet.report/")
