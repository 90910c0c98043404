"""One training loop for every task: optimisers in turns, averages, atomic checkpoints, exact resume, a log.

Every random draw of step n comes from (seed, n) alone, and the order of the clips from the seed: a checkpoint needs no
random state, only the number of clips that were seen, and a resumed run repeats the unbroken one. It may go on over
another number of processes; then its draws are others, and every clip still comes once an epoch.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import asdict
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import broadcast
from torch import Tensor

from musicldm.errors import InvalidInputError, TrainingError
from musicldm.events import Listener, ignore
from musicldm.files import move_into, scratch
from musicldm.machine.devices import choose_device
from musicldm.machine.freed_memory import keep_freed_memory
from musicldm.training.loop.average import Averages
from musicldm.training.loop.batches import Batches
from musicldm.training.loop.checkpoint import CHECKPOINT, read_checkpoint, write_checkpoint
from musicldm.training.loop.log import Journal, Meter, TrainingProgress
from musicldm.training.loop.optimizers import TurnOptimizers, learning_rate_factor
from musicldm.training.loop.options import Ending, LoopOptions, never_ends_early
from musicldm.training.loop.task import Batch, Task


def make_accelerator(device: str, mixed_precision: str) -> Accelerator:
    """Accelerate's accelerator on the wanted device.

    Raises:
        InvalidInputError: a device that is not known or not there.
    """
    return Accelerator(cpu=choose_device(device) == "cpu", mixed_precision=mixed_precision)


class Loop:
    """Runs a task to its end; `run` returns after the last step, with the part exported."""

    def __init__(self, task: Task, options: LoopOptions, listen: Listener = ignore) -> None:
        self.task = task
        self.options = options
        self.accelerator = make_accelerator(options.device, options.mixed_precision)
        self.listen = listen if self.accelerator.is_main_process else ignore
        self.device = self.accelerator.device
        self.processes = int(self.accelerator.num_processes)
        rank = int(self.accelerator.process_index)
        self.batches = Batches(task, options.seed, options.accumulate, self.processes, rank, self.device)
        if self.device.type == "cpu":
            keep_freed_memory()
        task.modules.to(self.device)
        self._prepare_modules()
        if self.processes > 1:
            broadcast(list(task.modules.state_dict().values()))
        self.optimizers = {turn.name: TurnOptimizers(turn, task.modules, self.device) for turn in task.turns}
        self.averages = Averages(task.modules, task.ema, task.schedule.ema_decay)
        self.step = self.seen = 0
        self.elapsed = 0.0
        self.best, self.waited = math.inf, 0
        self.journal = self._journal() if self.accelerator.is_main_process else None
        options.out.mkdir(parents=True, exist_ok=True)
        if options.resume:
            self._load()
        elif self.accelerator.is_main_process and (options.out / CHECKPOINT).exists():
            raise InvalidInputError(f"{options.out} holds a training already: add --resume, or choose another folder")

    def _journal(self) -> Journal:
        options = self.options
        settings = {"part": self.task.name, "recipe": asdict(self.task.recipe), **asdict(options)}
        settings["out"] = str(options.out)
        return Journal(options.out, self.task.sample_rate, options.experiment_tracker, settings, resume=options.resume)

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
        self.task.modules.train()
        with ending() as is_over, ThreadPoolExecutor(1) as pool, self.journal or nullcontext():
            if not self._train(pool, is_over):
                return
        if self.options.patience is None:
            self.export()
        self.accelerator.wait_for_everyone()

    def _train(self, pool: ThreadPoolExecutor, is_over: Callable[[], bool]) -> bool:
        """All steps, with validations and checkpoints; returns whether the training came to its own end."""
        last_checkpoint = last_validation = time.monotonic()
        meter = Meter(self.options.report_seconds)
        batches = self.batches.steps(pool, self.step, self.seen)
        while self.progress < 1.0 and not self._out_of_patience():
            if self._agreed(is_over()):
                self.save()
                return False
            started = time.monotonic()
            losses = self._train_step(next(batches))
            self.elapsed = self._agreed(self.elapsed + time.monotonic() - started)
            meter.update(losses)
            if meter.due():
                self._log("train", meter.flush())
                self._report("Training", meter.means, meter.line(self.step, self.elapsed, self.progress))
            if time.monotonic() - last_validation > 60 * self.options.validate_minutes:
                self._validate()
                last_validation = time.monotonic()
            if time.monotonic() - last_checkpoint > 60 * self.options.checkpoint_minutes:
                self.save()
                last_checkpoint = time.monotonic()
        if not self._out_of_patience():
            self._validate()
        self.save()
        return True

    def steps(self) -> Iterator[dict[str, float]]:
        """Trains a step at each turn, without end, and gives its losses; for measurements."""
        self.task.modules.train()
        with ThreadPoolExecutor(1) as pool:
            for batches in self.batches.steps(pool, self.step, self.seen):
                yield self._train_step(batches)

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

    def _train_step(self, batches: Sequence[Batch]) -> dict[str, float]:
        """One step of all optimisers on the gradients of these batches; returns the means of the losses."""
        torch.manual_seed((self.options.seed * 1_000_003 + self.step) * self.processes + self.batches.rank)
        for parameter in self.task.modules.parameters():
            parameter.grad = None
        logged: dict[str, float] = {}
        totals: dict[str, Tensor] = {}
        for batch in batches:
            self._add_gradients(batch, len(batches), totals, logged)
        factor = learning_rate_factor(self.step, self.progress, self.task.schedule)
        for turn in self.task.turns:
            if turn.name in totals:
                self._descend(turn.name, totals[turn.name], factor)
        if self.accelerator.scaler is not None:
            self.accelerator.scaler.update()
        self.averages.step()
        self.step, self.seen = self.step + 1, self.seen + self.batches.clips_a_step
        return logged

    def _add_gradients(self, batch: Batch, count: int, totals: dict[str, Tensor], logged: dict[str, float]) -> None:
        """Adds the gradients of one of `count` batches in all turns, and its losses to `totals` and `logged`."""
        of_turns = self.task.losses(batch, self.progress)
        for turn in self.task.turns:
            with self.accelerator.autocast():
                losses = next(of_turns)
            if losses is None:
                continue
            loss = losses["loss"] / count
            self.accelerator.backward(loss, inputs=self.optimizers[turn.name].parameters)
            totals[turn.name] = totals.get(turn.name, 0.0) + loss.detach()
            for name, value in losses.items():
                label = name if turn.name == "generator" else f"{turn.name}_{name}"
                logged[label] = logged.get(label, 0.0) + float(value.detach()) / count

    def _descend(self, turn: str, loss: Tensor, factor: float) -> None:
        """One step of a turn's optimisers on the gradients that are there."""
        optimizers = self.optimizers[turn]
        loss = self._mean_over_processes(loss, optimizers.parameters)
        if not torch.isfinite(loss):
            raise TrainingError(
                f"the {turn} loss of {self.task.name} is {loss.item()} at step {self.step}: lower the learning "
                f"rate and --resume from the last checkpoint in {self.options.out}"
            )
        optimizers.step(factor, self.accelerator.scaler)

    def _mean_over_processes(self, loss: Tensor, parameters: Sequence[Tensor]) -> Tensor:
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
        with self.averages.applied(), torch.no_grad():
            self.task.modules.eval()
            validation = self.task.validate()
            self.task.modules.train()
        self._log("validation", validation.figures)
        line = f"step {self.step} validation " + " ".join(f"{k} {v:.4f}" for k, v in validation.figures.items())
        self._report("Validation", validation.figures, line)
        self.journal.samples(validation.samples, self.step)
        if validation.figures[self.task.goal] < self.best:
            self.best, self.waited = validation.figures[self.task.goal], 0
            if self.options.patience is not None:
                self.export()
        else:
            self.waited += 1

    def export(self) -> None:
        """Writes the part with its averaged weights into `out`."""
        if not self.accelerator.is_main_process:
            return
        with self.averages.applied():
            self.task.modules.eval()
            with scratch(self.options.out / "export") as made:
                self.task.export(made)
                move_into(made, self.options.out)

    def _log(self, kind: str, figures: Mapping[str, float]) -> None:
        if self.journal is not None:
            self.journal.figures(kind, self.step, self.elapsed / 60, figures)

    def _report(self, what: str, figures: Mapping[str, float], line: str) -> None:
        done, total = self.step, self.options.steps
        if total is None:
            assert self.options.minutes is not None
            done, total = round(self.elapsed), round(60 * self.options.minutes)
        self.listen(TrainingProgress(done, total, what, self.step, figures, line))

    def save(self) -> None:
        """Writes the checkpoint; see `write_checkpoint`.

        Raises:
            TrainingError: the disk is full or cannot be written; the checkpoint before stays.
        """
        if not self.accelerator.is_main_process:
            return
        scaler = self.accelerator.scaler
        state: dict[str, Any] = {
            "task": self.task.name,
            "step": self.step,
            "seen": self.seen,
            "elapsed": self.elapsed,
            "modules": self.task.modules.state_dict(),
            "optimizers": {name: optimizers.state_dicts() for name, optimizers in self.optimizers.items()},
            "scaler": scaler.state_dict() if scaler is not None else {},
            "best": self.best,
            "waited": self.waited,
            "averages": self.averages.state_dicts(),
        }
        write_checkpoint(self.options.out, state)

    def _load(self) -> None:
        state = read_checkpoint(self.options.out, self.task.name, self.device)
        self.task.modules.load_state_dict(state["modules"])
        for name, optimizers in self.optimizers.items():
            optimizers.load_state_dicts(state["optimizers"][name])
        self.averages.load_state_dicts(state["averages"], self.device)
        if self.accelerator.scaler is not None and state["scaler"]:
            self.accelerator.scaler.load_state_dict(state["scaler"])
        self.best, self.waited = state["best"], state["waited"]
        self.step, self.seen = state["step"], state["seen"]
        self.elapsed = state["elapsed"]
