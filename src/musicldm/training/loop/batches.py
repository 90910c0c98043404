"""Which clips make each step, and their batches, made while the step before is computed.

Every random draw of step n comes from (seed, n) alone, and the order of the clips from the seed.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from musicldm.training.loop.task import Batch, Task


def next_clips(length: int, seen: int, count: int, seed: int) -> npt.NDArray[np.int64]:
    """Indices of `count` clips after `seen` ones: every clip once an epoch, each epoch in its own order."""
    positions = np.arange(seen, seen + count)
    epochs = positions // length
    out = np.empty(count, dtype=np.int64)
    for epoch in np.unique(epochs):
        order = np.random.default_rng([seed, 1, int(epoch)]).permutation(length)
        chosen = epochs == epoch
        out[chosen] = order[positions[chosen] % length]
    return out


@dataclass(frozen=True)
class Batches:
    """The batches of a task's steps in one of several processes.

    Args:
        task: makes them.
        seed: of every draw.
        accumulate: batches of a step in each process.
        processes, rank: how many there are, and which this one is.
        device: where the batches are wanted.
    """

    task: Task
    seed: int
    accumulate: int
    processes: int
    rank: int
    device: torch.device

    @property
    def clips_a_step(self) -> int:
        """In all processes together."""
        return self.task.batch_size * self.accumulate * self.processes

    def steps(self, pool: ThreadPoolExecutor, step: int, seen: int) -> Iterator[list[Batch]]:
        """The batches of each step from `step` on, before which `seen` clips were seen; without end."""
        upcoming: Future[list[Batch]] = pool.submit(self._made, step, seen)
        while True:
            batches = upcoming.result()
            step, seen = step + 1, seen + self.clips_a_step
            upcoming = pool.submit(self._made, step, seen)
            yield [self._on_device(batch) for batch in batches]

    def _made(self, step: int, seen: int) -> list[Batch]:
        size = self.task.batch_size
        clips = next_clips(len(self.task), seen, self.clips_a_step, self.seed)[self.rank :: self.processes]
        rng = np.random.default_rng([self.seed, 2 + self.rank, step])
        return [self.task.batch(clips[start : start + size], rng) for start in range(0, len(clips), size)]

    def _on_device(self, batch: Batch) -> Batch:
        return {name: value.to(self.device, non_blocking=True) for name, value in batch.items()}
