"""``report.pdf``: the page of ``report.html`` on A4, by WeasyPrint (extra ``pdf``)."""

from __future__ import annotations

import logging
from importlib import import_module
from pathlib import Path

from PIL import ImageFile

from karyonet.errors import ConfigError, InputError


def render_pdf(html: str) -> bytes:
    """Print a page to PDF. Nothing but what the page holds is loaded.

    Raises:
        InputError: K110 if WeasyPrint is not installed.
        ConfigError: K211 if it cannot find the Pango library on this computer.
    """
    try:
        _import_weasyprint()
        from weasyprint import HTML
    except ImportError as fault:
        raise InputError("K110", path="report.pdf", extra="pdf") from fault
    except OSError as fault:
        raise ConfigError("K211", reason=str(fault).splitlines()[0]) from fault
    from weasyprint.urls import URLFetcher

    document: bytes = HTML(string=html, url_fetcher=URLFetcher(allowed_protocols=["data"])).write_pdf()
    return document


def write_pdf(html: str, path: Path) -> None:
    """Print a page to a PDF file; see :func:`render_pdf`."""
    path.write_bytes(render_pdf(html))


def available() -> bool:
    """Whether a PDF can be written here."""
    try:
        _import_weasyprint()
    except (ImportError, OSError):
        return False
    return True


def _import_weasyprint() -> None:
    # Its warnings are about CSS that is meant for browsers.
    logging.getLogger("weasyprint").setLevel(logging.ERROR)
    # It makes Pillow read damaged images without a word, in the whole process: a cut-off metaphase must stay an error.
    truncated = ImageFile.LOAD_TRUNCATED_IMAGES
    try:
        import_module("weasyprint")
    finally:
        ImageFile.LOAD_TRUNCATED_IMAGES = truncated
