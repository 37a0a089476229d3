"""The batches of a run, drawn in the training process or ahead of it by others."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

if TYPE_CHECKING:
    from karyonet.training.loop import Task


def batches(task: Task, first: int, device: torch.device, workers: int = 0) -> Iterator[Any]:
    """The batches of step ``first`` and all that follow, whoever draws them the same.

    Args:
        task: whose batches depend on the number of their step alone.
        first: step.
        device: where the batches are needed.
        workers: processes that draw ahead; 0 draws in this one when a batch is asked for. A GPU needs several, since
            images are varied on the CPU.
    """
    if workers == 0:
        step = first
        while True:
            yield task.batch(step, device)
            step += 1
    # Not spawned: the examples, often gigabytes, are shared with the workers instead of copied.
    loader = DataLoader(
        _Steps(task, first), batch_size=None, num_workers=workers, prefetch_factor=4, multiprocessing_context="fork"
    )
    for batch in loader:
        yield moved(batch, device)


def moved(batch: Any, device: torch.device) -> Any:
    """A tensor, or tuples of tensors in tuples, on a device."""
    if isinstance(batch, Tensor):
        return batch.to(device, non_blocking=True)
    parts = [moved(part, device) for part in batch]
    return type(batch)(*parts) if hasattr(batch, "_fields") else type(batch)(parts)


class _Steps(Dataset[Any]):
    def __init__(self, task: Task, first: int) -> None:
        self.task, self.first = task, first

    def __len__(self) -> int:
        return sys.maxsize // 2

    def __getitem__(self, number: int) -> Any:
        return self.task.batch(self.first + number, torch.device("cpu"))
