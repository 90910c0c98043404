"""Any folder of music to training data: `prepare(src, out)`, which `musicldm prepare` calls."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from musicldm import files
from musicldm.data import folders
from musicldm.data.arrays import memory_map
from musicldm.data.cutting import Tracker, load_tracker
from musicldm.data.manifest import (
    MANIFEST,
    REPORT,
    SHARDS,
    PrepareSettings,
    Shard,
    read_manifest,
    refresh,
    write_manifest,
    write_report,
)
from musicldm.data.shards import Job, ShardPlan, make_shard, shard_groups, shard_name, stored_clips
from musicldm.data.sources import PYAV, Listing, Problem, Source, look_through
from musicldm.errors import DataError, InvalidInputError, MissingDependencyError
from musicldm.events import Listener, Note, Progress, ignore, warn_of_notes
from musicldm.machine.parallel import WorkerPool
from musicldm.model.mels import ModelMels

if TYPE_CHECKING:
    from musicldm.data.encoders import Encoders


@dataclass(frozen=True)
class Prepared:
    """What a run left in the folder.

    Attributes:
        clips, hours: of sound in all.
        sources: files that were asked for.
        worked_on: how many of them lie in shards that this run made or completed.
        left_out: how often each reason stands in the report.
        gone: names of files whose clips were in the folder, and which are no longer in the music.
    """

    clips: int
    hours: float
    sources: int
    worked_on: int
    left_out: Mapping[str, int] = field(hash=False)
    gone: tuple[str, ...] = ()


@dataclass(frozen=True)
class _WorkPlan:
    """What a run has to do.

    Attributes:
        shards: names of all in order.
        to_make: files with the plans of those that are not there, or not whole.
        sources: in all shards.
        to_do: sources in the shards to make.
        problems: what cannot become clips.
        gone: files whose clips were in the folder, and which are no longer in the music.
    """

    shards: tuple[str, ...]
    to_make: tuple[Path, ...]
    sources: int
    to_do: int
    problems: tuple[Problem, ...]
    gone: tuple[str, ...]


def prepare(
    src: Path,
    out: Path,
    settings: PrepareSettings | None = None,
    *,
    model: Path | None = None,
    device: str = "auto",
    mixed_precision: str = "no",
    pool: WorkerPool | None = None,
    tracker: Callable[[], Tracker] = load_tracker,
    listen: Listener = warn_of_notes,
) -> Prepared:
    """Makes `out` hold the prepared data of all music in `src`, doing only what is new, changed or unfinished.

    Args:
        src: a folder in any of the formats of docs/data.md, or a tar.
        out: the prepared folder, not inside `src`: a new or an empty one, or one that was prepared before. What else
            is in that stays as it is.
        settings: what the data are made like; other ones than before make all of it again.
        model: folder with encoders, whose latents and embeddings are added.
        device: that these run on: "auto", "cpu", "cuda" or "mps".
        mixed_precision: of the VAE among them: "no", "bf16" or "fp16"; CLAP computes in float32.
        pool: where the work is done; by default one process a core.
        tracker: gives a beat tracker; a function of a module, since each worker calls it.
        listen: gets files done and of how many, and a note where captions are made from tags.

    Raises:
        InvalidInputError: `out` is inside `src`, an unknown device or precision, or a model for other log-mels.
        DataError: no audio in `src`, no clip in any of it, none of the files that are in `out` already, or a folder
            `out` that is something else.
        CheckpointError: a model folder without encoders.
        OSError: the machine refuses. As after every error, shards that were there are there still, and the same call
            goes on from there.
    """
    settings, pool = settings or PrepareSettings(), pool or WorkerPool()
    src, out = Path(src), Path(out)
    if out.resolve().is_relative_to(src.resolve()):
        raise InvalidInputError(f"{out} is inside {src}: choose a folder beside it")
    folders.check(out)
    if model is not None:
        from musicldm.data.encoders import Encoders

        ModelMels.of_folder(model).check(settings.spec)
        Encoders.cached(model, device, mixed_precision)
    listing = look_through(src, listen)
    if listing.bare:
        listen(Note(f"{src} has no captions: they are made from tags and names of folders"))
    folders.claim(out)
    job = Job(src.parent if src.is_file() else src, out, settings, model, device, mixed_precision, tracker)
    with files.locked(out):
        folders.clear(out)
        try:
            return _brought_up_to_date(src, job, listing, pool, listen)
        finally:
            with suppress(OSError):  # the next run does it
                folders.clear_work(out)


def _brought_up_to_date(src: Path, job: Job, listing: Listing, pool: WorkerPool, listen: Listener) -> Prepared:
    for name in (SHARDS, folders.WORK):
        (job.out / name).mkdir(exist_ok=True)
    plan = _plan(src, listing, job)
    try:
        _work_through(plan, job, pool, listen)
    except ChildProcessError as error:
        raise ChildProcessError(f"{error}; the same command goes on from here") from error
    return _finish(src, job, plan)


def _work_through(plan: _WorkPlan, job: Job, pool: WorkerPool, listen: Listener) -> None:
    done = 0
    listen(Progress(done, plan.to_do, "Preparing"))
    for _, sources in pool(partial(make_shard, job=job), plan.to_make):
        done += sources
        listen(Progress(done, plan.to_do, "Preparing"))


class _Before:
    """The files whose clips a folder holds already: `gone` are those that were not met again."""

    def __init__(self, shards: Iterable[Shard]) -> None:
        made = [source for shard in shards for source in shard.sources]
        self.gone = {source.name for source in made}
        self._files, self._digests, self._met = len(self.gone), {source.digest for source in made}, not made

    def meet(self, met: Source | Problem) -> None:
        self.gone.discard(met.file if isinstance(met, Problem) else met.name)
        self._met |= len(self.gone) < self._files or (isinstance(met, Source) and met.digest in self._digests)

    def check(self, src: Path, job: Job, problems: Sequence[Problem]) -> None:
        """Looks whether what is gone may go.

        Raises:
            DataError: nothing of what is there was met again: it is other music.
            PermissionError: they are in a folder or tar that may not be read.
        """
        if not self._met:
            raise DataError(
                f"{job.out} holds other music, none of its {self._files} files is in {src}: choose another folder, "
                "or remove it"
            )
        for problem in problems:
            if problem.reason == "unreadable" and any(name.startswith(f"{problem.file}/") for name in self.gone):
                raise PermissionError(errno.EACCES, problem.detail, str(job.root / problem.file))


def _plan(src: Path, listing: Listing, job: Job) -> _WorkPlan:
    there = list(folders.complete_shards(job.out))
    done = {shard.folder.name: frozenset(shard.files) for shard in there}
    stored, before, wanted = stored_clips(there, job.settings), _Before(there), _wanted_arrays(job)
    problems: list[Problem] = []
    names, to_make, sources, to_do = [], [], 0, 0

    def usable() -> Iterator[Source]:
        for source in map(_with_packages, listing.sources):
            before.meet(source)
            if isinstance(source, Problem):
                problems.append(source)
            else:
                yield source

    for group in shard_groups(usable()):
        name = shard_name(job.settings, group)
        names.append(name)
        sources += len(group)
        if name not in done or not wanted <= done[name]:
            known = ((source, tuple(stored.get((source.name, source.digest), ()))) for source in group)
            to_make.append(ShardPlan(name, tuple(known)).save(job.out / folders.WORK))
            to_do += len(group)
    before.check(src, job, problems)
    return _WorkPlan(tuple(names), tuple(to_make), sources, to_do, tuple(problems), tuple(sorted(before.gone)))


def _with_packages(source: Source | Problem) -> Source | Problem:
    """A source that can be read with what is installed; else why not, which is no longer so after an installation."""
    if isinstance(source, Problem) or Path(source.name).suffix.lower() not in PYAV or find_spec("av") is not None:
        return source
    return Problem(source.name, "unreadable", str(MissingDependencyError("av", "aac")))


def _wanted_arrays(job: Job) -> frozenset[str]:
    """Files that every shard with clips is to have beside those that it begins with."""
    if job.model is None:
        return frozenset()
    from musicldm.data.encoders import Encoders

    names = Encoders.cached(job.model, job.device, job.mixed_precision).array_names().values()
    return frozenset(f"{name}.npy" for name in names)


def _finish(src: Path, job: Job, plan: _WorkPlan) -> Prepared:
    """Writes report and manifest, and then takes away shards that belong to nothing any more.

    Where there is no clip, all shards that were there before stay.
    """
    shards = [Shard.load(job.out / SHARDS / name) for name in plan.shards]
    left_out = write_report(job.out, shards, plan.problems)
    clips = sum(shard.clips for shard in shards)
    if clips or not (job.out / MANIFEST).exists():
        write_manifest(job.out, src, job.settings, shards, left_out)
    if not clips:
        reasons = ", ".join(f"{count} {reason}" for reason, count in sorted(left_out.items()))
        raise DataError(f"{src} gave no clip ({reasons}): see {job.out / REPORT}")
    keep = set(plan.shards)
    memory_map.cache_clear()  # Windows removes no file that is open
    for folder in folders.shard_folders(job.out):
        if folder.name not in keep:
            folders.remove(folder)
    hours = sum(shard.seconds for shard in shards) / 3600
    return Prepared(clips, hours, plan.sources + len(plan.problems), plan.to_do, left_out, plan.gone)


def encode(
    folder: Path,
    encoders: Encoders,
    kinds: Sequence[str],
    listen: Listener = ignore,
) -> None:
    """Adds to a prepared folder what is missing of the arrays that these encoders make.

    Args:
        folder: that `prepare` made.
        encoders: at hand, so that trainings need not have them in a folder.
        kinds: of `musicldm.data.encoders.KINDS`.
        listen: gets clips done and of how many.

    Raises:
        DataError: not a prepared folder.
    """
    from musicldm.data.encoders import add_arrays

    wanted = {f"{name}.npy" for name in encoders.array_names(kinds).values()}
    names = [shard["name"] for shard in read_manifest(folder)["shards"] if shard["clips"]]
    if all((folder / SHARDS / name / file).is_file() for name in names for file in wanted):
        return
    with files.locked(folder):
        shards = [Shard.load(folder / SHARDS / name) for name in names]
        total, done = sum(shard.clips for shard in shards), 0
        for shard in shards:
            add_arrays(shard, encoders, kinds)
            done += shard.clips
            listen(Progress(done, total, " and ".join(kinds)))
        refresh(folder)
