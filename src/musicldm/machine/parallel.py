"""Who does work that falls into independent parts: this process, processes of this machine, or a Ray cluster."""

from __future__ import annotations

import os
import pickle
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from itertools import islice
from multiprocessing import get_context
from typing import Any, Literal, TypeVar

from musicldm.errors import InvalidInputError, MissingDependencyError, unknown_choice
from musicldm.machine.cores import process_count

POOLS = ("local", "ray")
Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True)
class WorkerPool:
    """Where work is done.

    Args:
        kind: "local" or "ray".
        workers: processes here, or of a Ray cluster that is started here; by default one a core.
        address: of a running Ray cluster ("auto" for that of this machine); without one a cluster is started here.

    Raises:
        InvalidInputError: an unknown kind, no worker, or an address without Ray.
    """

    kind: Literal["local", "ray"] = "local"
    workers: int | None = None
    address: str | None = None

    def __post_init__(self) -> None:
        if self.kind not in POOLS:
            raise unknown_choice("engine", self.kind, POOLS)
        if self.workers is not None and self.workers < 1:
            raise InvalidInputError(f"workers {self.workers}: at least 1")
        if self.address is not None and self.kind != "ray":
            raise InvalidInputError(f"address {self.address!r} needs engine ray")

    def __call__(self, work: Callable[[Item], Result], items: Sequence[Item]) -> Iterator[tuple[int, Result]]:
        """The number and the result of each item, in the order in which they are done.

        Processes have two items each under way and no more, so that results do not pile up. Ray gives an item whose
        worker was lost to another one.

        Args:
            work: a function that other processes can import, or a `functools.partial` of one.
            items: what it takes; other processes get them pickled.

        Raises:
            ChildProcessError: a worker was killed.
            MissingDependencyError: Ray is wanted and not installed.
        """
        if not items:
            return
        workers = min(process_count(self.workers), len(items))
        if self.kind == "ray":
            yield from _by_ray(work, items, workers, self.address)
        elif workers > 1:
            yield from _by_processes(work, items, workers)
        else:
            yield from ((number, work(item)) for number, item in enumerate(items))


def _by_processes(work: Callable[[Item], Result], items: Sequence[Item], workers: int) -> Iterator[tuple[int, Result]]:
    waiting = iter(enumerate(items))
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=_start) as pool:

        def submitted(count: int) -> dict[Future[Result], int]:
            return {pool.submit(work, item): number for number, item in islice(waiting, count)}

        try:
            running = submitted(2 * workers)
            while running:
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    yield running.pop(future), future.result()
                    running |= submitted(1)
        except BrokenProcessPool:
            raise ChildProcessError("a worker was killed: fewer --workers need less memory") from None
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _start() -> None:
    import torch

    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C reaches all processes: workers end without a word
    torch.set_num_threads(1)  # processes use all cores anyway


def _by_ray(
    work: Callable[[Item], Result], items: Sequence[Item], workers: int, address: str | None
) -> Iterator[tuple[int, Result]]:
    """By Ray Data; items and results travel pickled, whatever they are."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
        import ray.data
    except ImportError:
        raise MissingDependencyError("ray", "ray") from None
    ours = not ray.is_initialized()
    if ours:
        here = {} if address else {"num_cpus": workers, "include_dashboard": False}
        ray.init(address=address or "local", log_to_driver=False, logging_level="error", **here)
    try:
        ray.data.DataContext.get_current().enable_progress_bars = False
        rows = [{"number": number, "item": pickle.dumps(item)} for number, item in enumerate(items)]
        data = ray.data.from_items(rows, override_num_blocks=len(rows))
        done = data.map(_ray_item, fn_kwargs={"work": work})
        yield from ((int(row["number"]), pickle.loads(row["result"])) for row in done.iter_rows())
    except ray.exceptions.RayError as error:
        reason = next((line for line in reversed(str(error).splitlines()) if "Error: " in line), "it was lost")
        raise ChildProcessError(f"a Ray worker failed: {reason}") from error
    finally:
        if ours:
            ray.shutdown()


def _ray_item(row: dict[str, Any], work: Callable[[Any], Any]) -> dict[str, Any]:
    return {"number": row["number"], "result": pickle.dumps(work(pickle.loads(row["item"])))}
