"""Composed clips as a folder: audio files and `metadata.jsonl`.

Clip k of a corpus has the seed `corpus seed × 10⁸ + k`, which decides everything about it, the sound font among what
is given included; so neither the number of workers nor of clips changes a clip's bytes (same fonts, libraries and
kind of machine). Finished clips are listed in `metadata.partial.jsonl` until all are done; a run that was stopped
goes on from there. Nothing is ever written over: a file gets its name when it is whole, a clip after its stems, and
its row after that.
"""

import json
import signal
from collections import deque
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from itertools import islice
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from musicldm import files
from musicldm.audio import Wave
from musicldm.audio.writing import encode
from musicldm.corpus.captions import captions
from musicldm.corpus.composing.arrangement import compose
from musicldm.corpus.listing import Lists
from musicldm.corpus.sound.degradation import degrade
from musicldm.corpus.sound.rendering import CHANNELS, SAMPLE_RATES, Rendered, fold, render, render_stems
from musicldm.corpus.sound.soundfont import SoundFont
from musicldm.corpus.sound.soundfonts import find_soundfonts
from musicldm.corpus.truth import GENRES, STEREO_PRODUCTIONS, Truth
from musicldm.errors import DataError, InvalidInputError, unknown_choice
from musicldm.machine.cores import process_count

EDITION = 2
"""Of the composer: another edition makes other clips of the same seeds."""
FORMATS = ("flac", "wav")
CAPTIONS_PER_CLIP = 8
SEEDS_PER_CORPUS = 10**8
KIND = "a corpus"
_SETTINGS = "corpus.json"


@dataclass(frozen=True)
class ClipSettings:
    """What every clip of a corpus has in common."""

    seed: int
    seconds: float
    sample_rate: int
    audio_format: str
    fonts: tuple[str, ...]
    genres: tuple[str, ...] = ()
    channels: int = 1
    stems: bool = False

    def __post_init__(self) -> None:
        if self.seed < 0:
            raise InvalidInputError(f"seed {self.seed}: a whole number from 0 up")
        if not 1 <= self.seconds <= 600:
            raise InvalidInputError(f"seconds {self.seconds}: from 1 to 600")
        low, high = SAMPLE_RATES
        if not low <= self.sample_rate <= high:
            raise InvalidInputError(f"sample rate {self.sample_rate}: from {low} to {high} Hz")
        if self.channels not in CHANNELS:
            raise unknown_choice("channels", str(self.channels), tuple(str(count) for count in CHANNELS))
        if self.audio_format not in FORMATS:
            raise unknown_choice("audio format", self.audio_format, FORMATS)
        for genre in self.genres:
            if genre not in GENRES:
                raise unknown_choice("genre", genre, GENRES)

    def name_and_seed(self, index: int) -> tuple[str, int]:
        """Of clip `index`: its file below the corpus, and its seed."""
        return f"audio/{index:06d}.{self.audio_format}", self.seed * SEEDS_PER_CORPUS + index

    @property
    def places(self) -> tuple[str, ...]:
        """The folders of a corpus."""
        return ("audio", "stems") if self.stems else ("audio",)


@dataclass(frozen=True)
class Built:
    """What a run left in the folder: how many clips there are, and how many of them it made."""

    clips: int
    made: int


def build_corpus(
    out: Path,
    *,
    clips: int,
    seed: int = 0,
    seconds: float = 10.24,
    sample_rate: int = 16000,
    workers: int | None = None,
    audio_format: str = "flac",
    soundfonts: Sequence[Path] | None = None,
    genres: Sequence[str] = (),
    channels: int = 1,
    stems: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Built:
    """Writes `clips` clips and `metadata.jsonl` to `out`, or what is missing of them; more clips than that stay.

    seconds: 1 to 600; sample_rate: 8000 to 48000 Hz; workers: processes, by default one a core; audio_format: "flac"
    or "wav"; soundfonts: by default those of `find_soundfonts`; genres: which to compose, in turn, by default all as
    drawn; channels: 1 or 2; stems: also write the parts one by one, `stems/<clip>/<role>`; progress: called with
    (done, clips).
    Raises DataError if `out` is no corpus, one of other settings, or has files of others under names that are needed,
    InvalidInputError for a value outside these, OSError where the machine refuses; the same call then goes on.
    """
    if clips < 1:
        raise InvalidInputError(f"clips {clips}: at least 1")
    fonts = tuple(str(path) for path in (soundfonts or find_soundfonts()))
    settings = ClipSettings(seed, seconds, sample_rate, audio_format, fonts, tuple(genres), channels, stems)
    identities = [_identity(Path(font)) for font in fonts]
    about = {"edition": EDITION, **asdict(settings), "fonts": identities, "genres": list(genres)}
    folder = Path(out)
    _check_folder(folder, settings, about)
    files.claim_folder(folder, KIND, _is_corpus)
    with files.locked(folder):
        _check_folder(folder, settings, about)
        if not (folder / _SETTINGS).exists():
            files.write_whole(folder / _SETTINGS, json.dumps(about, indent=2) + "\n")
        files.clear_parts(folder)
        for place in settings.places:
            (folder / place).mkdir(exist_ok=True)
            files.clear_parts(folder / place)
        return _complete(folder, settings, clips, process_count(workers), progress)


def _complete(
    folder: Path, settings: ClipSettings, clips: int, workers: int, progress: Callable[[int, int], None] | None
) -> Built:
    """Makes the clips that are not listed, and those that are listed and not all there."""
    lists = Lists(folder, settings.name_and_seed)
    there = {path.stem for place in settings.places for path in (folder / place).iterdir()}
    coming = range(lists.done, clips)
    _check_free(folder, settings, [index for index in coming if Path(settings.name_and_seed(index)[0]).stem in there])
    to_do = [*lists.lost, *coming]
    try:
        with closing(_make_clips(folder, settings, to_do, workers)) as made, lists.appending() as append:
            for index, (row, parts) in zip(to_do, made, strict=True):
                for name, part in parts.items():
                    _publish(part, folder / name)
                if index >= lists.done:
                    append(row)
                if progress is not None:
                    progress(index + 1, clips)
    finally:
        for place in settings.places:
            files.clear_parts(folder / place)
    lists.finish()
    return Built(lists.done, len(to_do))


def _check_folder(folder: Path, settings: ClipSettings, about: dict[str, Any]) -> None:
    """Refuses what is no corpus, and to mix two of them; touches nothing."""
    files.check_folder(folder, KIND, _is_corpus)
    path = folder / _SETTINGS
    for place in settings.places:
        if (folder / place).exists() and not (folder / place).is_dir():
            raise _in_the_way(folder / place)
    if not path.exists():
        return
    if not _is_corpus(folder):
        raise _in_the_way(path)
    kept = json.loads(path.read_text(encoding="utf-8"))
    changed = [f"{name} {kept.get(name)!r} → {value!r}" for name, value in about.items() if kept.get(name) != value]
    if changed:
        raise DataError(f"{folder} holds a corpus of other settings ({'; '.join(changed)}); choose another folder")


def _is_corpus(folder: Path) -> bool:
    """Whether there are the settings of a corpus: also earlier versions, which set no mark, wrote them first."""
    path = folder / _SETTINGS
    try:
        kept = json.loads(path.read_bytes()) if path.is_file() else None
    except (ValueError, RecursionError):
        return False
    return isinstance(kept, dict) and {"seed", "seconds", "sample_rate", "audio_format", "fonts"} <= kept.keys()


def _check_free(folder: Path, settings: ClipSettings, indices: Sequence[int]) -> None:
    """Raises DataError where files under names of clips to come are not those very clips, as a killed run leaves."""
    if not indices:
        return
    maker = ClipMaker(folder, settings)
    for index in indices:
        for name, content in maker.encoded(index)[1].items():
            path = folder / name
            if path.parent.exists() and not path.parent.is_dir():
                raise _in_the_way(path.parent)
            if path.exists() and not _is_same(path, content):
                raise _in_the_way(path)


def _publish(part: Path, path: Path) -> None:
    """Gives a finished file its name, which is free or that of the same file."""
    try:
        path.parent.mkdir(exist_ok=True)
    except FileExistsError:
        raise _in_the_way(path.parent) from None
    try:
        files.publish(part, path)
    except FileExistsError:
        if not _is_same(path, part.read_bytes()):
            raise _in_the_way(path) from None
        part.replace(path)


def _is_same(path: Path, content: bytes) -> bool:
    """Whether a file holds this content, or nothing at all."""
    return path.is_file() and (not path.stat().st_size or path.read_bytes() == content)


def _in_the_way(path: Path) -> DataError:
    return DataError(f"{path} is not of this corpus, and its name is needed: move it away")


def _identity(font: Path) -> str:
    """File name and SHA-256 of a font. Raises DataError if it is not there."""
    if not font.is_file():
        raise DataError(f"sound font {font}: no such file; give an .sf2 or .sf3 file")
    return f"{font.name} sha256:{files.sha256(font)}"


def _make_clips(
    folder: Path, settings: ClipSettings, indices: Sequence[int], workers: int
) -> Generator[tuple[str, dict[str, Path]], None, None]:
    """Row of metadata and finished files, which are not at their names yet, of each clip in this order."""
    if workers == 1 or len(indices) <= 1:
        yield from map(ClipMaker(folder, settings), indices) if indices else ()
        return
    workers = min(workers, len(indices))
    with ProcessPoolExecutor(workers, get_context("spawn"), _start_worker, (folder, settings)) as pool:
        try:
            waiting = iter(indices)
            running = deque(pool.submit(_work, index) for index in islice(waiting, 4 * workers))
            while running:
                yield running.popleft().result()
                running.extend(pool.submit(_work, index) for index in islice(waiting, 1))
        except BrokenProcessPool:
            message = "a worker was killed: fewer --workers need less memory; the same command goes on from here"
            raise ChildProcessError(message) from None
        finally:
            pool.shutdown(cancel_futures=True)


class ClipMaker:
    """Clip index → audio file and its row of metadata. Holds the sound fonts."""

    def __init__(self, folder: Path, settings: ClipSettings) -> None:
        self.folder = folder
        self.settings = settings
        self.fonts = [SoundFont(Path(font)) for font in settings.fonts]

    def __call__(self, index: int) -> tuple[str, dict[str, Path]]:
        """Makes one clip; returns its line of `metadata.jsonl`, and name to file of what has not its name yet."""
        row, contents = self.encoded(index)
        parts = {}
        for name, content in contents.items():
            part = files.part_of(self.folder / Path(name).parts[0] / Path(name).name)
            with files.named(part):
                part.write_bytes(content)
                files.flush_file(part)
            parts[name] = part
        return row, parts

    def encoded(self, index: int) -> tuple[str, dict[str, bytes]]:
        """The line of `metadata.jsonl`, and name to content of each audio file: the stems, then the clip."""
        truth, made = self._made(index)
        settings, name = self.settings, self.settings.name_and_seed(index)[0]
        row = _row(name, truth, settings)
        contents = {}
        if settings.stems:
            row["stems"] = {role: f"stems/{Path(name).stem}/{role}{Path(name).suffix}" for role in made.stems}
            contents = {row["stems"][role]: self._encode(wave) for role, wave in made.stems.items()}
        return json.dumps(row, ensure_ascii=False), {**contents, name: self._encode(made.wave)}

    def _encode(self, wave: Wave) -> bytes:
        return encode(wave, self.settings.sample_rate, self.settings.audio_format)

    def clip(self, index: int) -> tuple[Truth, Wave]:
        """The truth and the waveform of clip `index`: (n_samples,) mono or (2, n_samples)."""
        truth, made = self._made(index)
        return truth, made.wave

    def _made(self, index: int) -> tuple[Truth, Rendered]:
        """Spoiled in stereo, then folded, so that a mono corpus is the mid of the stereo one. Stems stay clean."""
        seed = self.settings.name_and_seed(index)[1]
        genres = self.settings.genres
        genre = genres[index % len(genres)] if genres else None
        score = compose(seed, seconds=self.settings.seconds, genre=genre)
        rng = np.random.default_rng([seed, 3])
        drawn = int(rng.integers(len(self.fonts)))
        fonts = [*self.fonts[drawn:], *self.fonts[:drawn]]
        rate, channels = self.settings.sample_rate, self.settings.channels
        if self.settings.stems:
            made = render_stems(score, fonts, sample_rate=rate, channels=2)
        else:
            made = Rendered(render(score, fonts, sample_rate=rate, channels=2), {})
        wave = degrade(made.wave, score.truth.quality, rate, rng)
        return score.truth, Rendered(fold(wave, channels), {r: fold(w, channels) for r, w in made.stems.items()})


_maker: ClipMaker | None = None


def _start_worker(folder: Path, settings: ClipSettings) -> None:
    global _maker
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C reaches all processes: workers end without a word
    _maker = ClipMaker(folder, settings)


def _work(index: int) -> tuple[str, dict[str, Path]]:
    assert _maker is not None
    return _maker(index)


def _row(name: str, truth: Truth, settings: ClipSettings) -> dict[str, Any]:
    if settings.channels == 1:
        truth = replace(truth, production=tuple(word for word in truth.production if word not in STEREO_PRODUCTIONS))
    texts = captions(truth, truth.seed, CAPTIONS_PER_CLIP)
    return {
        "file_name": name,
        "text": texts[0],
        "captions": texts,
        **asdict(truth),
        "sample_rate": settings.sample_rate,
        "channels": settings.channels,
        "split": "train",
    }
