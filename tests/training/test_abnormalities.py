"""Artificial abnormalities: what is cut, what is joined, and what must not give it away."""

from __future__ import annotations

import json
from typing import cast

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from karyonet.case import LABELS
from karyonet.errors import ArrayError
from karyonet.ideogram.queries import centromeric_index
from karyonet.training.abnormalities import (
    ACROCENTRIC,
    CAP,
    GROUPS,
    KINDS,
    Abnormality,
    Kind,
    Manifest,
    alter,
    draw_abnormality,
    edit_pair,
    null_edit,
    possible_kinds,
)

SEEDS = st.integers(0, 2**32 - 1)
TYPES = st.sampled_from(LABELS)
ROWS = st.integers(24, 200)
WIDTH = st.sampled_from([1, 2, 15])


def ramp(rows: int, width: int = 2, start: float = 0.0) -> np.ndarray:
    """A chromosome whose every row says where it is from."""
    return np.repeat(start + np.arange(rows, dtype=np.float32)[:, None], width, axis=1)


def drawn(chromosome: str, seed: int, kinds: tuple[Kind, ...] = KINDS) -> Abnormality:
    return draw_abnormality(chromosome, np.random.default_rng(seed), [t for t in LABELS if t != chromosome], kinds)


@given(chromosome=TYPES, seed=SEEDS, rows=ROWS, width=WIDTH)
@settings(max_examples=60, deadline=None)
def test_everything_repeats_with_the_generator(chromosome: str, seed: int, rows: int, width: int) -> None:
    first, second = drawn(chromosome, seed), drawn(chromosome, seed)
    assert first == second
    pair, donor = (ramp(rows, width), ramp(rows + 3, width)), ramp(rows, width, 1000)
    one, other = (edit_pair(first, pair, 0, donor, np.random.default_rng(seed)) for _ in range(2))
    for edited, again in zip(one, other, strict=True):
        assert np.array_equal(edited.values, again.values) and edited.seams == again.seams
    assert np.array_equal(pair[0], ramp(rows, width))  # what was given is as it was


@given(chromosome=TYPES, seed=SEEDS)
@settings(max_examples=200, deadline=None)
def test_a_plan_is_possible(chromosome: str, seed: int) -> None:
    plan = drawn(chromosome, seed)
    assert 0 <= plan.start <= plan.stop <= 1 and plan.size > 0
    assert plan.donor != chromosome
    if plan.kind in ("deletion", "duplication", "inversion", "translocation", "insertion"):
        assert plan.start >= CAP - 1e-9 and plan.stop <= 1 - CAP + 1e-9 and plan.size <= 0.4
    if plan.kind == "robertsonian":
        assert {chromosome, plan.donor} <= set(ACROCENTRIC)
    if plan.kind == "unlike_pair":
        assert any({chromosome, plan.donor} <= set(group) for group in GROUPS)


def test_every_type_is_in_one_group() -> None:
    assert sorted(name for group in GROUPS for name in group) == sorted(LABELS)
    assert len(GROUPS) == 7


@given(kind=st.sampled_from(KINDS), chromosome=TYPES, seed=SEEDS, rows=ROWS, width=WIDTH)
@settings(max_examples=150, deadline=None)
def test_a_seam_says_nothing(kind: Kind, chromosome: str, seed: int, rows: int, width: int) -> None:
    assume(kind in possible_kinds(chromosome, LABELS))
    plan = drawn(chromosome, seed, (kind,))
    host, donor = ramp(rows, width), ramp(rows, width, 1000)
    altered = alter(plan, host, donor, np.random.default_rng(seed))
    normal = null_edit(plan, host, np.random.default_rng(seed))
    assert len(altered.seams) == len(normal.seams) == len(plan.cuts)
    assert normal.region is None and normal.values.shape == host.shape
    # A line is what it was when its rows are smoothed with their neighbours: cutting in place changes nothing else.
    assert np.allclose(normal.values[1:-1], host[1:-1])
    assert all(0 < seam < rows for seam in normal.seams)


@given(chromosome=TYPES, seed=SEEDS, rows=ROWS, width=WIDTH)
@settings(max_examples=60, deadline=None)
def test_lengths_are_those_of_the_kind(chromosome: str, seed: int, rows: int, width: int) -> None:
    host, donor = ramp(rows, width), ramp(rows, width, 1000)

    def change(kind: Kind) -> tuple[Abnormality, float]:
        plan = drawn(chromosome, seed, (kind,))
        return plan, (len(alter(plan, host, donor).values) - rows) / rows

    for kind, sign in (("deletion", -1), ("duplication", 1), ("insertion", 1)):
        plan, grown = change(cast(Kind, kind))
        assert grown == pytest.approx(sign * plan.size, abs=1.5 / rows)
    for kind in ("inversion", "translocation"):
        assert change(cast(Kind, kind))[1] == 0
    plan, grown = change("isochromosome")
    assert 1 + grown == pytest.approx(2 * (plan.stop - plan.start), abs=3 / rows)


def plan_of(kind: Kind, start: float, stop: float, **more: object) -> Abnormality:
    return Abnormality(kind, "14", start, stop, size=stop - start or 0.2, **more)  # type: ignore[arg-type]


def shown(plan: Abnormality, donor: np.ndarray | None = None, rows: int = 100) -> np.ndarray:
    """Which rows of the host (0–99) and of the donor (1000 …) the altered chromosome shows, seams left out."""
    edited = alter(plan, ramp(rows), donor)
    values = edited.values[:, 0].copy()
    for seam in edited.seams:
        values[seam - 1 : seam + 1] = -1
    return values


def test_each_kind_is_what_it_is_called() -> None:
    donor = ramp(90, start=1000)
    deleted = shown(plan_of("deletion", 0.3, 0.5))
    assert deleted[10] == 10 and deleted[40] == 60 and len(deleted) == 80
    doubled = shown(plan_of("duplication", 0.3, 0.5))
    assert doubled[40] == 40 == doubled[60] and doubled[90] == 70
    turned = shown(plan_of("inversion", 0.3, 0.5))
    assert turned[35] == 64 - 20 and turned[29 - 5] == 24 and turned[60] == 60
    added = shown(plan_of("insertion", 0.3, 0.3, donor="15", donor_start=0.5), donor)
    assert added[20] == 20 and added[35] == 1000 + 45 + 5 and added[60] == 40
    replaced = shown(plan_of("translocation", 0.3, 0.5, donor="15", donor_start=0.5), donor)
    assert replaced[20] == 20 and replaced[35] == 1000 + 45 + 5 and replaced[60] == 60


def test_isochromosomes_mirror_one_arm_and_robertsonian_chromosomes_join_two() -> None:
    mirrored = shown(plan_of("isochromosome", 0.2, 1.0))
    assert len(mirrored) == 160 and mirrored[0] == mirrored[-1] == 99
    assert np.array_equal(mirrored, mirrored[::-1])
    short = shown(plan_of("isochromosome", 0.0, 0.2))
    assert len(short) == 40 and short[0] == short[-1] == 0
    fused = shown(plan_of("robertsonian", 0.0, 0.2, donor="21", donor_start=0.3), ramp(50, start=1000))
    assert len(fused) == 35 + 80 and fused[0] == 1049 and fused[-1] == 99
    assert not np.array_equal(fused, fused[::-1])
    unlike = shown(plan_of("unlike_pair", 0.0, 1.0, donor="15"), ramp(90, start=1000))
    assert np.array_equal(unlike, np.arange(1000, 1090))


def test_the_long_arm_begins_at_the_centromere() -> None:
    plan = drawn("21", 0, ("isochromosome",))
    assert plan.start == pytest.approx(centromeric_index("21")) and plan.stop == 1
    fusion = drawn("13", 0, ("robertsonian",))
    assert fusion.donor is not None
    assert (fusion.stop, fusion.donor_start) == (centromeric_index("13"), centromeric_index(fusion.donor))


@given(kind=st.sampled_from(KINDS), chromosome=TYPES, seed=SEEDS)
@settings(max_examples=100, deadline=None)
def test_the_region_is_where_the_change_is(kind: Kind, chromosome: str, seed: int) -> None:
    assume(kind in possible_kinds(chromosome, LABELS))
    plan = drawn(chromosome, seed, (kind,))
    host, donor = ramp(100), ramp(100, start=1000)
    edited = alter(plan, host, donor, np.random.default_rng(seed))
    assert edited.region is not None
    begin, end = (round(share * len(edited.values)) for share in edited.region)
    assert 0 <= begin < end <= len(edited.values)
    outside = np.concatenate([edited.values[: max(begin - 1, 0)], edited.values[end + 1 :]])[:, 0]
    assert (outside < 1000).all()  # nothing foreign beside it
    if kind in ("deletion", "insertion", "translocation", "inversion", "duplication"):
        assert (edited.values[: max(begin - 1, 0), 0] == np.arange(max(begin - 1, 0))).all()


def test_strips_are_edited_row_by_row_and_narrow_donors_get_background() -> None:
    plan = plan_of("insertion", 0.3, 0.3, donor="15", donor_start=0.5)
    edited = alter(plan, ramp(100, 15), np.ones((90, 9), np.float32))
    assert edited.values.shape == (120, 15)
    assert (edited.values[35, :3] == 0).all() and (edited.values[35, 3:12] == 1).all()


@given(seed=SEEDS, rows=st.integers(40, 120))
@settings(max_examples=30, deadline=None)
def test_profiles_and_strips_are_cut_at_the_same_rows(seed: int, rows: int) -> None:
    plan = drawn("9", seed)
    strip, donor = np.random.default_rng(seed).random((2, rows, 9), dtype=np.float32)
    whole = alter(plan, strip, donor, np.random.default_rng(seed))
    narrow = alter(plan, strip[:, 3:5], donor[:, 3:5], np.random.default_rng(seed))
    assert whole.seams == narrow.seams and np.array_equal(whole.values[:, 3:5], narrow.values)


def test_breakpoints_are_shared_up_to_the_jitter() -> None:
    plan = plan_of("deletion", 0.3, 0.5)
    seams = {alter(plan, ramp(1000), generator=np.random.default_rng(seed), jitter=0.02).seams[0] for seed in range(50)}
    assert len(seams) > 10 and min(seams) >= 280 and max(seams) <= 320
    assert alter(plan, ramp(1000), generator=np.random.default_rng(1), jitter=0.0).seams == (300,)


def test_only_the_affected_homolog_is_altered() -> None:
    plan, pair = plan_of("deletion", 0.3, 0.5), (ramp(100), ramp(96))
    for affected in (0, 1, None):
        edited = edit_pair(plan, pair, affected, None, np.random.default_rng(0))
        assert [one.region is not None for one in edited] == [number == affected for number in range(2)]


def test_sizes_are_those_asked_for() -> None:
    generator = np.random.default_rng(0)
    plans = [
        draw_abnormality("5", generator, ("4",), ("deletion", "duplication"), sizes=(0.1, 0.2)) for _ in range(100)
    ]
    assert all(0.1 <= plan.size <= 0.2 for plan in plans) and {p.kind for p in plans} == {"deletion", "duplication"}


def test_the_manifest_can_be_written() -> None:
    record = Manifest("p1", "14", ("m1", "m2"), (0, 1), plan_of("deletion", 0.3, 0.5)).record()
    again = json.loads(json.dumps(record))
    assert again["abnormality"]["kind"] == "deletion" and again["abnormality"]["size"] == 0.2
    assert again["affected"] == [0, 1]


def test_what_cannot_be_made_is_an_error() -> None:
    generator = np.random.default_rng(0)
    for chromosome, kinds, donors in (("1", ("robertsonian",), LABELS), ("1", ("insertion",), ()), ("Z", KINDS, ())):
        with pytest.raises(ArrayError, match="K501"):
            draw_abnormality(chromosome, generator, donors, cast(tuple[Kind, ...], kinds))
    with pytest.raises(ArrayError, match=r"K501.*sizes"):
        draw_abnormality("1", generator, sizes=(0.5, 0.2))
    with pytest.raises(ArrayError, match=r"K501.*chromosome 15"):
        alter(plan_of("insertion", 0.3, 0.3, donor="15"), ramp(50))
    with pytest.raises(ArrayError, match=r"K501.*\(50,\)"):
        alter(plan_of("deletion", 0.3, 0.5), np.zeros(50, np.float32))
