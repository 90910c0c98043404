"""A part by its name to a training run: `train(part, data=…, out=…)`."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import torch

from musicldm import files
from musicldm.data.store import ClipStore
from musicldm.errors import InvalidInputError, unknown_choice
from musicldm.events import Listener, warn_of_notes
from musicldm.training.loop.checkpoint import CHECKPOINT
from musicldm.training.loop.log import LOG
from musicldm.training.loop.options import Ending, LoopOptions, never_ends_early
from musicldm.training.loop.task import Task
from musicldm.training.loop.trainer import Loop, make_accelerator
from musicldm.training.setup import Setup
from musicldm.training.tasks import beats, clap, consistency, judges, ldm, vae, vocoder

KIND = "a training run"

TASKS: Mapping[str, Callable[[Setup], Task]] = {
    "vae": vae.make_task,
    "vocoder": vocoder.make_task,
    "clap": clap.make_task,
    "ldm": ldm.make_task,
    "distill": consistency.make_task,
    "beats": beats.make_task,
    "judges": judges.make_task,
}
"""Part → its task, on data that it prepares further where latents or embeddings are missing."""


def train(
    part: str,
    *,
    data: Path,
    out: Path,
    recipe: str = "default",
    changes: Mapping[str, Any] | None = None,
    minutes: float | None = None,
    steps: int | None = None,
    resume: bool = False,
    init: Path | None = None,
    model: Path | None = None,
    device: str = "auto",
    mixed_precision: str = "no",
    seed: int = 0,
    accumulate: int = 1,
    checkpointing: bool = False,
    compile: bool = False,
    patience: int | None = None,
    experiment_tracker: str | None = None,
    report_seconds: float = 30.0,
    ending: Ending = never_ends_early,
    listen: Listener = warn_of_notes,
) -> None:
    """Trains one part (a key of `TASKS`) on a prepared folder and writes it into `out`.

    `recipe` is a name in the part's `RECIPES`, `changes` are settings of it that are to be others; `init` and `model`
    are as in `Setup`, `ending` is as in `Loop.run`, and all the rest as in `LoopOptions`. `out` is a new or an empty
    folder, or one of a run; one process at a time writes into it. `listen` gets the progress of what is prepared
    first, a `TrainingProgress` every `report_seconds` and after each validation, and notes.

    Raises:
        InvalidInputError: an unknown part, recipe, setting, device or experiment tracker, no length, data whose
            log-mels are not those of `init` or `model`, or an `out` that is in a folder which is read, is another
            training's, or written to by one that runs.
        DataError: a folder that is not prepared, or holds no clips; or an `out` that holds something else than a run.
        CheckpointError: a model folder that lacks a part.
        TrainingError: the training cannot go on.
        MissingDependencyError: a tracker that is not installed.
    """
    options = LoopOptions(
        out=out,
        steps=steps,
        minutes=minutes,
        report_seconds=report_seconds,
        device=device,
        mixed_precision=mixed_precision,
        seed=seed,
        resume=resume,
        accumulate=accumulate,
        checkpointing=checkpointing,
        compile=compile,
        patience=patience,
        experiment_tracker=experiment_tracker,
    )
    make_task = task_maker(part)
    check_out(out, {"--data": data, "--init": init, "--model": model}, resume=resume)
    accelerator = make_accelerator(device, mixed_precision)
    with _claimed(out) if accelerator.is_main_process else nullcontext():
        torch.manual_seed(seed)
        setup = Setup(ClipStore(data), recipe, changes or {}, init, model, accelerator.device, listen)
        Loop(make_task(setup), options, listen).run(ending)


def task_maker(part: str) -> Callable[[Setup], Task]:
    """What makes a part's task.

    Raises:
        InvalidInputError: an unknown part.
    """
    if part not in TASKS:
        raise unknown_choice("part", part, tuple(TASKS))
    return TASKS[part]


def check_out(out: Path, read_only: Mapping[str, Path | None], *, resume: bool) -> None:
    """Nothing if a run may write into its folder, before any work.

    Args:
        out: the folder.
        read_only: option → folder that the run reads.
        resume: whether it goes on.

    Raises:
        InvalidInputError: it is in a folder that the run reads, holds a training that is not to go on, or none that
            could.
        DataError: it holds something else than a training run.
    """
    for name, folder in read_only.items():
        if folder is not None and files.is_inside(out, folder):
            raise InvalidInputError(f"--out {out} is in {name} {folder}, which is only read: choose another folder")
    files.check_folder(out, KIND, _is_run)
    there = (out / CHECKPOINT).is_file()
    if resume and not there:
        raise InvalidInputError(f"nothing to resume: {out / CHECKPOINT} does not exist")
    if there and not resume:
        raise InvalidInputError(f"{out} holds a training already: add --resume, or choose another folder")


def _is_run(folder: Path) -> bool:
    """Whether a folder without our mark is a run of an earlier version: by its checkpoint and its log."""
    try:
        with (folder / LOG).open(encoding="utf-8") as log:
            entry = json.loads(log.readline())
        return zipfile.is_zipfile(folder / CHECKPOINT) and {"kind", "step", "minutes"} <= set(entry)
    except (OSError, ValueError, TypeError, RecursionError):
        return False


@contextmanager
def _claimed(out: Path) -> Iterator[None]:
    """A run's folder, with nobody else in it; not left behind where nothing came to be in it."""
    files.claim_folder(out, KIND, _is_run)
    busy = "another training writes into this folder: wait for it, or choose another --out"
    is_ours = False
    try:
        with files.locked(out, busy=busy):
            is_ours = True
            files.clear_parts(out)
            yield
    finally:
        if is_ours and {path.name for path in out.iterdir()} <= {files.MARK, files.LOCK}:
            files.remove_listed(out, [files.MARK, files.LOCK])
