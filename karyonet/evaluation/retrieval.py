"""How well embeddings find chromosomes of the same type: Recall@K, the share of queries with one among the K nearest.

Recall@K as in Song et al., CVPR 2016 (the Proxy-ResNeXt-CBAM paper's Table 4): every chromosome is a query among all
others, by cosine similarity.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from karyonet.errors import ArrayError, ConfigError

if TYPE_CHECKING:
    from karyonet.evaluation.classification import CellResult
    from karyonet.evaluation.report import Metric
    from karyonet.stage import Stage

KS: tuple[int, ...] = (1, 2, 4, 8)
_BLOCK = 1024
"""Queries whose similarities are held at a time."""
_ROUNDING = 2e-6
"""Similarities closer than this are equal: a product of float32 rounds them by up to 1e-6, each in its own way."""


class Gallery(NamedTuple):
    """Known chromosomes that queries are compared with.

    Attributes:
        embeddings: float, shape (m, d).
        labels: shape (m,), any values.
        metaphases: shape (m,): the metaphase of each, named as those of the queries.
    """

    embeddings: ArrayLike
    labels: ArrayLike
    metaphases: ArrayLike


def recall_at(
    embeddings: ArrayLike,
    labels: ArrayLike,
    ks: Sequence[int] = KS,
    gallery: Gallery | None = None,
    metaphases: ArrayLike | None = None,
) -> NDArray[np.float64]:
    """Recall@K.

    Args:
        embeddings: float, shape (n, d), of any length; a row of NaN is a chromosome without one, which finds nothing
            and is never found.
        labels: shape (n,).
        ks: how many of the nearest are looked at.
        gallery: what is searched; None searches the queries themselves, each without itself.
        metaphases: shape (n,): chromosomes of one metaphase never match each other. Needed with a gallery.

    Returns:
        float64, shape (len(ks),); NaN without queries. A query whose type nothing else has counts as a miss.

    Raises:
        ArrayError: K501 if the arrays do not fit each other, or a gallery is given without ``metaphases``.
    """
    ranks = first_match(embeddings, labels, gallery, metaphases)
    return hits_at(ranks, ks).mean(axis=0) if len(ranks) else np.full(len(ks), np.nan)


def hits_at(ranks: NDArray[np.int64], ks: Sequence[int] = KS) -> NDArray[np.bool_]:
    """Whether the first match is among the K nearest: bool, shape (n, len(ks)), of :func:`first_match`."""
    return np.asarray(ranks[:, None] < np.asarray(ks, dtype=np.int64)[None, :])


def first_match(
    embeddings: ArrayLike, labels: ArrayLike, gallery: Gallery | None = None, metaphases: ArrayLike | None = None
) -> NDArray[np.int64]:
    """How many chromosomes of other types are as near as the nearest one of the same type, or nearer.

    Args and errors: as :func:`recall_at`.

    Returns:
        int64, shape (n,): the place of the first match, counted from 0; where two are equally near the wrong one
        comes first, so that embeddings which are all the same find nothing. The largest integer where none matches.
    """
    queries, wanted = _unit(embeddings), np.asarray(labels)
    origin = None if metaphases is None else np.asarray(metaphases)
    if gallery is None:
        known, names, places = queries, wanted, origin
    elif origin is None:
        raise ArrayError("K501", what="metaphases", expected="given with a gallery", actual=None)
    else:
        known, names, places = _unit(gallery.embeddings), np.asarray(gallery.labels), np.asarray(gallery.metaphases)
    _check(queries, wanted, origin, "the queries")
    _check(known, names, places, "the gallery")
    if known.shape[1] != queries.shape[1]:
        raise ArrayError("K501", what="embeddings", expected=f"of {known.shape[1]} values", actual=queries.shape[1])
    absent = np.isnan(known).any(axis=1)
    ranks = np.empty(len(queries), dtype=np.int64)
    for start in range(0, len(queries), _BLOCK):
        rows = slice(start, start + _BLOCK)
        similarity = queries[rows] @ np.nan_to_num(known).T
        similarity[:, absent] = -np.inf
        if gallery is None:
            own = np.arange(len(similarity))
            similarity[own, start + own] = -np.inf
        if origin is not None and places is not None:
            similarity[origin[rows, None] == places[None, :]] = -np.inf
        similarity = np.where(np.isnan(similarity), -np.inf, similarity)  # of queries without an embedding
        same = wanted[rows, None] == names[None, :]
        nearest = np.max(similarity, axis=1, where=same, initial=-np.inf, keepdims=True)
        ranks[rows] = np.where(
            np.isfinite(nearest[:, 0]),
            ((similarity >= nearest - _ROUNDING) & ~same).sum(axis=1),
            np.iinfo(np.int64).max,
        )
    return ranks


def retrieval_metrics(results: Sequence[CellResult], ks: Sequence[int] = KS) -> dict[str, Metric]:
    """``recall_at_1`` … over all classified cells, with 95 % intervals bootstrapped over cases.

    ``recall_at_1`` … are the paper's: every chromosome among all others. ``recall_at_1_other_metaphases`` leaves out
    those of its own metaphase, where the homolog, stained and photographed alike, is an easy find.

    Args:
        results: at least one, with embeddings.
        ks: numbers of neighbours.

    Raises:
        ArrayError: K501 if no result has embeddings.
    """
    from karyonet.evaluation.bootstrap import bootstrap_interval
    from karyonet.evaluation.report import Metric

    results = sorted(results, key=lambda result: (result.case, result.cell))
    embeddings, labels = gathered(results)
    cells = np.repeat(np.arange(len(results)), [len(result.truth) for result in results])
    names, case_of = np.unique([result.case for result in results], return_inverse=True)
    hits = {
        **{f"recall_at_{k}": column for k, column in zip(ks, _columns(embeddings, labels, ks), strict=True)},
        "recall_at_1_other_metaphases": _columns(embeddings, labels, (1,), cells)[0],
    }
    metrics = {}
    for name, hit in hits.items():
        per_case = np.zeros((len(names), 2))
        np.add.at(per_case, case_of[cells], np.stack([hit, np.ones(len(hit))], axis=1))

        def share(sums: NDArray[np.float64]) -> NDArray[np.float64]:
            return np.asarray(sums[..., 0] / np.maximum(sums[..., 1], 1))

        value = float(share(per_case.sum(axis=0)))
        metrics[name] = Metric(value=value, interval=bootstrap_interval(share, per_case))
    return metrics


def check_embedding(stages: Mapping[str, Stage]) -> None:
    """Refuse stages of which none fills ``chromosome.embedding`` (ConfigError K205)."""
    from karyonet import stage

    if not any("chromosome.embedding" in step.assigns for step in stages.values()):
        givers = ", ".join(stage.candidates("chromosome.embedding")) or "(none is installed)"
        raise ConfigError("K205", stage="retrieval", field="chromosome.embedding", candidates=givers)


def gathered(results: Sequence[CellResult]) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Embeddings, shape (n, d), and labels, shape (n,), of all cells in order; NaN where there is no embedding.

    Raises:
        ArrayError: K501 if no result has embeddings.
    """
    sizes = {result.embeddings.shape[1] for result in results if result.embeddings is not None}
    if len(sizes) != 1:
        raise ArrayError("K501", what="embeddings", expected="given and of one size", actual=sorted(sizes) or "none")
    (size,) = sizes
    rows = [
        np.full((len(result.truth), size), np.nan) if result.embeddings is None else result.embeddings
        for result in results
    ]
    return np.concatenate(rows).astype(np.float32), np.concatenate([result.truth for result in results])


def _columns(
    embeddings: NDArray[np.float32],
    labels: NDArray[np.int64],
    ks: Sequence[int],
    metaphases: NDArray[np.int64] | None = None,
) -> NDArray[np.bool_]:
    return hits_at(first_match(embeddings, labels, metaphases=metaphases), ks).T


def _unit(embeddings: ArrayLike) -> NDArray[np.float32]:
    values = np.asarray(embeddings, dtype=np.float32)
    if values.ndim != 2:
        raise ArrayError("K501", what="embeddings", expected="shape (n, d)", actual=f"shape {values.shape}")
    length = np.linalg.norm(values, axis=1, keepdims=True)
    return np.asarray(np.divide(values, length, out=values.copy(), where=length > 0))


def _check(
    embeddings: NDArray[np.float32], labels: NDArray[np.generic], metaphases: NDArray[np.generic] | None, what: str
) -> None:
    for name, values in (("labels", labels), ("metaphases", metaphases)):
        if values is not None and values.shape != (len(embeddings),):
            expected = f"one for each of {len(embeddings)} embeddings"
            raise ArrayError("K501", what=f"{name} of {what}", expected=expected, actual=f"shape {values.shape}")
