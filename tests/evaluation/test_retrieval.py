"""Recall@K against a reference that sorts, and the map of embeddings."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from karyonet.case import LABELS
from karyonet.errors import ArrayError, ConfigError
from karyonet.evaluation import retrieval
from karyonet.evaluation.classification import CellResult
from karyonet.evaluation.embedding_map import COLOURS, project, save_embedding_map
from karyonet.evaluation.retrieval import Gallery, check_embedding, recall_at, retrieval_metrics

KS = (1, 2, 4, 8)


def reference(queries, labels, origins, known, names, places, ks, itself):  # type: ignore[no-untyped-def]
    """One query after the other: sort by similarity, wrong before right where equal, look at the first K."""
    hits = np.zeros((len(queries), len(ks)))
    for i, query in enumerate(queries):
        rows = []
        for j, other in enumerate(known):
            if (itself and i == j) or (origins is not None and origins[i] == places[j]):
                continue
            if np.isnan(query).any() or np.isnan(other).any():
                continue
            cosine = query @ other / max(np.linalg.norm(query) * np.linalg.norm(other), 1e-9)
            rows.append((-round(float(cosine), 5), bool(names[j] == labels[i])))
        right = [match for _, match in sorted(rows)]
        hits[i] = [any(right[:k]) for k in ks]
    return hits.mean(axis=0)


@settings(max_examples=30, deadline=None)
@given(st.integers(2, 40), st.integers(1, 30), st.integers(0, 10_000), st.booleans(), st.booleans())
def test_recall_is_what_sorting_says(n: int, m: int, seed: int, apart: bool, search: bool) -> None:
    generator = np.random.default_rng(seed)

    def embeddings(count: int) -> np.ndarray:
        # Of small whole numbers many are equally near, and the others far enough apart for float32.
        values = generator.integers(-2, 3, (count, 3)).astype(float)
        values[generator.random(count) < 0.1] = np.nan
        return values

    queries, labels, origins = embeddings(n), generator.integers(0, 4, n), generator.integers(0, 5, n)
    known, names, places = embeddings(m), generator.integers(0, 4, m), generator.integers(0, 5, m)
    if not search:
        found = recall_at(queries, labels, KS, metaphases=origins if apart else None)
        expected = reference(queries, labels, origins if apart else None, queries, labels, origins, KS, True)
    else:
        found = recall_at(queries, labels, KS, Gallery(known, names, places), origins)
        expected = reference(queries, labels, origins, known, names, places, KS, False)
    np.testing.assert_allclose(found, expected)
    assert (np.diff(found) >= 0).all()


def test_many_queries_are_searched_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = np.random.default_rng(0)
    embeddings, labels = generator.normal(size=(50, 4)), generator.integers(0, 5, 50)
    whole = recall_at(embeddings, labels)
    monkeypatch.setattr(retrieval, "_BLOCK", 7)
    np.testing.assert_array_equal(recall_at(embeddings, labels), whole)


def test_length_and_order_do_not_matter() -> None:
    generator = np.random.default_rng(1)
    embeddings, labels = generator.normal(size=(40, 5)), generator.integers(0, 6, 40)
    order = generator.permutation(40)
    changed = embeddings[order] * generator.uniform(0.1, 9, (40, 1))
    np.testing.assert_array_equal(recall_at(changed, labels[order]), recall_at(embeddings, labels))


def test_embeddings_that_are_all_the_same_find_nothing() -> None:
    assert recall_at(np.ones((30, 4)), np.arange(30) % 3, (1, 8)).tolist() == [0.0, 0.0]


def test_arrays_that_do_not_fit_are_refused() -> None:
    good = np.ones((4, 3))
    for call in (
        lambda: recall_at(np.ones(4), np.zeros(4)),
        lambda: recall_at(good, np.zeros(3)),
        lambda: recall_at(good, np.zeros(4), gallery=Gallery(good, np.zeros(4), np.zeros(4))),
        lambda: recall_at(good, np.zeros(4), (1,), Gallery(np.ones((4, 2)), np.zeros(4), np.zeros(4)), np.zeros(4)),
    ):
        with pytest.raises(ArrayError):
            call()


def result(cell: str, case: str, truth: np.ndarray, embeddings: np.ndarray | None) -> CellResult:
    return CellResult(cell, case, truth, truth, truth, np.ones(len(truth)), embeddings=embeddings)


def test_figures_over_cells() -> None:
    truth = np.array([0, 0, 1, 1])
    corners = np.eye(4)
    # In one cell homologs are alike; across cells nothing is.
    cells = [
        result("a", "one", truth, corners[[0, 0, 1, 1]]),
        result("b", "two", truth, corners[[2, 2, 3, 3]]),
        result("failed", "two", truth, None),
    ]
    metrics = retrieval_metrics(cells)
    assert list(metrics) == [*(f"recall_at_{k}" for k in KS), "recall_at_1_other_metaphases"]
    assert metrics["recall_at_1"].value == pytest.approx(8 / 12, abs=1e-6)
    assert metrics["recall_at_1_other_metaphases"].value == 0
    low, high = metrics["recall_at_1"].interval
    assert low == pytest.approx(0.5) and high == 1
    assert retrieval_metrics(cells[::-1]) == metrics
    with pytest.raises(ArrayError):
        retrieval_metrics([result("a", "one", truth, None)])


def test_stages_without_embeddings_are_refused() -> None:
    with pytest.raises(ConfigError) as raised:
        check_embedding({})
    assert raised.value.code == "K205"


def test_the_map_keeps_types_together(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    labels = np.repeat([0, 8, 23], 12)
    embeddings = np.eye(8)[np.repeat([0, 1, 2], 12)] + 0.05 * generator.normal(size=(36, 8))
    points = project(embeddings)
    np.testing.assert_array_equal(points, project(embeddings))
    assert points.min() >= 0 and points.max() <= 1
    centres = np.stack([points[labels == kind].mean(axis=0) for kind in (0, 8, 23)])
    nearest = np.linalg.norm(points[:, None] - centres[None], axis=2).argmin(axis=1)
    assert (nearest == np.repeat([0, 1, 2], 12)).all()
    embeddings[3] = np.nan
    save_embedding_map(embeddings, labels, tmp_path / "new" / "map.png")
    with Image.open(tmp_path / "new" / "map.png") as picture:
        shown = {colour for _, colour in picture.convert("RGB").getcolors(2**24) or []}
    for kind in (0, 8, 23):
        assert tuple(bytes.fromhex(COLOURS[kind][1:])) in shown
    with pytest.raises(ArrayError):
        project(embeddings[:4])


def test_every_type_has_its_colour() -> None:
    rgb = np.array([list(bytes.fromhex(colour[1:])) for colour in COLOURS], dtype=float)
    assert len(COLOURS) == len(LABELS)
    apart = np.linalg.norm(rgb[:, None] - rgb[None], axis=2) + 1e3 * np.eye(24)
    assert apart.min() > 30
    assert np.linalg.norm(rgb[1:] - rgb[:-1], axis=1).min() > 90
