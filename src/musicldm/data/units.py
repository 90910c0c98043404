"""Units of work: the sources that become one shard, planned from their names and sizes, each made by one function.

A shard is named by a hash of its sources' contents and the settings, so that the same sources give the same shards
whatever was prepared before, whoever makes them, and however often it was stopped.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path

from musicldm.data.arrays import ArrayFile, mapped, to_disk
from musicldm.data.cutting import Tracker, clips_of
from musicldm.data.manifest import CLIPS, SHARD, SHARDS, Made, PrepareSettings, Shard
from musicldm.data.sources import Problem, Source

WORK = "work"
"""Folder of what is not finished, gone at the end."""
SHARD_BYTES = 16 << 20
"""Expected size of the sources of a shard: some minutes of work of one core, at most lost when it is killed."""

Key = tuple[str, str]


@dataclass(frozen=True)
class Job:
    """What each worker has to know beside its unit.

    Attributes:
        root: the folder that sources' paths are below.
        out: the prepared folder.
        settings: what the data are made like.
        model: folder of the encoders, or None.
        device: that they run on.
        mixed_precision: of the VAE among them.
        tracker: gives the beat tracker; called once in each process.
    """

    root: Path
    out: Path
    settings: PrepareSettings
    model: Path | None
    device: str
    mixed_precision: str
    tracker: Callable[[], Tracker]


@dataclass(frozen=True)
class Place:
    """Where the clips and captions of a source lie in a shard that has them already."""

    shard: str
    first_clip: int
    clips: int
    first_caption: int
    captions: int


@dataclass(frozen=True)
class Unit:
    """The sources of one shard, each with the places where its clips already are."""

    name: str
    sources: tuple[tuple[Source, tuple[Place, ...]], ...]

    def save(self, folder: Path) -> Path:
        """Writes the unit for a worker to read."""
        path = folder / f"{self.name}.jsonl"
        with path.open("w", encoding="utf-8") as file:
            for source, places in self.sources:
                entry = {"source": asdict(source), "places": [asdict(place) for place in places]}
                file.write(json.dumps(entry, ensure_ascii=False) + "\n")
        return path

    @classmethod
    def load(cls, path: Path) -> Unit:
        entries = [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n")[:-1]]
        sources = []
        for entry in entries:
            source = Source(**{**entry["source"], "captions": tuple(entry["source"]["captions"])})
            sources.append((source, tuple(Place(**place) for place in entry["places"])))
        return cls(path.stem, tuple(sources))


def grouped(sources: Iterable[Source]) -> Iterator[list[Source]]:
    """Sources in their order as groups of about `SHARD_BYTES`.

    Whether a source begins a group depends on its own name and size alone: to add, change or remove one changes its
    own group and at most the next.
    """
    group: list[Source] = []
    for source in sources:
        if group and _draw(source.name) < source.size / SHARD_BYTES:
            yield group
            group = []
        group.append(source)
    if group:
        yield group


def _draw(name: str) -> float:
    """A name to an even number in [0, 1), always the same one."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8]) / 2**64


def unit_name(settings: PrepareSettings, sources: Iterable[Source]) -> str:
    """Hash of all that decides about the bytes of a shard."""
    content = json.dumps([settings.identity, [(source.name, source.digest) for source in sources]])
    return hashlib.sha256(content.encode()).hexdigest()[:16]


def complete_shards(out: Path) -> Iterator[Shard]:
    """The finished shards of a folder, whatever they are of."""
    yield from (Shard.load(path.parent) for path in sorted((out / SHARDS).glob(f"*/{SHARD}")))


def places_in(shards: Iterable[Shard], settings: PrepareSettings) -> Mapping[Key, Sequence[Place]]:
    """Where each source of shards that were made with these settings has its clips."""
    found: dict[Key, list[Place]] = defaultdict(list)
    for shard in shards:
        clip = caption = 0
        for made in shard.sources if shard.settings == settings.identity else ():
            place = Place(shard.folder.name, clip, made.clips, caption, made.captions)
            found[made.name, made.digest].append(place)
            clip, caption = clip + made.clips, caption + made.captions
    return found


@contextmanager
def one_thread() -> Iterator[None]:
    """Lets torch compute with one thread, whose sums do not depend on the machine's number of cores."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def run_unit(path: Path, job: Job) -> int:
    """Makes the shard of a unit, or what is missing of it; returns its number of sources.

    Every engine calls this and nothing else. It may be killed at any point and called again, and by two at once.
    """
    unit = Unit.load(path)
    folder = job.out / SHARDS / unit.name
    with one_thread():
        if not (folder / SHARD).is_file():
            _build(unit, job, folder)
        if job.model is not None:
            _encode(unit, job, Shard.load(folder))
    return len(unit.sources)


def _build(unit: Unit, job: Job, folder: Path) -> None:
    partial = Path(tempfile.mkdtemp(prefix=f"{unit.name}.", dir=job.out / WORK))
    try:
        shard = _Builder(job, partial).shard(unit)
        shard.save()
        partial.chmod(0o755)
        try:
            partial.rename(folder)
        except OSError:
            if not (folder / SHARD).is_file():  # another worker, thought lost, was faster
                raise
        sync_folder(folder.parent)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def sync_folder(folder: Path) -> None:
    """Brings the names in a folder to the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class _Builder:
    """Writes the clips of one unit's sources into a folder, one after the other."""

    def __init__(self, job: Job, folder: Path) -> None:
        self.job, self.folder = job, folder
        spec, samples = job.settings.spec, job.settings.samples
        self.waves = ArrayFile(folder / "waves.npy", (samples,), "int16")
        self.mels = ArrayFile(folder / "mels.npy", (spec.frames(samples), spec.n_mels), "float16")
        self.hifi: ArrayFile | None = None
        if job.settings.hifi is not None:
            row = (job.settings.hifi.channels, job.settings.hifi_samples)
            self.hifi = ArrayFile(folder / "hifi.npy", row, "int16")
        self.made: list[Made] = []
        self.problems: list[Problem] = []
        self.seconds = 0.0

    def shard(self, unit: Unit) -> Shard:
        with (
            self.waves,
            self.mels,
            self.hifi or nullcontext(),
            (self.folder / CLIPS).open("w", encoding="utf-8") as rows,
        ):
            for source, places in unit.sources:
                self._add(source, places, rows.write)
            to_disk(rows)
        settings = self.job.settings
        shard = Shard(
            self.folder,
            settings.identity,
            settings.spec.sample_rate,
            tuple(self.made),
            round(self.seconds, 3),
            tuple(self.problems),
            {},
        )
        for name in (CLIPS, "waves.npy", "mels.npy", *(("hifi.npy",) if self.hifi is not None else ())):
            shard.add(name)
        return shard

    def _add(self, source: Source, places: Sequence[Place], write: Callable[[str], object]) -> None:
        here = [place for place in places if (self.job.out / SHARDS / place.shard / SHARD).is_file()]
        clips = captions = 0
        found = self._copied(source, here[0], write) if here else self._cut(source, write)
        for caption_count in found:
            clips, captions = clips + 1, captions + caption_count
        self.made.append(Made(source.name, source.digest, clips, captions))

    def _cut(self, source: Source, write: Callable[[str], object]) -> Iterator[int]:
        """Makes the clips of a source; yields the number of captions of each."""
        job = self.job
        tracker = loaded_tracker(job.tracker) if job.settings.beats in ("auto", "model") else None
        for clip in clips_of(source, job.root, job.settings, tracker, self.folder):
            if isinstance(clip, Problem):
                self.problems.append(clip)
                continue
            self.waves.append(clip.wave[None])
            self.mels.append(clip.mel[None])
            if self.hifi is not None:
                assert clip.hifi is not None
                self.hifi.append(clip.hifi[None])
            write(json.dumps(clip.row, ensure_ascii=False) + "\n")
            self.seconds += clip.row["seconds"]
            yield len(clip.row["captions"])

    def _copied(self, source: Source, place: Place, write: Callable[[str], object]) -> Iterator[int]:
        """Takes over the clips of a source from another shard."""
        folder = self.job.out / SHARDS / place.shard
        self.problems += [one for one in Shard.load(folder).report if one.file == source.name]
        clips = slice(place.first_clip, place.first_clip + place.clips)
        self.waves.append(mapped(folder / "waves.npy")[clips])
        self.mels.append(mapped(folder / "mels.npy")[clips])
        if self.hifi is not None:
            self.hifi.append(mapped(folder / "hifi.npy")[clips])
        for line in (folder / CLIPS).read_text(encoding="utf-8").split("\n")[clips]:
            row = json.loads(line)
            write(line + "\n")
            self.seconds += row["seconds"]
            yield len(row["captions"])


@lru_cache(maxsize=1)
def loaded_tracker(load: Callable[[], Tracker]) -> Tracker:
    """The tracker of this process."""
    return load()


def _encode(unit: Unit, job: Job, shard: Shard) -> None:
    from musicldm.data.encoders import Encoders, Known, add_arrays

    assert job.model is not None
    known = []
    clip = caption = 0
    for (_, places), made in zip(unit.sources, shard.sources, strict=True):
        for place in places:
            other = job.out / SHARDS / place.shard
            if place.shard != unit.name and made.clips and (other / SHARD).is_file():
                clips = slice(place.first_clip, place.first_clip + place.clips)
                captions = slice(place.first_caption, place.first_caption + place.captions)
                new = slice(clip, clip + made.clips), slice(caption, caption + made.captions)
                known.append(Known(Shard.load(other), clips, captions, *new))
        clip, caption = clip + made.clips, caption + made.captions
    add_arrays(shard, Encoders.cached(job.model, job.device, job.mixed_precision), known=known)
