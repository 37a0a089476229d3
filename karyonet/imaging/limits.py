"""How large an image file may be. Checked before anything is decoded."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from karyonet.errors import InputError

_SMALL_PIXELS = 4_000_000
_PIXELS_PER_BYTE = 10_000
"""More than any photograph reaches: a one-bit PNG of a single colour has 8256, such a JPEG 350."""


class ReadingLimits(BaseModel):
    """Limits of one image file.

    Attributes:
        max_pixels: width times height, added up over the pages.
        max_bytes: size on disk.
        max_pages: pages of a TIFF, frames of a DICOM file.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    max_pixels: int = Field(default=150_000_000, gt=0)
    max_bytes: int = Field(default=512 * 1024 * 1024, gt=0)
    max_pages: int = Field(default=64, gt=0)

    def check_bytes(self, path: Path, size: int) -> None:
        """Raise InputError K102 for an empty file, K106 for one that is too large."""
        if size == 0:
            raise InputError("K102", path=path)
        if size > self.max_bytes:
            raise InputError("K106", path=path, size=size, limit=self.max_bytes)

    def check_pages(self, path: Path, pages: int) -> None:
        """Raise InputError K107 if there are too many pages."""
        if pages > self.max_pages:
            raise InputError("K107", path=path, pages=pages, limit=self.max_pages)

    def check_pixels(self, path: Path, *sizes: tuple[int, int]) -> None:
        """Check the (width, height) of every page: InputError K108 if one is zero, K105 if they are too large."""
        if any(width <= 0 or height <= 0 for width, height in sizes):
            raise InputError("K108", path=path)
        pixels = sum(width * height for width, height in sizes)
        if pixels > self.max_pixels:
            raise InputError("K105", path=path, pixels=pixels, limit=self.max_pixels)

    def check_density(self, path: Path, size: tuple[int, int], size_on_disk: int) -> None:
        """Raise InputError K104 if so large an image cannot come from so few bytes: its header is wrong or hostile."""
        width, height = size
        if width * height > max(_SMALL_PIXELS, _PIXELS_PER_BYTE * size_on_disk):
            raise InputError("K104", path=path, reason=f"{size_on_disk} bytes cannot hold {width} x {height} pixels")
