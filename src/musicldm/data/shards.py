"""Which sources become one shard, by their names and sizes, and the one function that makes a shard of them.

A shard is named by a hash of its sources' contents and the settings, so that the same sources give the same shards
whatever was prepared before, whoever makes them, and however often it was stopped.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path

from musicldm.data.arrays import ArrayFile, memory_map
from musicldm.data.cutting import Tracker, clips_of
from musicldm.data.folders import WORK, publish, remove
from musicldm.data.manifest import CLIPS, SHARD, SHARDS, Made, PrepareSettings, Shard, read_json_lines
from musicldm.data.sources import Problem, Source
from musicldm.files import named, to_disk

SHARD_BYTES = 16 << 20
"""Expected size of the sources of a shard: some minutes of work of one core, at most lost when it is killed."""

Key = tuple[str, str]


@dataclass(frozen=True)
class Job:
    """What each worker has to know beside the shard that it is to make.

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
class StoredClips:
    """Where the clips and captions of a source lie in a shard that already has them."""

    shard: str
    first_clip: int
    clips: int
    first_caption: int
    captions: int


@dataclass(frozen=True)
class ShardPlan:
    """The sources of one shard, each with the shards where its clips already are."""

    name: str
    sources: tuple[tuple[Source, tuple[StoredClips, ...]], ...]

    def save(self, folder: Path) -> Path:
        """Writes the plan for a worker to read."""
        path = folder / f"{self.name}.jsonl"
        with path.open("w", encoding="utf-8", newline="\n") as file:
            for source, stored in self.sources:
                entry = {"source": asdict(source), "stored": [asdict(clips) for clips in stored]}
                file.write(json.dumps(entry, ensure_ascii=False) + "\n")
        return path

    @classmethod
    def load(cls, path: Path) -> ShardPlan:
        entries = read_json_lines(path)
        sources = []
        for entry in entries:
            source = Source(**{**entry["source"], "captions": tuple(entry["source"]["captions"])})
            sources.append((source, tuple(StoredClips(**clips) for clips in entry["stored"])))
        return cls(path.stem, tuple(sources))


def shard_groups(sources: Iterable[Source]) -> Iterator[list[Source]]:
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


def shard_name(settings: PrepareSettings, sources: Iterable[Source]) -> str:
    """Hash of all that decides about the bytes of a shard."""
    content = json.dumps([settings.identity, [(source.name, source.digest) for source in sources]])
    return hashlib.sha256(content.encode()).hexdigest()[:16]


def stored_clips(shards: Iterable[Shard], settings: PrepareSettings) -> Mapping[Key, Sequence[StoredClips]]:
    """Where each source of shards that were made with these settings has its clips."""
    stored: dict[Key, list[StoredClips]] = defaultdict(list)
    for shard in shards:
        clip = caption = 0
        for made in shard.sources if shard.settings == settings.identity else ():
            clips = StoredClips(shard.folder.name, clip, made.clips, caption, made.captions)
            stored[made.name, made.digest].append(clips)
            clip, caption = clip + made.clips, caption + made.captions
    return stored


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


def make_shard(path: Path, job: Job) -> int:
    """Makes a planned shard, or what is missing of it; returns its number of sources.

    Every engine calls this and nothing else. It may be killed at any point and called again, and by two at once.
    """
    plan = ShardPlan.load(path)
    folder = job.out / SHARDS / plan.name
    with one_thread():
        if not (folder / SHARD).is_file():
            _build(plan, job, folder)
        if job.model is not None:
            _encode(plan, job, Shard.load(folder))
    return len(plan.sources)


def _build(plan: ShardPlan, job: Job, folder: Path) -> None:
    unfinished = Path(tempfile.mkdtemp(prefix=f"{plan.name}.", dir=job.out / WORK))
    try:
        _ShardWriter(job, unfinished).shard(plan).save()
        unfinished.chmod(0o755)
        publish(unfinished, folder)
    finally:
        if unfinished.is_dir():
            remove(unfinished)


class _ShardWriter:
    """Writes the clips of the sources of one shard into a folder, one after the other."""

    def __init__(self, job: Job, folder: Path) -> None:
        self.job, self.folder = job, folder
        self.waves: ArrayFile
        self.mels: ArrayFile
        self.hifi: ArrayFile | None = None
        self.made: list[Made] = []
        self.problems: list[Problem] = []
        self.seconds = 0.0

    def shard(self, plan: ShardPlan) -> Shard:
        settings = self.job.settings
        spec, samples = settings.spec, settings.samples
        with (
            named(self.folder),
            ArrayFile(self.folder / "waves.npy", (samples,), "int16") as self.waves,
            ArrayFile(self.folder / "mels.npy", (spec.frames(samples), spec.n_mels), "float16") as self.mels,
            self._hifi_file() as self.hifi,
            (self.folder / CLIPS).open("w", encoding="utf-8", newline="\n") as rows,
        ):
            for source, stored in plan.sources:
                self._add(source, stored, rows.write)
            to_disk(rows)
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

    def _hifi_file(self) -> AbstractContextManager[ArrayFile | None]:
        hifi = self.job.settings.hifi
        if hifi is None:
            return nullcontext()
        return ArrayFile(self.folder / "hifi.npy", (hifi.channels, self.job.settings.hifi_samples), "int16")

    def _add(self, source: Source, stored: Sequence[StoredClips], write: Callable[[str], object]) -> None:
        there = [clips for clips in stored if (self.job.out / SHARDS / clips.shard / SHARD).is_file()]
        clips = captions = 0
        added = self._copied(source, there[0], write) if there else self._cut(source, write)
        for caption_count in added:
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

    def _copied(self, source: Source, stored: StoredClips, write: Callable[[str], object]) -> Iterator[int]:
        """Takes over the clips of a source from another shard."""
        folder = self.job.out / SHARDS / stored.shard
        self.problems += [problem for problem in Shard.load(folder).report if problem.file == source.name]
        clips = slice(stored.first_clip, stored.first_clip + stored.clips)
        self.waves.append(memory_map(folder / "waves.npy")[clips])
        self.mels.append(memory_map(folder / "mels.npy")[clips])
        if self.hifi is not None:
            self.hifi.append(memory_map(folder / "hifi.npy")[clips])
        for line in (folder / CLIPS).read_text(encoding="utf-8").split("\n")[clips]:
            row = json.loads(line)
            write(line + "\n")
            self.seconds += row["seconds"]
            yield len(row["captions"])


@lru_cache(maxsize=1)
def loaded_tracker(load: Callable[[], Tracker]) -> Tracker:
    """The tracker of this process."""
    return load()


def _encode(plan: ShardPlan, job: Job, shard: Shard) -> None:
    from musicldm.data.encoders import Encoders, Known, add_arrays

    assert job.model is not None
    known = []
    clip = caption = 0
    for (_, stored), made in zip(plan.sources, shard.sources, strict=True):
        for rows in stored:
            other = job.out / SHARDS / rows.shard
            if rows.shard != plan.name and made.clips and (other / SHARD).is_file():
                clips = slice(rows.first_clip, rows.first_clip + rows.clips)
                captions = slice(rows.first_caption, rows.first_caption + rows.captions)
                new = slice(clip, clip + made.clips), slice(caption, caption + made.captions)
                known.append(Known(Shard.load(other), clips, captions, *new))
        clip, caption = clip + made.clips, caption + made.captions
    add_arrays(shard, Encoders.cached(job.model, job.device, job.mixed_precision), known=known)
