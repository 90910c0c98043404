"""The calls of a pipeline that are running: each has what it may change to itself."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Lock, local

from musicldm.model.settings import GenerationDefaults
from musicldm.sampling.schedulers import Scheduler


@dataclass(eq=False)
class RunningCall:
    """What belongs to one call and changes on its way.

    Attributes:
        scheduler: its own, with its timesteps set.
        guidance_scale: weight of guidance from the next step on.
        interrupted: whether it ends after the running step.
    """

    scheduler: Scheduler
    guidance_scale: float
    interrupted: bool = False

    @property
    def num_timesteps(self) -> int:
        """Evaluations of the denoiser."""
        return len(self.scheduler.timesteps)


class RunningCalls:
    """The running calls of one pipeline, in all threads. A copy of it, or what is read from a pickle, has none."""

    def __init__(self) -> None:
        self._threads = local()
        self._running: set[RunningCall] = set()
        self._lock = Lock()

    def __reduce__(self) -> tuple[type[RunningCalls], tuple[()]]:
        return type(self), ()

    @contextmanager
    def run(self, call: RunningCall) -> Iterator[None]:
        """While it lasts, a call is running, in this thread."""
        outer = self.here
        with self._lock:
            self._running.add(call)
        self._threads.here = self._threads.latest = call
        try:
            yield
        finally:
            self._threads.here = outer
            with self._lock:
                self._running.discard(call)

    @property
    def here(self) -> RunningCall | None:
        """The running call of this thread, the innermost if one is made in a callback of another."""
        call: RunningCall | None = getattr(self._threads, "here", None)
        return call

    @property
    def latest(self) -> RunningCall | None:
        """The same or, where none is running, the last one that this thread made."""
        call: RunningCall | None = getattr(self._threads, "latest", None)
        return self.here or call

    def interrupt(self) -> None:
        """Ends, after the running step, the running call of this thread, or those of all threads where it has none."""
        here = self.here
        with self._lock:
            for call in self._running if here is None else (here,):
                call.interrupted = True


class RunningCallsMixin:
    """What a pipeline tells of its running calls, and how they are stopped."""

    generation_defaults: GenerationDefaults

    def __init__(self) -> None:
        super().__init__()
        self._calls = RunningCalls()

    @property
    def scheduler(self) -> Scheduler:
        """The pipeline's own, or, in a callback, that of the running call."""
        call = self._calls.here
        own: Scheduler = vars(self)["scheduler"]
        return own if call is None else call.scheduler

    @scheduler.setter
    def scheduler(self, scheduler: Scheduler) -> None:
        vars(self)["scheduler"] = scheduler

    def interrupt(self) -> None:
        """Ends a call after its running step; what there is by then is decoded.

        In a callback that is its own call. From another thread it is every running call of this pipeline.
        """
        self._calls.interrupt()

    @property
    def guidance_scale(self) -> float:
        """Weight of guidance in this thread's running call or its last one; a callback may set `_guidance_scale`."""
        call = self._calls.latest
        return self.generation_defaults.guidance_scale if call is None else call.guidance_scale

    @property
    def num_timesteps(self) -> int:
        """Evaluations of the denoiser in this thread's running call, or in its last one."""
        call = self._calls.latest
        return 0 if call is None else call.num_timesteps

    @property
    def _guidance_scale(self) -> float:
        return self.guidance_scale

    @_guidance_scale.setter
    def _guidance_scale(self, scale: float) -> None:
        call = self._calls.here
        if call is not None:
            call.guidance_scale = scale

    @property
    def _interrupt(self) -> bool:
        """Whether this thread's running call, or its last one, was interrupted; callbacks of diffusers set it."""
        call = self._calls.latest
        return call is not None and call.interrupted

    @_interrupt.setter
    def _interrupt(self, interrupted: bool) -> None:
        call = self._calls.here
        if interrupted:
            self._calls.interrupt()
        elif call is not None:
            call.interrupted = False
