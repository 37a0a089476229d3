from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from karyonet.stages.classification.context import ContextArchitecture, ContextNetwork, measure, measure_strips
from karyonet.stages.classification.train_context import Answers, ContextRecipe, ContextTask, collate, in_context
from karyonet.training.strip_pack import LabelledStrip, StripPack, concatenate, pack_cell

SMALL = ContextArchitecture(dim=32, layers=2, heads=4, dropout=0.0)


def network(seed: int = 0) -> ContextNetwork:
    """A small network that has an opinion."""
    torch.manual_seed(seed)
    built = ContextNetwork(SMALL, 16, 24).eval()
    torch.nn.init.normal_(built.correction.weight, std=0.5)
    return built


def inputs(count: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    embeddings = torch.nn.functional.normalize(torch.randn(1, count, 16, generator=generator), dim=2)
    return embeddings, torch.randn(1, count, 24, generator=generator), torch.randn(1, count, 3, generator=generator)


@given(count=st.integers(1, 60), seed=st.integers(0, 99))
@settings(max_examples=15, deadline=None)
def test_order_changes_nothing(count: int, seed: int) -> None:
    order = torch.randperm(count, generator=torch.Generator().manual_seed(seed))
    model, values = network(), inputs(count, seed)
    with torch.no_grad():
        said, permuted = model(*values), model(*(value[:, order] for value in values))
    assert torch.allclose(said[:, order], permuted, atol=1e-4)


def test_empty_places_change_nothing() -> None:
    model, values = network(), inputs(10)
    padded = tuple(torch.cat([value, torch.ones(1, 7, value.shape[2])], dim=1) for value in values)
    absent = torch.arange(17)[None] >= 10
    with torch.no_grad():
        assert torch.allclose(model(*values), model(*padded, absent)[:, :10], atol=1e-4)


def test_other_chromosomes_matter_and_an_untrained_network_changes_no_name() -> None:
    model, (embeddings, logits, measures) = network(), inputs(10)
    changed = logits.clone()
    changed[:, 9] += torch.arange(24)
    with torch.no_grad():
        assert not torch.allclose(model(embeddings, logits, measures)[:, 0], model(embeddings, changed, measures)[:, 0])
        fresh = ContextNetwork(SMALL, 16, 24).eval()(embeddings, logits, measures)
    assert torch.allclose(fresh, torch.log_softmax(logits, dim=2), atol=1e-5)


def test_measures_are_relative_to_the_metaphase() -> None:
    strips = [np.full((length, 8), 0.5, np.float32) for length in (20, 40, 80)]
    measures = measure_strips(strips)
    assert measures[:, 0] == pytest.approx([-np.log(2), 0, np.log(2)], abs=1e-5)
    assert np.allclose(measures, measure_strips([strip * 3 for strip in strips]), atol=1e-5)
    assert measure([], [], []).shape == (0, 3)


def test_measures_are_bounded() -> None:
    assert measure([1, 100, 1e9], [0, 1, 1], [0, 1, 1]).min() >= -2
    assert np.abs(measure([1, 100, 1e9], [0, 1, 1], [0, 1, 1])).max() <= 2


TYPES = ("1", "2", "9", "X")


def answers(seed: int) -> Answers:
    """Metaphases with two of each of four types, of which 1 and 2 look the same and 2 is always a little longer."""
    generator = np.random.default_rng(seed)
    cells, embeddings, logits = [], [], []
    for number in range(40):
        size = generator.uniform(0.5, 2.0)
        lengths = {"1": 50 * size, "2": 62 * size, "9": 30 * size, "X": 40 * size}
        strips = [LabelledStrip(np.ones((round(lengths[t]), 6), np.float32), t) for t in TYPES * 2]
        cells.append(pack_cell(strips, case=f"p{number}", cell=f"m{number}", split="train", source="drawn"))
        for label in TYPES * 2:
            score = np.full(24, -4.0)
            score[{"1": [0, 1], "2": [0, 1], "9": [8], "X": [22]}[label]] = 3.0
            logits.append(score + generator.normal(0, 0.1, 24))
            embeddings.append(generator.normal(size=16))
    pack = concatenate(cells)
    vectors = np.array(embeddings) / np.linalg.norm(embeddings, axis=1, keepdims=True)
    raw = np.log(np.stack([pack.heights, pack.heights * pack.widths, pack.heights * pack.widths], axis=1))
    return Answers(vectors.astype(np.float16), np.array(logits, np.float32), np.zeros(len(pack), np.float32), raw,
                   np.zeros(len(pack), np.int16), pack)  # fmt: skip


def test_types_that_look_alike_are_told_apart_by_their_metaphase() -> None:
    recipe = ContextRecipe(initial="none", steps=1, batch_size=8, context=SMALL, lost=0.5, strangers=0.0, noise=0.0)
    task = ContextTask(recipe, answers(0), answers(1))
    device = torch.device("cpu")
    with torch.no_grad():
        before = task.validate(task.model.eval(), device)["score"]
    optimiser = torch.optim.Adam(task.model.parameters(), lr=3e-3)
    task.model.train()
    for step in range(400):
        optimiser.zero_grad()
        task.loss(task.model, task.batch(step, device)).backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    with torch.no_grad():
        after = task.validate(task.model.eval(), device)["score"]
    assert before < 0.85 and after > 0.92


def test_a_batch_repeats_with_its_step_and_loses_and_gains_chromosomes() -> None:
    recipe = ContextRecipe(initial="none", steps=1, batch_size=64, context=SMALL, lost=2.0, strangers=0.5)
    task = ContextTask(recipe, answers(0), answers(1))
    device = torch.device("cpu")
    first, again, other = task.batch(3, device), task.batch(3, device), task.batch(4, device)
    assert torch.equal(first.embeddings, again.embeddings) and not torch.equal(first.labels, other.labels)
    counts = (~first.absent).sum(dim=1)
    assert counts.min() < 8 < counts.max()
    assert (first.labels[first.absent] == -100).all() and (first.labels[~first.absent] >= 0).all()


def test_every_answer_gets_its_own_context_whatever_the_order_of_the_metaphases() -> None:
    said = answers(2)
    cells = said.metaphases()
    assert sorted(np.concatenate(cells).tolist()) == list(range(len(said.pack)))
    model = network()
    with torch.no_grad():
        forth = in_context(model, said, cells, torch.device("cpu"))
        back = in_context(model, said, cells[::-1], torch.device("cpu"))
    assert np.allclose(forth, back, atol=1e-4)
    assert collate(said, cells[:2]).logits.shape == (2, 8, 24)


def test_passes_over_the_same_metaphase_are_kept_apart() -> None:
    once = answers(3)
    rows = np.tile(np.arange(len(once.pack)), 2)
    pack: StripPack = once.pack.take(rows)
    twice = replace(once, embeddings=once.embeddings[rows], logits=once.logits[rows], polarity=once.polarity[rows],
                    measures=once.measures[rows], turns=np.repeat([0, 1], len(once.pack)).astype(np.int16),
                    pack=pack)  # fmt: skip
    assert len(twice.metaphases()) == 2 * len(once.metaphases())
