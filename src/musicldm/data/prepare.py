"""Any folder of music to training data: `prepare(src, out)`, which `musicldm prepare` calls."""

from __future__ import annotations

import fcntl
import shutil
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from musicldm.data.cutting import Tracker, load_tracker
from musicldm.data.engines import Engine
from musicldm.data.manifest import SHARD, SHARDS, PrepareSettings, Shard, read_manifest, refresh, write_manifest
from musicldm.data.sources import Listing, Problem, Source, look_through
from musicldm.data.units import WORK, Job, Unit, complete_shards, grouped, places_in, run_unit, unit_name
from musicldm.errors import DataError, InvalidInputError

if TYPE_CHECKING:
    from musicldm.data.encoders import Encoders

Progress = Callable[[str, int, int], None]
"""Called with what is done, how many files of it are done, and of how many."""


@dataclass(frozen=True)
class Prepared:
    """What a run left in the folder.

    Attributes:
        clips, hours: of sound in all.
        sources: files that were asked for.
        worked_on: how many of them lie in shards that this run made or completed.
        left_out: how often each reason stands in the report.
    """

    clips: int
    hours: float
    sources: int
    worked_on: int
    left_out: Mapping[str, int] = field(hash=False)


@dataclass(frozen=True)
class _Plan:
    """Names of all shards in order, files of the units to do, and what cannot become clips."""

    shards: tuple[str, ...]
    units: tuple[Path, ...]
    sources: int
    to_do: int
    problems: tuple[Problem, ...]


def prepare(
    src: Path,
    out: Path,
    settings: PrepareSettings | None = None,
    *,
    model: Path | None = None,
    device: str = "auto",
    mixed_precision: str = "no",
    engine: Engine | None = None,
    tracker: Callable[[], Tracker] = load_tracker,
    progress: Progress | None = None,
) -> Prepared:
    """Makes `out` hold the prepared data of all music in `src`, doing only what is new, changed or unfinished.

    Args:
        src: a folder in any of the formats of docs/data.md, or a tar.
        out: the prepared folder, not inside `src`; beside its manifest it holds nothing else.
        settings: what the data are made like; other ones than before make all of it again.
        model: folder with encoders, whose latents and embeddings are added.
        device: that these run on: "auto", "cpu", "cuda" or "mps".
        mixed_precision: of the VAE among them: "no", "bf16" or "fp16"; CLAP computes in float32.
        engine: where the work is done; by default one process a core.
        tracker: gives a beat tracker; a function of a module, since each worker calls it.
        progress: called now and then.

    Raises:
        InvalidInputError: `out` is inside `src`, an unknown device or precision.
        DataError: no audio in `src`, no clip in any of it, or a folder `out` that is something else.
        CheckpointError: a model folder without encoders.
    """
    settings, engine = settings or PrepareSettings(), engine or Engine()
    src, out = Path(src), Path(out)
    if out.resolve().is_relative_to(src.resolve()):
        raise InvalidInputError(f"{out} is inside {src}: choose a folder beside it")
    _check_folder(out)
    if model is not None:
        from musicldm.data.encoders import Encoders

        Encoders.cached(model, device, mixed_precision)
    say = progress or _say_nothing
    listing = look_through(src, lambda done, total: say("Looking", done, total))
    if listing.bare:
        warnings.warn(f"{src} has no captions: they are made from tags and names of folders", stacklevel=2)
    with _locked(out):
        _clear(out)
        job = Job(src.parent if src.is_file() else src, out, settings, model, device, mixed_precision, tracker)
        plan = _plan(listing, job)
        say("Preparing", 0, plan.to_do)
        try:
            _work_through(plan, job, engine, lambda done: say("Preparing", done, plan.to_do))
        except ChildProcessError as error:
            raise ChildProcessError(f"{error}; the same command goes on from here") from error
        return _finish(src, job, plan)


def _work_through(plan: _Plan, job: Job, engine: Engine, say: Callable[[int], None]) -> None:
    done = 0
    for _, sources in engine(partial(run_unit, job=job), plan.units):
        done += sources
        say(done)


def _say_nothing(_what: str, _done: int, _total: int) -> None:
    pass


def _check_folder(out: Path) -> None:
    ours = {"manifest.json", "report.jsonl", ".lock", SHARDS, WORK}
    other = sorted({path.name for path in out.iterdir()} - ours) if out.is_dir() else []
    if other and not (out / SHARDS).is_dir():
        raise DataError(f"{out} holds {other[0]} and is no prepared folder: choose another one")


@contextmanager
def _locked(out: Path) -> Iterator[None]:
    """Waits until no other process changes the folder; the system takes the lock from a process that dies."""
    out.mkdir(parents=True, exist_ok=True)
    with (out / ".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _clear(out: Path) -> None:
    """Takes away what a killed run left half done, and makes the folders."""
    shutil.rmtree(out / WORK, ignore_errors=True)
    for folder in (out / SHARDS, out / WORK):
        folder.mkdir(exist_ok=True)
    for shard in (out / SHARDS).iterdir():
        if not (shard / SHARD).is_file():
            shutil.rmtree(shard)


def _plan(listing: Listing, job: Job) -> _Plan:
    done = {shard.folder.name: frozenset(shard.files) for shard in complete_shards(job.out)}
    places = places_in(complete_shards(job.out), job.settings)
    wanted = _wanted_arrays(job)
    problems: list[Problem] = []
    names, units, sources, to_do = [], [], 0, 0

    def usable() -> Iterator[Source]:
        for one in listing.sources:
            if isinstance(one, Problem):
                problems.append(one)
            else:
                yield one

    for group in grouped(usable()):
        name = unit_name(job.settings, group)
        names.append(name)
        sources += len(group)
        if name not in done or not wanted <= done[name]:
            known = ((source, tuple(places.get((source.name, source.digest), ()))) for source in group)
            units.append(Unit(name, tuple(known)).save(job.out / WORK))
            to_do += len(group)
    return _Plan(tuple(names), tuple(units), sources, to_do, tuple(problems))


def _wanted_arrays(job: Job) -> frozenset[str]:
    """Files that every shard with clips is to have beside those that it begins with."""
    if job.model is None:
        return frozenset()
    from musicldm.data.encoders import Encoders

    names = Encoders.cached(job.model, job.device, job.mixed_precision).array_names().values()
    return frozenset(f"{name}.npy" for name in names)


def _finish(src: Path, job: Job, plan: _Plan) -> Prepared:
    """Writes report and manifest, and then takes away shards that belong to nothing any more."""
    shards = [Shard.load(job.out / SHARDS / name) for name in plan.shards]
    left_out = write_manifest(job.out, src, job.settings, shards, plan.problems)
    keep = set(plan.shards)
    for folder in (job.out / SHARDS).iterdir():
        if folder.name not in keep:
            (folder / SHARD).unlink(missing_ok=True)
            shutil.rmtree(folder)
    shutil.rmtree(job.out / WORK)
    clips = sum(shard.clips for shard in shards)
    if not clips:
        reasons = ", ".join(f"{count} {reason}" for reason, count in sorted(left_out.items()))
        raise DataError(f"{src} gave no clip ({reasons}): see {job.out / 'report.jsonl'}")
    hours = sum(shard.seconds for shard in shards) / 3600
    return Prepared(clips, hours, plan.sources + len(plan.problems), plan.to_do, left_out)


def encode(
    folder: Path,
    encoders: Encoders,
    kinds: Sequence[str],
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Adds to a prepared folder what is missing of the arrays that these encoders make.

    Args:
        folder: that `prepare` made.
        encoders: at hand, so that trainings need not have them in a folder.
        kinds: of `musicldm.data.encoders.KINDS`.
        progress: called with clips done and of how many.

    Raises:
        DataError: not a prepared folder.
    """
    from musicldm.data.encoders import add_arrays

    wanted = {f"{name}.npy" for name in encoders.array_names(kinds).values()}
    names = [shard["name"] for shard in read_manifest(folder)["shards"] if shard["clips"]]
    if all((folder / SHARDS / name / file).is_file() for name in names for file in wanted):
        return
    with _locked(folder):
        shards = [Shard.load(folder / SHARDS / name) for name in names]
        total, done = sum(shard.clips for shard in shards), 0
        for shard in shards:
            add_arrays(shard, encoders, kinds)
            done += shard.clips
            if progress is not None:
                progress(done, total)
        refresh(folder)
