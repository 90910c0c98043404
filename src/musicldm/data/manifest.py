"""What a prepared folder says about itself: settings, shards, and one manifest that a person can read."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from musicldm.audio.mel import MelSpec
from musicldm.data.sounds import NORMALISATIONS
from musicldm.data.sources import Problem
from musicldm.errors import DataError, InvalidInputError, unknown_choice
from musicldm.files import sha256, write_whole

FORMAT = 1
"""Of prepared folders; a folder of another one is made again."""
BEATS = ("auto", "model", "metadata", "none")
MANIFEST, REPORT, SHARDS, SHARD, CLIPS = "manifest.json", "report.jsonl", "shards", "shard.json", "clips.jsonl"
MEANINGS = {
    "waves": "(clips, samples): sound, full scale 32767, at the sample rate of mel",
    "hifi": "(clips, channels, samples): the same sound as it is heard, full scale 32767, at rate and channels of hifi",
    "mels": "(clips, frames, bins): natural log of the mel magnitude, see mel",
    "latents": "(clips, 2 channels, frames, bins): mean and deviation of a VAE's posterior, unscaled",
    "texts": "(captions, width): unit CLAP embeddings of all captions, those of a clip after those of the one before",
    "sounds": "(clips, width): unit CLAP embeddings of the clips' sound",
}
"""What an array holds, by the first word of its name; the second is the hash of the model that made it."""
_LINE = 160


@dataclass(frozen=True)
class HifiSpec:
    """The sound that a decoder learns to make, beside that which log-mels are made of.

    Args:
        sample_rate: samples a second.
        channels: 1, the mean of the file's, or 2, left and right; mono files get two alike.

    Raises:
        InvalidInputError: a value outside its range.
    """

    sample_rate: int = 48000
    channels: int = 1

    def __post_init__(self) -> None:
        if not 8000 <= self.sample_rate <= 192000:
            raise InvalidInputError(f"hifi sample rate {self.sample_rate}: valid is 8000 to 192000 Hz")
        if self.channels not in (1, 2):
            raise InvalidInputError(f"hifi channels {self.channels}: valid are 1 (mono) and 2 (stereo)")


@dataclass(frozen=True)
class PrepareSettings:
    """What prepared data are made like.

    Args:
        spec: the log-mels, and the rate of the sound.
        seconds: length of a clip; cut down to whole frames.
        normalize: "peak", "loudness" or "none", see `musicldm.data.sounds.level`.
        beats: "auto" (the metadata's where a file has them, else tracked), "model" (always tracked), "metadata" or
            "none".
        hifi: keep the sound at this rate and with these channels too, for `train decoder`; None for not.

    Raises:
        InvalidInputError: a value outside its range.
    """

    spec: MelSpec = field(default_factory=MelSpec)
    seconds: float = 10.24
    normalize: Literal["peak", "loudness", "none"] = "peak"
    beats: Literal["auto", "model", "metadata", "none"] = "auto"
    hifi: HifiSpec | None = None

    def __post_init__(self) -> None:
        if self.normalize not in NORMALISATIONS:
            raise unknown_choice("normalisation", self.normalize, NORMALISATIONS)
        if self.beats not in BEATS:
            raise unknown_choice("source of beats", self.beats, BEATS)
        least = self.spec.n_fft / self.spec.sample_rate
        if not least <= self.seconds <= 600:
            raise InvalidInputError(f"clips of {self.seconds} s: valid is {least:g} to 600")
        if self.hifi is not None and self.hifi.sample_rate * self.spec.hop_length % self.spec.sample_rate:
            frame = f"{self.spec.hop_length / self.spec.sample_rate:g} s"
            raise InvalidInputError(f"hifi sample rate {self.hifi.sample_rate}: a frame of {frame} is no whole samples")

    @property
    def samples(self) -> int:
        """Of a clip: whole frames."""
        return round(self.seconds * self.spec.sample_rate) // self.spec.hop_length * self.spec.hop_length

    @property
    def hifi_samples(self) -> int:
        """Of a clip at the rate of `hifi`, which must be there."""
        assert self.hifi is not None
        return self.samples * self.hifi.sample_rate // self.spec.sample_rate

    def as_json(self) -> dict[str, Any]:
        said = {"mel": asdict(self.spec), "seconds": self.seconds, "normalize": self.normalize, "beats": self.beats}
        return said if self.hifi is None else {**said, "hifi": asdict(self.hifi)}

    @property
    def identity(self) -> str:
        """Hash of all that decides about a clip's arrays beside its source."""
        return hashlib.sha256(json.dumps([FORMAT, self.as_json()], sort_keys=True).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Made:
    """A source in a shard, and how many clips and captions became of it."""

    name: str
    digest: str
    clips: int
    captions: int


@dataclass(frozen=True)
class Shard:
    """A folder of `shards/` that is complete.

    Attributes:
        folder: its path; its name is a hash of its sources and the settings.
        settings: `PrepareSettings.identity`.
        sample_rate: of its sound, in Hz.
        sources: in the order of their clips.
        seconds: of sound before padding.
        report: what was left out of it.
        files: names with SHA-256, and dtype and shape where they are arrays.
    """

    folder: Path
    settings: str
    sample_rate: int
    sources: tuple[Made, ...]
    seconds: float
    report: tuple[Problem, ...]
    files: dict[str, dict[str, Any]] = field(hash=False)

    @classmethod
    def load(cls, folder: Path) -> Shard:
        kept = json.loads((folder / SHARD).read_text(encoding="utf-8"))
        sources = tuple(Made(**made) for made in kept["sources"])
        report = tuple(Problem(**problem) for problem in kept["report"])
        return cls(folder, kept["settings"], kept["sample_rate"], sources, kept["seconds"], report, kept["files"])

    def save(self) -> None:
        """Writes `shard.json`, whole or not at all."""
        content = {
            "settings": self.settings,
            "sample_rate": self.sample_rate,
            "seconds": self.seconds,
            "sources": [asdict(made) for made in self.sources],
            "report": [problem.entry() for problem in self.report],
            "files": dict(sorted(self.files.items())),
        }
        write_json(self.folder / SHARD, content)

    def add(self, name: str) -> None:
        """Takes a file of the folder into `files`; `save` keeps it."""
        path = self.folder / name
        about: dict[str, Any] = {}
        if path.suffix == ".npy":
            array = np.load(path, mmap_mode="r")
            about = {"dtype": str(array.dtype), "shape": list(array.shape)}
            del array  # Windows renames no folder in which a file is open
        self.files[name] = {**about, "sha256": sha256(path)}

    @property
    def clips(self) -> int:
        return sum(made.clips for made in self.sources)

    @property
    def captions(self) -> int:
        return sum(made.captions for made in self.sources)


def write_json(path: Path, content: object) -> None:
    """A file of JSON, whole or not at all."""
    write_whole(path, _laid_out(content) + "\n")


def _laid_out(content: object, indent: str = "") -> str:
    """JSON in which what fits into a line stands on one."""
    line = json.dumps(content, ensure_ascii=False)
    if len(indent) + len(line) <= _LINE or not isinstance(content, dict | list) or not content:
        return line
    deeper = f"\n{indent}  "
    if isinstance(content, list):
        return "[" + ",".join(deeper + _laid_out(entry, f"{indent}  ") for entry in content) + f"\n{indent}]"
    entries = (f"{deeper}{json.dumps(key)}: {_laid_out(one, f'{indent}  ')}" for key, one in content.items())
    return "{" + ",".join(entries) + f"\n{indent}}}"


def read_json_lines(path: Path) -> list[Any]:
    """The JSON values of a file of our own with one a line; only line feeds end them."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n")[:-1]]


def write_report(out: Path, shards: Sequence[Shard], problems: Sequence[Problem]) -> Counter[str]:
    """Writes what was left out and why; returns how often each reason stands there."""
    left_out = sorted(
        [*problems, *(problem for shard in shards for problem in shard.report)], key=lambda problem: problem.file
    )
    lines = (json.dumps(problem.entry(), ensure_ascii=False) + "\n" for problem in left_out)
    write_whole(out / REPORT, "".join(lines))
    return Counter(problem.reason for problem in left_out)


def write_manifest(
    out: Path, src: Path, settings: PrepareSettings, shards: Sequence[Shard], left_out: Mapping[str, int]
) -> None:
    """Writes the manifest of all shards; `left_out` is what `write_report` gave."""
    content = {
        "format": FORMAT,
        "source": str(src.resolve()),
        **settings.as_json(),
        "files": sum(len(shard.sources) for shard in shards),
        "clips": sum(shard.clips for shard in shards),
        "captions": sum(shard.captions for shard in shards),
        "hours": round(sum(shard.seconds for shard in shards) / 3600, 4),
        "left_out": dict(sorted(left_out.items())),
        "arrays": _meanings(shards),
        "shards": [_about(shard) for shard in shards],
    }
    write_json(out / MANIFEST, content)


def refresh(out: Path) -> None:
    """Brings the manifest up to date with arrays that its shards have got since."""
    content = read_manifest(out)
    shards = [Shard.load(out / SHARDS / shard["name"]) for shard in content["shards"]]
    write_json(out / MANIFEST, {**content, "arrays": _meanings(shards), "shards": [_about(shard) for shard in shards]})


def _meanings(shards: Sequence[Shard]) -> dict[str, str]:
    names = {name.removesuffix(".npy") for shard in shards for name in shard.files if name.endswith(".npy")}
    return {name: MEANINGS[name.partition("-")[0]] for name in sorted(names)}


def _about(shard: Shard) -> dict[str, Any]:
    return {
        "name": shard.folder.name,
        "sources": len(shard.sources),
        "clips": shard.clips,
        "captions": shard.captions,
        "hours": round(shard.seconds / 3600, 4),
        "files": dict(sorted(shard.files.items())),
    }


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of a prepared folder.

    Raises:
        DataError: none there, or of another format; the message gives the command that makes it.
    """
    path = folder / MANIFEST
    if not path.is_file():
        raise DataError(f"{folder} is not prepared: musicldm prepare {folder} --out {folder}-prepared, then give that")
    try:
        manifest: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        has_format = manifest["format"]
    except (ValueError, KeyError, TypeError):
        raise DataError(f"{path} is no manifest of prepared data") from None
    if has_format != FORMAT:
        raise DataError(f"{path} has format {has_format}, this version reads {FORMAT}: run musicldm prepare again")
    return manifest


def spec_of(manifest: dict[str, Any]) -> MelSpec:
    """The log-mels that a manifest says."""
    return MelSpec(**manifest["mel"])


def hifi_of(manifest: dict[str, Any]) -> HifiSpec | None:
    """Rate and channels of the array "hifi" that a manifest says; None where there is none."""
    return HifiSpec(**manifest["hifi"]) if "hifi" in manifest else None


def row_starts(counts: Iterable[int]) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Counts of rows to the first row of each, and the end."""
    return np.cumsum([0, *counts]).astype(np.int64)
