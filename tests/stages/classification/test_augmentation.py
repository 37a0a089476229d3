from __future__ import annotations

import importlib
import random

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from torch import Tensor

from karyonet.stages.classification.augmentation import WHITE, Augmentation, augment, pipeline

NOTHING = Augmentation.model_validate(dict.fromkeys(Augmentation.model_fields, 0.0))
STRONG = {
    "flip": 1.0, "scale": 0.3, "stretch": 0.3, "spread": 0.3, "warp": 0.3, "rotation": 20.0, "bend": 6.0,
    "shift": 8.0, "gain": 0.5, "gamma": 0.5, "fade": 0.5, "blur": 1.0, "noise": 0.3, "occlusion": 1.0, "neighbour": 1.0,
}  # fmt: skip
# What is drawn once for every strip; the rest is drawn with a probability.
SHARES = ("scale", "stretch", "spread", "warp", "rotation", "bend", "shift", "gain", "gamma", "fade", "blur", "noise")
UNKNOWN = torch.full((6,), -1)


def only(**amounts: float) -> Augmentation:
    return NOTHING.model_copy(update=amounts)


def banded(count: int = 6) -> Tensor:
    """Different strips of 80 rows and 14 columns with bands, tapering to their ends, on an empty canvas."""
    rows = torch.arange(80.0)
    strips = torch.zeros(count, 1, 160, 32)
    for index in range(count):
        bands = 1.0 + 0.5 * torch.sin(rows / (3 + index)) + 0.004 * rows
        strips[index, 0, 40:120, 9:23] = bands[:, None]
    return strips


def unmirrored(varied: Tensor, strips: Tensor) -> Tensor:
    """Largest difference from the strips or from their mirror images, whichever is smaller, strip by strip."""
    return torch.minimum(
        (varied - strips).abs().amax(dim=(1, 2, 3)), (varied - strips.flip(3)).abs().amax(dim=(1, 2, 3))
    )


@examples(max_examples=10, deadline=None)
@given(st.integers(0, 2**40))
def test_a_function_of_the_seed_whatever_the_global_random_state(seed: int) -> None:
    strips, polarity = banded(), torch.tensor([1, 0, -1, 1, 0, -1])
    one, turned = augment(strips, polarity, Augmentation(), seed)
    np.random.seed(1)  # noqa: NPY002
    random.seed(1)
    torch.manual_seed(1)
    again, turned_again = augment(strips, polarity, Augmentation(), seed)
    assert torch.equal(one, again) and torch.equal(turned, turned_again)
    assert not torch.equal(one, augment(strips, polarity, Augmentation(), seed + 1)[0])


def test_global_random_states_are_left_alone() -> None:
    np.random.seed(3)  # noqa: NPY002
    random.seed(3)
    torch.manual_seed(3)
    states = np.random.get_state()[1].copy(), random.getstate(), torch.get_rng_state()  # noqa: NPY002
    augment(banded(), UNKNOWN, Augmentation.model_validate(STRONG), 0)
    assert np.array_equal(np.random.get_state()[1], states[0])  # noqa: NPY002
    assert random.getstate() == states[1] and torch.equal(torch.get_rng_state(), states[2])


@pytest.mark.parametrize("name", SHARES)
def test_equal_strips_of_a_batch_vary_differently(name: str) -> None:
    strips = banded(1).expand(6, -1, -1, -1)
    varied, _ = augment(strips, UNKNOWN, only(**{name: STRONG[name]}), 7)
    differences = [unmirrored(varied[i : i + 1], varied[j : j + 1]).item() for i in range(6) for j in range(i)]
    assert min(differences) > 1e-4


def test_transforms_do_not_draw_the_same_numbers() -> None:
    strips = banded(1).expand(200, -1, -1, -1)
    gain, _ = augment(strips, torch.full((200,), -1), only(gain=0.5, shift=8.0), 0)
    mass = gain.sum(dim=(1, 2, 3)).numpy()
    position = ((gain.sum(dim=(1, 3)) * torch.arange(160)).sum(dim=1)).numpy() / mass
    assert abs(np.corrcoef(mass, position)[0, 1]) < 0.25


def test_a_strip_does_not_depend_on_the_others() -> None:
    strips, settings = banded(), only(**{name: STRONG[name] for name in STRONG if name != "neighbour"})
    varied, _ = augment(strips, UNKNOWN, settings, 3)
    changed = strips.clone()
    changed[2] = 0.5 * changed[2].flip(1)
    other, _ = augment(changed, UNKNOWN, settings, 3)
    same = [torch.equal(a, b) for a, b in zip(varied, other, strict=True)]
    assert same == [True, True, False, True, True, True]


@examples(max_examples=20, deadline=None)
@given(st.lists(st.sampled_from([-1, 0, 1]), min_size=1, max_size=8), st.integers(0, 1000))
def test_the_label_turns_with_the_strip(polarity: list[int], seed: int) -> None:
    strips, labels = banded(len(polarity)), torch.tensor(polarity)
    varied, turned = augment(strips, labels, only(flip=0.5), seed)
    kept = unmirrored(varied, strips) < 1e-4
    over = unmirrored(varied.flip(2), strips) < 1e-4
    assert bool((kept ^ over).all())
    expected = torch.where(over & (labels >= 0), 1 - labels, labels)
    assert torch.equal(turned, expected) and turned.dtype == labels.dtype


def test_nothing_but_mirroring_is_left_at_zero() -> None:
    strips = banded(40)
    varied, polarity = augment(strips, torch.full((40,), 1), NOTHING, 0)
    assert unmirrored(varied, strips).max() < 1e-5 and bool((polarity == 1).all())
    sided = strips.clone()
    sided[..., :16] *= 2
    mirrored = (augment(sided, polarity, NOTHING, 0)[0] - sided).abs().amax(dim=(1, 2, 3)) > 0.1
    assert 8 <= int(mirrored.sum()) <= 32


@pytest.mark.parametrize("name", list(STRONG))
def test_every_setting_has_an_effect(name: str) -> None:
    strips = banded()
    varied, polarity = augment(strips, torch.ones(6, dtype=torch.int64), only(**{name: STRONG[name]}), 1)
    assert unmirrored(varied, strips).min() > (1e-3 if name not in {"occlusion", "neighbour"} else -1)
    assert unmirrored(varied, strips).max() > 0.02
    assert bool((polarity == (0 if name == "flip" else 1)).all())


@examples(max_examples=15, deadline=None)
@given(st.integers(0, 10_000))
def test_the_background_stays_empty(seed: int) -> None:
    varied, _ = augment(banded(), UNKNOWN, Augmentation(neighbour=0.0), seed)
    assert bool((varied[:, :, :20] == 0).all()) and bool((varied[:, :, 140:] == 0).all())
    assert bool((varied >= 0).all()) and bool(torch.isfinite(varied).all())
    staining = only(gain=0.5, gamma=0.5, fade=0.5, blur=1.0, noise=0.5)
    stained, _ = augment(banded(), UNKNOWN, staining, seed)
    assert bool((stained[banded() == 0] == 0).all())


@examples(max_examples=15, deadline=None)
@given(st.integers(0, 10_000))
def test_the_mass_is_roughly_kept(seed: int) -> None:
    strips = banded()
    mass = strips.sum(dim=(1, 2, 3))
    moved, _ = augment(strips, UNKNOWN, only(flip=0.5, warp=0.1, rotation=5, bend=2.5, shift=4, blur=0.8), seed)
    assert torch.allclose(moved.sum(dim=(1, 2, 3)) / mass, torch.ones(6), atol=0.12)
    varied, _ = augment(strips, UNKNOWN, Augmentation(occlusion=0.0, neighbour=0.0), seed)
    ratio = varied.sum(dim=(1, 2, 3)) / mass
    assert ratio.min() > 0.45 and ratio.max() < 1.9


@examples(max_examples=15, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.05, 0.49))
def test_warping_keeps_the_order_of_the_bands(seed: int, warp: float) -> None:
    strips = torch.zeros(6, 1, 160, 32)
    strips[:, 0, 30:130, 8:24] = torch.linspace(0.5, 2.5, 100)[:, None]
    varied, _ = augment(strips, UNKNOWN, only(warp=warp), seed)
    for profile in varied[:, 0, :, 14:18].mean(dim=2):
        inside = profile.nonzero()[2:-2, 0]
        assert len(inside) > 50 and bool((profile[inside].diff() > 0).all())


def test_contrast_keeps_the_mean_density() -> None:
    strips = torch.zeros(30, 1, 160, 32)
    strips[:, 0, 40:80, 8:24], strips[:, 0, 80:120, 8:24] = 0.5, 1.0
    varied, _ = augment(strips, torch.full((30,), -1), only(gamma=0.5), 0)
    assert torch.allclose(varied[:, 0, 80:120, 8:24], torch.ones(1), atol=1e-3)
    light = varied[:, 0, 60, 16]
    assert light.min() < 0.45 and light.max() > 0.55


@examples(max_examples=15, deadline=None)
@given(st.integers(0, 10_000))
def test_an_occlusion_only_takes_and_a_neighbour_only_adds(seed: int) -> None:
    strips = banded(4).clamp(max=1.5)
    symmetric = 0.5 * (strips + strips.flip(3))
    lost, _ = augment(symmetric, UNKNOWN[:4], only(occlusion=1.0), seed)
    taken = symmetric - lost
    assert bool((taken >= -1e-5).all()) and bool(((lost < 1e-6) | (taken.abs() < 1e-5)).all())
    more, _ = augment(symmetric, UNKNOWN[:4], only(neighbour=1.0), seed)
    added = more - symmetric
    from_neighbour = symmetric.roll(1, dims=0)
    assert bool(((added.abs() < 1e-5) | ((added - from_neighbour).abs() < 1e-5)).all())


def test_rare_parts_are_as_rare_as_they_are_set() -> None:
    strips = banded(1).expand(300, -1, -1, -1)
    for name in ("occlusion", "neighbour", "flip"):
        varied, _ = augment(strips, torch.full((300,), -1), only(**{name: 0.3}), 0)
        assert 0.15 < (unmirrored(varied, strips) > 1e-3).float().mean() < 0.4


def test_any_canvas_and_an_empty_batch() -> None:
    strips = torch.rand(3, 1, 48, 24)
    varied, _ = augment(strips, UNKNOWN[:3], Augmentation(), 0)
    assert varied.shape == strips.shape and varied.dtype == torch.float32
    none, labels = augment(strips[:0], UNKNOWN[:0], Augmentation(), 0)
    assert none.shape == (0, 1, 48, 24) and labels.shape == (0,)


def test_the_batch_is_not_changed_in_place() -> None:
    strips = banded()
    before = strips.clone()
    augment(strips, UNKNOWN, Augmentation.model_validate(STRONG), 0)
    assert torch.equal(strips, before)


def test_the_pipeline_can_be_extended() -> None:
    import albumentations as A

    longer = A.Compose([pipeline(NOTHING), A.HorizontalFlip(p=1.0)])
    image = banded(1)[0, 0].numpy() / np.float32(WHITE)
    result = longer(image=image, polarity=1, neighbour=image)
    assert result["image"].shape == image.shape and result["polarity"] == 1


def test_importing_asks_no_package_index(monkeypatch: pytest.MonkeyPatch) -> None:
    import albumentations

    monkeypatch.setattr("albumentations.check_version.check_for_updates", lambda: pytest.fail("a request was sent"))
    importlib.reload(albumentations)
