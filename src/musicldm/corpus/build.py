"""Composed clips as a folder: audio files and `metadata.jsonl`.

Clip k of a corpus has the seed `corpus seed × 10⁸ + k`, which decides everything about it, the sound font among what
is given included; so neither the number of workers nor of clips changes a clip's bytes (same fonts, libraries and
kind of machine). Finished clips are listed in `metadata.partial.jsonl` until all are done; a run that was stopped
goes on from there.
"""

import hashlib
import json
import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from musicldm.corpus.captions import captions
from musicldm.corpus.composing.arrangement import compose
from musicldm.corpus.sound.degradation import degrade
from musicldm.corpus.sound.rendering import CHANNELS, SAMPLE_RATES, Rendered, fold, render, render_stems
from musicldm.corpus.sound.soundfont import SoundFont
from musicldm.corpus.sound.waves import Wave
from musicldm.corpus.truth import GENRES, STEREO_PRODUCTIONS, Truth
from musicldm.errors import DataError, InvalidInputError, unknown_choice

FONT_PATHS = (
    Path("/usr/share/sounds/sf2/FluidR3_GM.sf2"),
    Path("/usr/share/sounds/sf2/MuseScore_General_Full.sf2"),
    Path("/usr/share/sounds/sf3/FluidR3Mono_GM.sf3"),
)
FONT_PACKAGES = "fluid-soundfont-gm musescore-general-soundfont-lossless fluidr3mono-gm-soundfont"
FORMATS = ("flac", "wav")
CAPTIONS_PER_CLIP = 8
SEEDS_PER_CORPUS = 10**8


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


def find_soundfonts() -> tuple[Path, ...]:
    """The MIT-licensed fonts that Debian installs. Raises DataError naming the packages if there is none."""
    found = tuple(path for path in FONT_PATHS if path.is_file())
    if not found:
        raise DataError(f"no sound font found: apt-get install {FONT_PACKAGES}, or name an .sf2 or .sf3 file")
    return found


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
) -> None:
    """Writes `clips` clips and `metadata.jsonl` to `out`, or what is missing of them.

    seconds: 1 to 600; sample_rate: 8000 to 48000 Hz; workers: processes, by default one a core; audio_format: "flac"
    or "wav"; soundfonts: by default those of `find_soundfonts`; genres: which to compose, in turn, by default all as
    drawn; channels: 1 or 2; stems: also write the parts one by one, `stems/<clip>/<role>`; progress: called with
    (done, clips).
    Raises DataError if `out` holds a corpus of other settings, InvalidInputError for a value outside these.
    """
    if clips < 1:
        raise InvalidInputError(f"clips {clips}: at least 1")
    fonts = tuple(str(path) for path in (soundfonts or find_soundfonts()))
    settings = ClipSettings(seed, seconds, sample_rate, audio_format, fonts, tuple(genres), channels, stems)
    folder = Path(out)
    (folder / "audio").mkdir(parents=True, exist_ok=True)
    _check_settings(folder, settings)
    final, partial = folder / "metadata.jsonl", folder / "metadata.partial.jsonl"
    if final.is_file():
        if _count_lines(final) >= clips:
            return
        final.replace(partial)
    done = _keep_whole_lines(partial)
    count = os.cpu_count() or 1 if workers is None else workers
    with partial.open("a", encoding="utf-8") as rows:
        for row in _make_rows(folder, settings, range(done, clips), max(1, count)):
            rows.write(row + "\n")
            rows.flush()
            done += 1
            if progress is not None:
                progress(done, clips)
    partial.replace(final)


def _check_settings(folder: Path, settings: ClipSettings) -> None:
    """Keeps the settings beside the clips, and refuses to mix two corpora."""
    fonts = [_identity(Path(font)) for font in settings.fonts]
    here = asdict(settings) | {"fonts": fonts, "genres": list(settings.genres)}
    path = folder / "corpus.json"
    if path.is_file():
        kept = json.loads(path.read_text(encoding="utf-8"))
        changed = [f"{name} {kept.get(name)!r} → {value!r}" for name, value in here.items() if kept.get(name) != value]
        if changed:
            raise DataError(f"{folder} holds a corpus of other settings ({'; '.join(changed)}); choose another folder")
        return
    temporary = path.with_suffix(".tmp")
    temporary.write_text(json.dumps(here, indent=2) + "\n", encoding="utf-8")
    temporary.replace(path)


def _identity(font: Path) -> str:
    """File name and SHA-256 of a font. Raises DataError if it is not there."""
    if not font.is_file():
        raise DataError(f"sound font {font}: no such file; give an .sf2 or .sf3 file")
    with font.open("rb") as file:
        return f"{font.name} sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"


def _keep_whole_lines(partial: Path) -> int:
    """Drops a line that was cut off by a kill; returns the number of clips that are done."""
    if not partial.is_file():
        return 0
    content = partial.read_bytes()
    whole = content[: content.rfind(b"\n") + 1]
    if len(whole) < len(content):
        with partial.open("r+b") as file:
            file.truncate(len(whole))
    return whole.count(b"\n")


def _count_lines(path: Path) -> int:
    return path.read_bytes().count(b"\n")


def _make_rows(folder: Path, settings: ClipSettings, indices: range, workers: int) -> Iterator[str]:
    """Rows of metadata in clip order, each given once its audio file is complete."""
    if workers == 1 or len(indices) <= 1:
        maker = ClipMaker(folder, settings)
        yield from map(maker, indices)
        return
    context = multiprocessing.get_context("spawn")
    with context.Pool(min(workers, len(indices)), _start_worker, (folder, settings)) as pool:
        yield from pool.imap(_work, indices, chunksize=8)


class ClipMaker:
    """Clip index → audio file and its row of metadata. Holds the sound fonts."""

    def __init__(self, folder: Path, settings: ClipSettings) -> None:
        self.folder = folder
        self.settings = settings
        self.fonts = [SoundFont(Path(font)) for font in settings.fonts]

    def __call__(self, index: int) -> str:
        """Writes one clip; returns its line of `metadata.jsonl`."""
        truth, made = self._made(index)
        rate, kind = self.settings.sample_rate, self.settings.audio_format
        name = f"audio/{index:06d}.{kind}"
        _write_audio(self.folder / name, made.wave, rate)
        row = _row(name, truth, rate, self.settings.channels)
        if self.settings.stems:
            row["stems"] = {role: f"stems/{index:06d}/{role}.{kind}" for role in made.stems}
            for role, wave in made.stems.items():
                _write_audio(self.folder / row["stems"][role], wave, rate)
        return json.dumps(row, ensure_ascii=False)

    def clip(self, index: int) -> tuple[Truth, Wave]:
        """The truth and the waveform of clip `index`: (n_samples,) mono or (2, n_samples)."""
        truth, made = self._made(index)
        return truth, made.wave

    def _made(self, index: int) -> tuple[Truth, Rendered]:
        """Spoiled in stereo, then folded, so that a mono corpus is the mid of the stereo one. Stems stay clean."""
        seed = self.settings.seed * SEEDS_PER_CORPUS + index
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
    # Ctrl-C reaches the whole group; only the parent acts on it, between two rows.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _maker = ClipMaker(folder, settings)


def _work(index: int) -> str:
    assert _maker is not None
    return _maker(index)


def _write_audio(path: Path, wave: Wave, sample_rate: int) -> None:
    import soundfile

    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".tmp")
    soundfile.write(temporary, wave.T, sample_rate, subtype="PCM_16", format=path.suffix[1:].upper())
    temporary.replace(path)


def _row(name: str, truth: Truth, sample_rate: int, channels: int) -> dict[str, Any]:
    if channels == 1:
        truth = replace(truth, production=tuple(word for word in truth.production if word not in STEREO_PRODUCTIONS))
    texts = captions(truth, truth.seed, CAPTIONS_PER_CLIP)
    return {
        "file_name": name,
        "text": texts[0],
        "captions": texts,
        **asdict(truth),
        "sample_rate": sample_rate,
        "channels": channels,
        "split": "train",
    }
