"""Which clips there are (a folder of audio, a corpus with metadata, or a prepared folder), and their prompts.

A prompt comes from, in this order: `--prompts`, the folder's metadata.jsonl, the first line of `clip.txt` beside
`clip.wav`, the settings inside a file that `musicldm generate` wrote. Names are paths below the folder; files are in
natural order (2 before 10).
"""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from musicldm.audio import Wave
from musicldm.audio.writing import read_settings
from musicldm.data.manifest import MANIFEST
from musicldm.data.sources import AUDIO, PYAV, why_unreadable
from musicldm.data.store import ClipRow, ClipStore
from musicldm.errors import DataError
from musicldm.evaluation.prompts import Prompts, kept_fields, prompt_rows
from musicldm.files import check_readable
from musicldm.novelty.index import is_index

_METADATA = "metadata.jsonl"


@dataclass(frozen=True)
class Piece:
    """One clip to evaluate.

    Attributes:
        name: path below its folder, with `/`; of a prepared clip its source, with the second it begins at.
        folder: where it is.
        row: number of the clip in a prepared folder; None for a file.
        prompt: what it should sound like; None where unknown, or where the file itself may say it.
        fields: what else is known about it, as far as it is used: see `prompts.FIELDS`.
    """

    name: str
    folder: Path
    row: int | None = None
    prompt: str | None = None
    fields: Mapping[str, Any] = field(default_factory=dict, hash=False)

    @property
    def stem(self) -> str:
        """The name without its ending, by which clips of two folders are paired."""
        return posixpath.splitext(self.name)[0]


def find_music(folder: Path, prompts: Prompts | None = None) -> list[Piece]:
    """All clips of a folder, in natural order.

    Raises:
        DataError: no such folder, no audio in it, or prompts that do not fit it.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder")
    if is_index(folder):
        raise DataError(f"{folder} is a novelty index: give the folder that it was made of")
    pieces = _prepared(folder) if (folder / MANIFEST).is_file() else _files(folder)
    return pieces if prompts is None else _with_prompts(pieces, prompts, folder)


def _prepared(folder: Path) -> list[Piece]:
    rows = open_store(folder).rows
    return [
        Piece(_clip_name(row), folder, number, row.captions[0] if row.captions else None, kept_fields(row.fields))
        for number, row in enumerate(rows)
    ]


def _clip_name(row: ClipRow) -> str:
    start = row.fields.get("start")
    return f"{row.source}@{start:g}s" if start else row.source


def _files(folder: Path) -> list[Piece]:
    names = sorted(_walk(folder), key=_natural)
    if not names:
        raise DataError(f"{folder} holds no audio: valid are {', '.join(sorted(AUDIO))}")
    known: dict[str, tuple[str | None, dict[str, Any]]] = {}
    for table in folder.rglob(_METADATA):
        below = table.parent.relative_to(folder).as_posix()
        for name, said, fields in prompt_rows(table, table.read_text(encoding="utf-8-sig")):
            if name is not None:
                known[posixpath.normpath(posixpath.join(below, name))] = (said, fields)
    return [Piece(name, folder, None, *(known.get(name) or (_beside(folder / name), {}))) for name in names]


def _beside(path: Path) -> str | None:
    """The first line of the text beside an audio file."""
    text = path.with_suffix(".txt")
    lines = text.read_text(encoding="utf-8-sig", errors="replace").split("\n") if text.is_file() else []
    return next((line.strip() for line in lines if line.strip()), None)


def _walk(root: Path) -> Iterator[str]:
    for folder, folders, files in os.walk(root, onerror=lambda error: why_unreadable(Path(error.filename), error)):
        folders[:] = [name for name in folders if not name.startswith(".")]
        below = Path(folder).relative_to(root)
        yield from (
            (below / name).as_posix()
            for name in files
            if not name.startswith(".") and Path(name).suffix.lower() in AUDIO
        )


def _natural(name: str) -> tuple[list[str | int], str]:
    stem, ending = posixpath.splitext(name)
    parts = re.split(r"(\d+)", stem)
    return [int(part) if index % 2 else part for index, part in enumerate(parts)], ending


def _with_prompts(pieces: list[Piece], prompts: Prompts, folder: Path) -> list[Piece]:
    if prompts.lines:
        if len(prompts.lines) != len(pieces):
            raise DataError(
                f"{prompts.path} has {len(prompts.lines)} prompts and {folder} {len(pieces)} clips: one a clip, "
                "or JSON lines with file_name"
            )
        return [_said(piece, text, {}) for piece, text in zip(pieces, prompts.lines, strict=True)]
    missing = next((name for name in prompts.by_name if name not in {piece.name for piece in pieces}), None)
    if missing is not None:
        raise DataError(f"{prompts.path} names {missing}, which is not in {folder}")
    found = [_said(piece, *prompts.by_name.get(piece.name, (piece.prompt, {}))) for piece in pieces]
    return found if not prompts.by_text else _with_fields(found, prompts, folder)


def _with_fields(pieces: list[Piece], prompts: Prompts, folder: Path) -> list[Piece]:
    """With what is said of prompts, for which those inside the files must be read now."""
    known = [_said(piece, piece.prompt or prompt_inside(piece), {}) for piece in pieces]
    if not any(piece.prompt in prompts.by_text for piece in known):
        raise DataError(
            f"none of the prompts in {prompts.path} is that of a clip in {folder}: add file_name to its lines"
        )
    return [_said(piece, piece.prompt, prompts.by_text.get(piece.prompt or "", {})) for piece in known]


def _said(piece: Piece, prompt: str | None, fields: Mapping[str, Any]) -> Piece:
    return Piece(piece.name, piece.folder, piece.row, prompt, {**piece.fields, **fields})


@lru_cache(maxsize=4)
def open_store(folder: Path) -> ClipStore:
    """A prepared folder, opened once in a process."""
    return ClipStore(folder)


def load_piece(piece: Piece, seconds: float) -> tuple[Wave, int, float]:
    """A clip's mono wave, of a longer one the middle `seconds`; its rate in Hz; and how long the whole is in seconds.

    Raises:
        DataError: it cannot be read.
        OSError: the machine refuses to read it.
    """
    if piece.row is not None:
        store = open_store(piece.folder)
        wave, rate = store.wave(piece.row), store.spec.sample_rate
        return _middle(wave, round(seconds * rate)), rate, len(wave) / rate
    path = piece.folder / piece.name
    if path.suffix.lower() in PYAV:
        raise DataError(f"{path.suffix} is not read here: convert it to WAV or FLAC")
    try:
        with soundfile.SoundFile(path) as sound:
            rate, frames, wanted = sound.samplerate, sound.frames, round(seconds * sound.samplerate)
            if frames > wanted:
                sound.seek((frames - wanted) // 2)
            channels = sound.read(wanted, dtype="float32", always_2d=True)
    except (soundfile.LibsndfileError, RuntimeError):
        raise DataError(_why_unreadable(path)) from None
    return np.ascontiguousarray(channels.mean(axis=1, dtype=np.float32)), rate, frames / rate


def _why_unreadable(path: Path) -> str:
    """Why a file is no clip; raises OSError where it is the machine that refused."""
    try:
        check_readable(path)
    except OSError as error:
        return why_unreadable(path, error)
    return "not an audio file that can be read"


def _middle(wave: Wave, samples: int) -> Wave:
    start = max(0, (len(wave) - samples) // 2)
    return wave[start : start + samples]


def prompt_inside(piece: Piece) -> str | None:
    """The prompt in a file that `musicldm generate` wrote; None in any other."""
    if piece.row is not None:
        return None
    try:
        prompt = read_settings(piece.folder / piece.name).get("prompt")
    except DataError:
        return None
    return prompt if isinstance(prompt, str) else None
