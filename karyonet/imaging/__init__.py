"""From files to metaphases: reading images within limits, recognising their contrast, optical density."""

from karyonet.imaging.case_reader import read_case
from karyonet.imaging.limits import ReadingLimits
from karyonet.imaging.optical_density import estimate_background, recognise_contrast, to_optical_density
from karyonet.imaging.page import Page
from karyonet.imaging.readers import read_image

__all__ = [
    "Page",
    "ReadingLimits",
    "estimate_background",
    "read_case",
    "read_image",
    "recognise_contrast",
    "to_optical_density",
]
