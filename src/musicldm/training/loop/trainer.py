"""One training loop for all four parts: optimisers in turns, EMA, atomic checkpoints, exact resume, a log.

Every random draw of step n comes from (seed, n) alone, and the order of the clips from the seed: a checkpoint needs no
random state, only the number of clips that were seen, and a resumed run repeats the unbroken one. It may go on over
another number of processes; then its draws are others, and every clip still comes once an epoch.
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from accelerate import Accelerator
from accelerate.utils import broadcast
from torch import Tensor, nn

from musicldm.errors import InvalidInputError, TrainingError
from musicldm.files import move_into, scratch
from musicldm.machine.freed_memory import keep_freed_memory
from musicldm.training.loop.average import MovingAverage
from musicldm.training.loop.checkpoint import CHECKPOINT, read_checkpoint, write_checkpoint
from musicldm.training.loop.log import Journal, Meter
from musicldm.training.loop.muon import Muon
from musicldm.training.loop.task import Batch, Schedule, Task, Turn

Ending = Callable[[], AbstractContextManager[Callable[[], bool]]]
"""Made by whoever may want a training to end early, as when the system asks the process to."""
_LONGEST_RISE = 0.04
"""Share of a run."""


@contextmanager
def never_ends_early() -> Iterator[Callable[[], bool]]:
    """An `Ending` that never comes."""
    yield lambda: False


@dataclass(frozen=True)
class LoopOptions:
    """How long and how a training runs.

    Args:
        out: folder of the run: checkpoint, log, samples and the exported part.
        steps: end after this many steps in all; or
        minutes: end after this many minutes in all, interruptions not counted. Just one of the two.
        checkpoint_minutes: time between two checkpoints.
        validate_minutes: time between two validations with samples.
        mixed_precision: "no", "bf16" or "fp16".
        device: "auto", "cpu", "cuda" or "mps".
        seed: of every random draw.
        resume: go on from the checkpoint in `out`.
        accumulate: batches whose gradients make one step.
        checkpointing: keep fewer activations and compute them again, for memory.
        compile: compile the parts by `torch.compile`, for long runs.
        patience: end after so many validations in a row that are no better, with the best weights exported.
        tracker: "trackio" or "wandb", which gets curves and samples too.

    Raises:
        InvalidInputError: neither or both of steps and minutes, or a number that is not positive.
    """

    out: Path
    steps: int | None = None
    minutes: float | None = None
    checkpoint_minutes: float = 4.0
    validate_minutes: float = 8.0
    mixed_precision: str = "no"
    device: str = "auto"
    seed: int = 0
    resume: bool = False
    accumulate: int = 1
    checkpointing: bool = False
    compile: bool = False
    patience: int | None = None
    tracker: str | None = None

    def __post_init__(self) -> None:
        if (self.steps is None) == (self.minutes is None):
            raise InvalidInputError("give either steps or minutes: how long shall the training run?")
        length = self.steps if self.steps is not None else self.minutes
        assert length is not None
        if not (length > 0 and math.isfinite(length)):
            name = "steps" if self.steps is not None else "minutes"
            raise InvalidInputError(f"{name} is {length}: it must be a positive number")
        for name in ("accumulate", "patience"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise InvalidInputError(f"{name} is {value}: it must be at least 1")


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


def learning_rate_factor(step: int, progress: float, schedule: Schedule) -> float:
    """Rises over `warmup` steps, stays, and falls linearly to zero over the last `decay` share of the run.

    In a run so short that `warmup` steps are more than 4 % of it, it rises over these.
    """
    rise = min(1.0, max((step + 1) / max(schedule.warmup, 1), progress / _LONGEST_RISE))
    fall = min(1.0, (1.0 - progress) / schedule.decay) if schedule.decay > 0 else 1.0
    return rise * max(fall, 0.0)


def make_accelerator(device: str, mixed_precision: str) -> Accelerator:
    """Accelerate's accelerator on the wanted device.

    Raises:
        InvalidInputError: a device that is not known or not there.
    """
    available = {"auto": True, "cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if not available.get(device, False):
        names = ", ".join(name for name, there in available.items() if there)
        raise InvalidInputError(f"device {device!r} is not available here: choose one of {names}")
    return Accelerator(cpu=device == "cpu", mixed_precision=mixed_precision)


class Loop:
    """Runs a task to its end; `run` returns after the last step, with the part exported."""

    def __init__(self, task: Task, options: LoopOptions, report: Callable[[str], None] | None = None) -> None:
        self.task = task
        self.options = options
        self.accelerator = make_accelerator(options.device, options.mixed_precision)
        self.report = report or (lambda line: print(line, file=sys.stderr, flush=True))
        if not self.accelerator.is_main_process:
            self.report = _say_nothing
        self.device = self.accelerator.device
        self.processes, self.rank = self.accelerator.num_processes, self.accelerator.process_index
        if self.device.type == "cpu":
            keep_freed_memory()
        task.modules.to(self.device)
        self._prepare_modules()
        if self.processes > 1:
            broadcast(list(task.modules.state_dict().values()))
        self.optimizers = {turn.name: self._optimizers(turn) for turn in task.turns}
        average = {"decay": task.schedule.ema_decay, "use_ema_warmup": True, "power": 0.75, "foreach": True}
        self.averages = {name: MovingAverage(task.modules[name].parameters(), **average) for name in task.ema}
        self.step = self.seen = 0
        self.elapsed = 0.0
        self.best, self.waited = math.inf, 0
        self.journal: Journal | None = None
        if self.accelerator.is_main_process:
            settings = _settings(task, options)
            self.journal = Journal(options.out, task.sample_rate, options.tracker, settings, resume=options.resume)
        options.out.mkdir(parents=True, exist_ok=True)
        if options.resume:
            self._load()
        elif self.accelerator.is_main_process and (options.out / CHECKPOINT).exists():
            raise InvalidInputError(f"{options.out} holds a training already: add --resume, or choose another folder")

    def _prepare_modules(self) -> None:
        modules = self.task.modules
        if self.options.checkpointing:
            names = ("enable_gradient_checkpointing", "gradient_checkpointing_enable")
            able = [getattr(module, name) for module in modules.values() for name in names if hasattr(module, name)]
            if not able:
                raise InvalidInputError(f"gradient checkpointing is not for {self.task.name}: leave it out")
            for enable in able:
                enable()
        if self.options.compile:
            for name in self.task.compiled:
                modules.get_submodule(name).compile()

    def _optimizers(self, turn: Turn) -> tuple[torch.optim.Optimizer, ...]:
        outer = {id(p) for name in turn.outer for p in self.task.modules.get_submodule(name).parameters()}
        plain: list[dict[str, Any]] = []
        orthogonal: list[dict[str, Any]] = []
        for name in turn.modules:
            parameters = [p for p in self.task.modules.get_submodule(name).parameters() if p.requires_grad]
            rate = turn.learning_rate * turn.factors.get(name, 1.0)
            rates = {"lr": rate, "peak": rate}
            matrices, vectors = [p for p in parameters if p.ndim > 1], [p for p in parameters if p.ndim <= 1]
            if turn.optimizer == "muon":
                hidden = [p for p in matrices if id(p) not in outer]
                matrices = [p for p in matrices if id(p) in outer]
                orthogonal.append({"params": hidden, "weight_decay": turn.weight_decay, **rates})
            plain.append({"params": matrices, "weight_decay": turn.weight_decay, **rates})
            plain.append({"params": vectors, "weight_decay": 0.0, **rates})
        adamw = torch.optim.AdamW(plain, betas=turn.betas, fused=self.device.type != "mps")
        return (adamw, Muon(orthogonal, turn.learning_rate)) if orthogonal else (adamw,)

    @property
    def progress(self) -> float:
        """Share of the run that is done, 0 to 1."""
        if self.options.steps is not None:
            return min(1.0, self.step / self.options.steps)
        assert self.options.minutes is not None
        return min(1.0, self.elapsed / (60 * self.options.minutes))

    def run(self, ending: Ending = never_ends_early) -> None:
        """Trains to the end, validates, exports.

        Args:
            ending: entered before the first step; gives what tells whether to end now. After the step in which it says
                so the checkpoint is written and nothing else.

        Raises:
            TrainingError: a loss that is not finite, or a disk that is full; the last good checkpoint stays.
        """
        last_checkpoint = last_validation = time.monotonic()
        meter = Meter()
        self.task.modules.train()
        with ending() as is_over, ThreadPoolExecutor(1) as pool, self.journal or nullcontext():
            batches = self._batches(pool)
            while self.progress < 1.0 and not self._out_of_patience():
                if self._agreed(is_over()):
                    self.save()
                    return
                started = time.monotonic()
                losses = self._train_step(next(batches))
                self.elapsed = self._agreed(self.elapsed + time.monotonic() - started)
                self.step, self.seen = self.step + 1, self.seen + self._clips_a_step
                meter.update(losses)
                if meter.due():
                    self._log("train", meter.flush())
                    self.report(meter.line(self.step, self.elapsed, self.progress))
                if time.monotonic() - last_validation > 60 * self.options.validate_minutes:
                    self._validate()
                    last_validation = time.monotonic()
                if time.monotonic() - last_checkpoint > 60 * self.options.checkpoint_minutes:
                    self.save()
                    last_checkpoint = time.monotonic()
            if not self._out_of_patience():
                self._validate()
            self.save()
        if self.options.patience is None:
            self.export()
        self.accelerator.wait_for_everyone()

    def steps(self) -> Iterator[dict[str, float]]:
        """Trains a step at each turn, without end, and gives its losses; for measurements."""
        self.task.modules.train()
        with ThreadPoolExecutor(1) as pool:
            for batches in self._batches(pool):
                yield self._train_step(batches)
                self.step, self.seen = self.step + 1, self.seen + self._clips_a_step

    def _out_of_patience(self) -> bool:
        """Whether the validations have got no better for long enough; the same in all processes."""
        patience = self.options.patience
        return patience is not None and self._agreed(self.waited) >= patience

    def _agreed(self, value: float) -> float:
        """The main process' value, everywhere; all processes must see the same progress."""
        if self.processes == 1:
            return value
        told = torch.tensor([value], dtype=torch.float64, device=self.device)
        return float(broadcast(told))

    def _batches(self, pool: ThreadPoolExecutor) -> Iterator[list[Batch]]:
        """The batches of each step, the next ones being made meanwhile."""
        size, seed = self.task.batch_size, self.options.seed
        count = self._clips_a_step

        def prepare(step: int, seen: int) -> list[Batch]:
            clips = next_clips(len(self.task), seen, count, seed)[self.rank :: self.processes]
            rng = np.random.default_rng([seed, 2 + self.rank, step])
            return [self.task.batch(clips[start : start + size], rng) for start in range(0, len(clips), size)]

        step, seen = self.step, self.seen
        upcoming: Future[list[Batch]] = pool.submit(prepare, step, seen)
        while True:
            batches = upcoming.result()
            step, seen = step + 1, seen + count
            upcoming = pool.submit(prepare, step, seen)
            yield [{name: value.to(self.device, non_blocking=True) for name, value in one.items()} for one in batches]

    @property
    def _clips_a_step(self) -> int:
        """In all processes together."""
        return self.task.batch_size * self.options.accumulate * int(self.processes)

    def _train_step(self, batches: Sequence[Batch]) -> dict[str, float]:
        torch.manual_seed((self.options.seed * 1_000_003 + self.step) * self.processes + self.rank)
        for parameter in self.task.modules.parameters():
            parameter.grad = None
        logged: dict[str, float] = {}
        totals: dict[str, Tensor] = {}
        for batch in batches:
            for turn in self.task.turns:
                with self.accelerator.autocast():
                    losses = self.task.losses(turn.name, batch, self.progress)
                if losses is None:
                    continue
                loss = losses["loss"] / len(batches)
                self.accelerator.backward(loss, inputs=self._parameters(turn))
                totals[turn.name] = totals.get(turn.name, 0.0) + loss.detach()
                for name, value in losses.items():
                    label = _label(turn.name, name)
                    logged[label] = logged.get(label, 0.0) + float(value.detach()) / len(batches)
        factor = learning_rate_factor(self.step, self.progress, self.task.schedule)
        for turn in self.task.turns:
            if turn.name in totals:
                self._descend(turn, totals[turn.name], factor)
        if self.accelerator.scaler is not None:
            self.accelerator.scaler.update()
        for name, average in self.averages.items():
            average.step(self.task.modules[name].parameters())
        return logged

    def _parameters(self, turn: Turn) -> list[Tensor]:
        return [p for one in self.optimizers[turn.name] for group in one.param_groups for p in group["params"]]

    def _descend(self, turn: Turn, loss: Tensor, factor: float) -> None:
        """One step of a turn's optimisers on the gradients that are there."""
        optimizers, scaler = self.optimizers[turn.name], self.accelerator.scaler
        for group in (group for optimizer in optimizers for group in optimizer.param_groups):
            group["lr"] = group["peak"] * factor
        parameters = self._parameters(turn)
        loss = self._shared(loss, parameters)
        if not torch.isfinite(loss):
            raise TrainingError(
                f"the {turn.name} loss of {self.task.name} is {loss.item()} at step {self.step}: lower the learning "
                f"rate and --resume from the last checkpoint in {self.options.out}"
            )
        if scaler is not None:
            for optimizer in optimizers:
                scaler.unscale_(optimizer)
        torch.nn.utils.clip_grad_norm_(parameters, turn.max_grad_norm)
        for optimizer in optimizers:
            _ = optimizer.step() if scaler is None else scaler.step(optimizer)

    def _shared(self, loss: Tensor, parameters: Sequence[Tensor]) -> Tensor:
        """The mean of the loss over the processes; the gradients become their means."""
        if self.processes == 1:
            return loss
        gradients = [p.grad for p in parameters if p.grad is not None]
        flat = torch.cat([loss.reshape(1), *(gradient.reshape(-1) for gradient in gradients)])
        mean: Tensor = self.accelerator.reduce(flat, reduction="mean")
        sizes = [gradient.numel() for gradient in gradients]
        for gradient, part in zip(gradients, torch.split(mean[1:], sizes), strict=True):
            gradient.copy_(part.view_as(gradient))
        return mean[0]

    def _validate(self) -> None:
        if self.journal is None:
            return
        with self._averaged(), torch.no_grad():
            self.task.modules.eval()
            figures = self.task.validate()
            samples = self.task.samples()
            self.task.modules.train()
        self._log("validation", figures)
        self.report(f"step {self.step} validation " + " ".join(f"{k} {v:.4f}" for k, v in figures.items()))
        self.journal.samples(samples, self.step)
        if figures[self.task.goal] < self.best:
            self.best, self.waited = figures[self.task.goal], 0
            if self.options.patience is not None:
                self.export()
        else:
            self.waited += 1

    def export(self) -> None:
        """Writes the part with its averaged weights into `out`."""
        if not self.accelerator.is_main_process:
            return
        with self._averaged():
            self.task.modules.eval()
            with scratch(self.options.out / "export") as made:
                self.task.export(made)
                move_into(made, self.options.out)

    def _averaged(self) -> _Averaged:
        return _Averaged(self.task.modules, self.averages)

    def _log(self, kind: str, figures: Mapping[str, float]) -> None:
        if self.journal is not None:
            self.journal.figures(kind, self.step, self.elapsed / 60, figures)

    def save(self) -> None:
        """Writes the checkpoint; see `write_checkpoint`.

        Raises:
            TrainingError: the disk is full or cannot be written; the checkpoint before stays.
        """
        if not self.accelerator.is_main_process:
            return
        state = {
            "task": self.task.name,
            "step": self.step,
            "seen": self.seen,
            "elapsed": self.elapsed,
            "modules": self.task.modules.state_dict(),
            "optimizers": {name: [one.state_dict() for one in all_] for name, all_ in self.optimizers.items()},
            "scaler": self.accelerator.scaler.state_dict() if self.accelerator.scaler is not None else {},
            "best": self.best,
            "waited": self.waited,
            "averages": {name: average.state_dict() for name, average in self.averages.items()},
        }
        write_checkpoint(self.options.out, state)

    def _load(self) -> None:
        state = read_checkpoint(self.options.out, self.task.name, self.device)
        self.task.modules.load_state_dict(state["modules"])
        for name, optimizers in self.optimizers.items():
            for optimizer, kept in zip(optimizers, state["optimizers"][name], strict=True):
                optimizer.load_state_dict(kept)
        for name, average in self.averages.items():
            average.load_state_dict(state["averages"][name])
            average.to(device=self.device)
        if self.accelerator.scaler is not None and state["scaler"]:
            self.accelerator.scaler.load_state_dict(state["scaler"])
        self.best, self.waited = state["best"], state["waited"]
        self.step, self.seen = state["step"], state["seen"]
        self.elapsed = state["elapsed"]


class _Averaged:
    """Puts the averaged weights into the modules for the time of a with-block."""

    def __init__(self, modules: nn.ModuleDict, averages: Mapping[str, MovingAverage]) -> None:
        self.modules, self.averages = modules, averages

    def __enter__(self) -> None:
        for name, average in self.averages.items():
            parameters = list(self.modules[name].parameters())
            average.store(parameters)
            average.copy_to(parameters)

    def __exit__(self, *exc: object) -> None:
        for name, average in self.averages.items():
            average.restore(self.modules[name].parameters())


def _settings(task: Task, options: LoopOptions) -> dict[str, Any]:
    """The part, its recipe and the options, as plain values."""
    return {"part": task.name, "recipe": asdict(task.recipe), **asdict(options), "out": str(options.out)}


def _say_nothing(line: str) -> None:
    """The report of all processes but the main one."""


def _label(turn: str, loss: str) -> str:
    return loss if turn == "generator" else f"{turn}_{loss}"
