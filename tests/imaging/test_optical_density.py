"""Contrast, background and optical density."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from karyonet.errors import ArrayError
from karyonet.imaging import estimate_background, recognise_contrast, to_optical_density

Array = NDArray[np.float32]


def field(height: int, width: int, fall: float = 0.3) -> Array:
    """Uneven light: brightest off centre, by ``fall`` darker in the corner that is farthest."""
    rows, columns = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    return (0.85 - fall * ((rows + 0.3) ** 2 + (columns - 0.2) ** 2) / 3.3).astype(np.float32)


def rods(height: int, width: int, seed: int = 0, count: int = 40) -> Array:
    """Optical density of rods at random places: float32, shape (height, width)."""
    random = np.random.default_rng(seed)
    scale = min(height, width) / 400
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    density = np.zeros((height, width), dtype=np.float32)
    for _ in range(count):
        row, column, angle = random.uniform(0, height), random.uniform(0, width), random.uniform(0, np.pi)
        along = (columns - column) * np.cos(angle) + (rows - row) * np.sin(angle)
        across = (rows - row) * np.cos(angle) - (columns - column) * np.sin(angle)
        density[(np.abs(along) < 22 * scale) & (np.abs(across) < 5 * scale)] = random.uniform(0.25, 0.5)
    return density


def nucleus(height: int, width: int, share: float) -> Array:
    """Optical density of a disc in a corner region that covers ``share`` of the image."""
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    radius = np.sqrt(share * height * width / np.pi)
    return np.where(np.hypot(rows - 0.7 * height, columns - 0.3 * width) < radius, 0.35, 0).astype(np.float32)


def noisy(grey: Array, sigma: float = 0.006) -> Array:
    noise = np.random.default_rng(1).normal(0, sigma, grey.shape)
    return np.clip(grey + noise, 0, 1).astype(np.float32)


def test_gband_like_images_are_absorption_and_their_inverse_fluorescence() -> None:
    for seed in range(5):
        grey = noisy(field(300, 400) * 10 ** -rods(300, 400, seed))
        assert recognise_contrast(grey) == "absorption"
        assert recognise_contrast(1 - grey) == "fluorescence"


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 1000), gain=st.floats(0.1, 1), offset=st.floats(0, 0.5))
def test_contrast_does_not_depend_on_exposure(seed: int, gain: float, offset: float) -> None:
    grey = noisy(field(120, 160, 0.1) * 10 ** -rods(120, 160, seed))
    changed = (grey * np.float32(gain) + np.float32(offset) * np.float32(1 - gain)).astype(np.float32)
    assert recognise_contrast(changed) == "absorption"
    assert recognise_contrast(1 - changed) == "fluorescence"


@pytest.mark.parametrize("share", [0.0, 0.1, 0.25])
@pytest.mark.parametrize("fall", [0.0, 0.3])
def test_background_is_found_beside_nuclei_and_pasted_patches(share: float, fall: float) -> None:
    light = field(400, 500, fall)
    grey = noisy(light * 10 ** -(rods(400, 500) + nucleus(400, 500, share)))
    grey[20:110, 350:480] = 1.0
    background = estimate_background(grey, "absorption")
    assert background.shape == grey.shape and background.dtype == np.float32
    # One hundredth of optical density is a relative error of 2.3 %.
    assert np.abs(np.log10(background / light)).max() < 0.03
    assert np.abs(np.log10(background / light)).mean() < 0.006


def test_absorption_recovers_the_density() -> None:
    stain = rods(500, 400) + nucleus(500, 400, 0.15)
    density = to_optical_density(noisy(field(500, 400) * 10**-stain), "absorption")
    assert density.dtype == np.float32
    assert np.abs(np.median(density[stain > 0.2] - stain[stain > 0.2])) < 0.01
    assert np.percentile(density[stain == 0], 99) < 0.04


def test_fluorescence_is_linear_in_the_stain() -> None:
    stain = rods(400, 400)
    glow = 0.04 + 0.08 * (field(400, 400) - 0.5)
    density = to_optical_density(noisy(glow + 0.9 * stain, 0.003), "fluorescence")
    inside = stain > 0
    assert np.corrcoef(density[inside], stain[inside])[0, 1] > 0.99
    assert np.percentile(density[~inside], 99) < 0.05
    assert 0.95 < density.max() <= 1.5


@pytest.mark.parametrize("contrast", ["absorption", "fluorescence"])
@pytest.mark.parametrize("value", [0.0, 0.37, 1.0])
def test_a_constant_image_has_no_stain(value: float, contrast: str) -> None:
    grey = np.full((40, 30), value, dtype=np.float32)
    assert recognise_contrast(grey) == "absorption"
    assert not to_optical_density(grey, contrast).any()  # type: ignore[arg-type]


@pytest.mark.parametrize("shape", [(1, 1), (1, 50), (2, 3), (7, 400), (300, 9)])
def test_any_shape_is_finite_and_in_range(shape: tuple[int, int]) -> None:
    grey = np.random.default_rng(0).random(shape, dtype=np.float32)
    for contrast, highest in (("absorption", 3.0), ("fluorescence", 1.5)):
        density = to_optical_density(grey, contrast)  # type: ignore[arg-type]
        assert density.shape == shape and np.isfinite(density).all()
        assert density.min() >= 0 and density.max() <= highest


TURNS = {
    "left to right": lambda image: image[:, ::-1],
    "top to bottom": lambda image: image[::-1],
    "quarter": np.rot90,
    "half": lambda image: np.rot90(image, 2),
    "three quarters": lambda image: np.rot90(image, 3),
}


@pytest.mark.parametrize("turn", sorted(TURNS))
@pytest.mark.parametrize("contrast", ["absorption", "fluorescence"])
def test_flips_and_turns_commute(turn: str, contrast: str) -> None:
    grey = noisy(field(331, 457) * 10 ** -(rods(331, 457) + nucleus(331, 457, 0.15)))
    grey = grey if contrast == "absorption" else 1 - grey
    turned = to_optical_density(np.ascontiguousarray(TURNS[turn](grey)), contrast)  # type: ignore[arg-type]
    np.testing.assert_allclose(turned, TURNS[turn](to_optical_density(grey, contrast)), atol=1e-3)  # type: ignore[arg-type]


def test_optical_density_does_not_depend_on_the_size() -> None:
    small = field(200, 200) * 10 ** -rods(200, 200)
    large = np.kron(small, np.ones((20, 20), dtype=np.float32))
    difference = to_optical_density(large, "absorption")[::20, ::20] - to_optical_density(small, "absorption")
    assert np.abs(difference).max() < 0.01


def test_the_input_is_left_alone() -> None:
    grey = noisy(field(100, 100) * 10 ** -rods(100, 100))
    before = grey.copy()
    for contrast in ("absorption", "fluorescence"):
        to_optical_density(grey, contrast)  # type: ignore[arg-type]
    np.testing.assert_array_equal(grey, before)


@pytest.mark.parametrize(
    "wrong", [np.zeros((3, 3, 3), np.float32), np.zeros((0, 4), np.float32), np.zeros((4, 4), np.uint8)]
)
def test_wrong_arrays(wrong: Array) -> None:
    for call in (recognise_contrast, lambda grey: to_optical_density(grey, "absorption")):
        with pytest.raises(ArrayError) as caught:
            call(wrong)
        assert caught.value.code == "K501"


@pytest.mark.parametrize(
    ("pattern", "contrast"),
    [
        ("gband_metaphases/images/*.webp", "absorption"),
        ("pki3/cells/*.png", "absorption"),
        ("chrcluster_sample/c*/*.png", "absorption"),
        ("mfish/*_dapi.png", "fluorescence"),
        ("bioimlab/cells/*.png", "fluorescence"),
    ],
)
def test_contrast_of_real_images(pattern: str, contrast: str, real_data: Path) -> None:
    files = sorted(real_data.glob(pattern))
    assert files
    for file in files[:: max(1, len(files) // 40)]:
        grey = np.asarray(Image.open(file).convert("L"), dtype=np.float32) / 255
        assert recognise_contrast(grey) == contrast, file.name
        assert recognise_contrast(1 - grey) != contrast, file.name


def test_background_of_real_metaphases_is_flat(real_data: Path) -> None:
    """The median of the background is zero in every quarter of the image, to a hundredth of optical density."""
    files = sorted((real_data / "gband_metaphases" / "images").glob("*.webp"))
    offsets = []
    for file in files[:: len(files) // 20]:
        grey = np.asarray(Image.open(file).convert("L"), dtype=np.float32) / 255
        excess = np.log10(estimate_background(grey, "absorption") / np.maximum(grey, 1 / 255))
        height, width = grey.shape
        for quarter in (excess[: height // 2, : width // 2], excess[height // 2 :, width // 2 :]):
            unstained = quarter[np.abs(quarter) < 0.06]
            offsets.append(abs(float(np.median(unstained))))
    assert np.percentile(offsets, 90) < 0.01
