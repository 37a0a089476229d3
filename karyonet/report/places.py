"""Where every chromosome lies in a karyogram.

It is written down in the picture itself, and in its PNG file, so that it is still known when a report is read back.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from PIL import Image
from PIL.PngImagePlugin import PngInfo
from pydantic import TypeAdapter, ValidationError

from karyonet.report.schema import Box

_KEY = "karyonet.places"
_PLACES = TypeAdapter(dict[str, Box])


def write_places(picture: Image.Image, places: Mapping[str, Box]) -> None:
    """Note in a picture where chromosomes lie in it.

    Args:
        picture: a karyogram.
        places: by chromosome id, ``(xmin, ymin, xmax, ymax)`` in pixels of the picture.
    """
    picture.info[_KEY] = json.dumps(places)  # ASCII, which every PNG text chunk can hold


def places_in(picture: Image.Image) -> dict[str, Box]:
    """What :func:`write_places` noted; empty for a picture of an older version, or where the note is damaged."""
    note = picture.info.get(_KEY)
    try:
        places = _PLACES.validate_json(note) if isinstance(note, str) else {}
    except ValidationError:
        return {}
    room = picture.size
    inside = all(min(box) >= 0 and box[2] <= room[0] and box[3] <= room[1] for box in places.values())
    return places if inside else {}


def png_text(picture: Image.Image) -> PngInfo:
    """The note as Pillow wants it for a PNG file."""
    text = PngInfo()
    if isinstance(note := picture.info.get(_KEY), str):
        text.add_text(_KEY, note)
    return text
