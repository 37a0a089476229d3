"""Fit how probable an abnormality must be to be a finding, and write it into the model card of HomNet's weights.

The normal cases of a split go through the whole pipeline, so that its errors count. A chromosome type that was compared
in one metaphase, in two, or in three and more has a threshold of its own, the same share of normal types being above
each; that share is as large as it can be with at most one normal case in a hundred having a finding at all
(``cases_99``), or one in twenty (``cases_95``). Of the thresholds above which the same types lie, the one half way to
the next type is taken, in log odds: the lowest would be passed by the next case that is hardly any different.

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

ALARMED = {"cases_99": 0.01, "cases_95": 0.05}
"""Share of the normal cases that have a finding, by the name of the thresholds."""
SHARES = np.geomspace(0.05, 0.0001, 400)
"""Of the normal types above their threshold, the largest first."""
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
        alarmed: share of these cases that may have a finding.

    Raises:
        ValueError: if no type was compared in so many metaphases.
    """
    compared = [one for one in judged if one.probability is not None]
    sizes = np.array([min(one.metaphases, MANY) for one in compared])
    # What variable bands explain is no alarm.
    probable = np.array([0.0 if one.heteromorphism else one.probability for one in compared], dtype=float)
    odds = logit(np.clip(probable, _LEAST, 1 - _LEAST))
    cases, members = np.unique([one.case.id for one in compared], return_inverse=True)
    for number in range(1, MANY + 1):
        if not (sizes == number).any():
            raise ValueError(f"no type was compared in {number} metaphases")
    for share in SHARES:
        thresholds = np.array([_exceeded_by(odds[sizes == number], share) for number in range(1, MANY + 1)])
        above = odds > thresholds[sizes - 1]
        if np.bincount(members, above, len(cases)).astype(bool).mean() <= alarmed:
            break
    return tuple(expit(thresholds).tolist())


def _exceeded_by(odds: NDArray[np.float64], share: float) -> float:
    """What a share of the log odds exceeds, half way between the last that does not and the first that does."""
    ordered = np.sort(odds)
    last = int(np.ceil((len(ordered) - 1) * (1 - share)))
    return float(ordered[last : last + 2].mean())


if __name__ == "__main__":
    typer.run(main)
