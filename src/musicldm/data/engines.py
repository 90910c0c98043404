"""Who does the units: this process, processes of this machine, or a Ray cluster. All call `run_unit` alone."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from itertools import islice
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Literal

from musicldm.data.units import Job, run_unit
from musicldm.errors import InvalidInputError, MissingDependencyError, unknown_choice

ENGINES = ("local", "ray")


@dataclass(frozen=True)
class Engine:
    """Where units are done.

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
        if self.kind not in ENGINES:
            raise unknown_choice("engine", self.kind, ENGINES)
        if self.workers is not None and self.workers < 1:
            raise InvalidInputError(f"workers {self.workers}: at least 1")
        if self.address is not None and self.kind != "ray":
            raise InvalidInputError(f"address {self.address!r} needs engine ray")

    def __call__(self, units: Sequence[Path], job: Job) -> Iterator[int]:
        """Does the units in any order; yields the number of sources of each once it is done."""
        workers = min(self.workers or os.cpu_count() or 1, len(units))
        if self.kind == "ray":
            yield from _by_ray(units, job, workers, self.address)
        elif workers > 1:
            yield from _by_processes(units, job, workers)
        else:
            yield from (run_unit(unit, job) for unit in units)


def _by_processes(units: Sequence[Path], job: Job, workers: int) -> Iterator[int]:
    waiting = iter(units)
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=_start) as pool:
        try:
            running = {pool.submit(run_unit, unit, job) for unit in islice(waiting, 2 * workers)}
            while running:
                done, running = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    yield future.result()
                    running |= {pool.submit(run_unit, unit, job) for unit in islice(waiting, 1)}
        except BrokenProcessPool:
            advice = "the same command goes on from here; fewer --workers need less memory"
            raise ChildProcessError(f"a worker was killed: {advice}") from None
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _start() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C reaches all processes: workers end without a word


def _by_ray(units: Sequence[Path], job: Job, workers: int, address: str | None) -> Iterator[int]:
    """By Ray Data, which gives a unit whose worker was lost to another one."""
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
        rows = ray.data.from_items([{"unit": str(unit)} for unit in units], override_num_blocks=len(units))
        done = rows.map(_ray_unit, fn_kwargs={"job": job})
        yield from (int(row["sources"]) for row in done.iter_rows())
    except ray.exceptions.RayError as error:
        reason = next((line for line in reversed(str(error).splitlines()) if "Error: " in line), "it was lost")
        raise ChildProcessError(f"a Ray worker failed, the same command goes on from here: {reason}") from error
    finally:
        if ours:
            ray.shutdown()


def _ray_unit(row: dict[str, Any], job: Job) -> dict[str, int]:
    return {"sources": run_unit(Path(row["unit"]), job)}
