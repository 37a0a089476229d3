"""Fit how probable an abnormality must be to be a finding, and write it into the model card of HomNet's weights.

The normal cases of a split go through the whole pipeline, so that its errors count. A chromosome type that was compared
in one metaphase, in two, or in three and more has a threshold of its own, the same share of normal types being expected
above each: so many that one normal case in a hundred has a finding at all (``cases_99``, the default of the stage),
two (``cases_98``), or five (``cases_95``). A hundred cases do not show what one in a hundred of them is like: the
largest log odds of each kind are taken for the tail of an exponential distribution (peaks over a threshold: Davison &
Smith, Journal of the Royal Statistical Society B 52, 1990, with shape 0), so that one odd case moves a threshold
little. None is above all that was seen: of what lies beyond, the few types that were compared in one or two metaphases
say nothing.

Example::

    python tools/fit_alarms.py DATA/gband_metaphases --weights homnet --run runs/alarms
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from numpy.typing import NDArray
from scipy.special import expit, logit

from karyonet.stages.abnormality import HomologComparer
from karyonet.stages.abnormality.real_cases import JudgedType, Reading, judge_cases, read_cases
from karyonet.stages.abnormality.stage import MANY
from karyonet.weights import card_path

ALARMED = {"cases_99": 0.01, "cases_98": 0.02, "cases_95": 0.05}
"""Share of the normal cases that have a finding, by the name of the thresholds."""
TAIL = 25
"""Of the normal types of each number of metaphases, the largest log odds that make the tail."""
_LEAST = 1e-9


def main(
    data: Annotated[Path, typer.Argument(help="A data set of format metaphases that states karyotypes.")],
    run: Annotated[Path, typer.Option(help="Folder for the pairs of every case.")],
    weights: Annotated[str, typer.Option(help="Shipped weights, or a .safetensors file.")] = "homnet",
    split: Annotated[str, typer.Option(help="Of the normal cases.")] = "validation",
    config: Annotated[str, typer.Option(help="Configuration of the stages before.")] = "default",
    threads: Annotated[int | None, typer.Option(min=1, help="Of the CPU.")] = None,
) -> None:
    """Fit and write the thresholds."""
    if threads is not None:
        torch.set_num_threads(threads)
    stage = HomologComparer(weights=weights)
    normal = [case for case in read_cases(data, split) if not case.affected]
    said = judge_cases(normal, stage, Reading.pipeline, config, run)
    print(*(f"failed: {failure}" for failure in said.failures), sep="\n")
    fitted = {
        f"{name}_{number}": threshold
        for name, alarmed in ALARMED.items()
        for number, threshold in enumerate(fit(said.judged, alarmed), start=1)
    }
    (weight,) = stage.weights
    card = weight.card.model_copy(update={"thresholds": {**weight.card.thresholds, **fitted}})
    card_path(weight.path).write_text(card.model_dump_json(indent=2) + "\n", encoding="utf-8")
    print(f"{fitted}, of {len(normal)} normal cases, written to {card_path(weight.path)}")


def fit(judged: Sequence[JudgedType], alarmed: float) -> tuple[float, ...]:
    """The thresholds for 1, 2, … :data:`MANY` metaphases.

    Args:
        judged: the types of normal cases.
        alarmed: share of these cases that is expected to have a finding, at most.

    Raises:
        ValueError: if fewer than two types were compared in so many metaphases.
    """
    compared = [one for one in judged if one.probability is not None]
    sizes = np.array([min(one.metaphases, MANY) for one in compared])
    # What variable bands explain is no alarm.
    probable = np.array([0.0 if one.heteromorphism else one.probability for one in compared], dtype=float)
    odds = logit(np.clip(probable, _LEAST, 1 - _LEAST))
    share = alarmed * len({one.case.id for one in compared}) / len(compared)
    thresholds = []
    for number in range(1, MANY + 1):
        of_number = odds[sizes == number]
        if len(of_number) < 2:
            raise ValueError(f"fewer than two types were compared in {number} metaphases")
        thresholds.append(float(expit(exceeded_by(of_number, share))))
    return tuple(thresholds)


def exceeded_by(odds: NDArray[np.float64], share: float) -> float:
    """The log odds that a share of the normal types exceeds, at most the largest that was seen.

    Args:
        odds: shape (n,), at least two.
        share: 0–1; within what :data:`TAIL` values cover the tail is extrapolated or smoothed, else counted.
    """
    ordered = np.sort(odds)
    largest = min(TAIL, len(ordered) - 1)
    covered = largest / len(ordered)
    if share >= covered:
        return float(np.quantile(ordered, 1 - min(share, 1.0)))
    start = ordered[-largest - 1]
    scale = float((ordered[-largest:] - start).mean())
    beyond = scale * np.log(covered / share) if share > 0 else np.inf
    return float(min(start + beyond, ordered[-1]))


if __name__ == "__main__":
    typer.run(main)
