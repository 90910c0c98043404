"""Waves to audio files, with the settings that made them inside."""

from __future__ import annotations

import io
import json
import os
import struct
import unicodedata
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from musicldm import __version__, files
from musicldm.audio import Wave
from musicldm.audio.reading import _unreadable
from musicldm.errors import DataError, InvalidInputError, unknown_choice

ENCODINGS: dict[str, dict[str, Any]] = {
    "wav": {"format": "WAV", "subtype": "PCM_16"},
    "flac": {"format": "FLAC", "subtype": "PCM_16"},
    "ogg": {"format": "OGG", "subtype": "VORBIS", "compression_level": 0.2},
    "mp3": {"format": "MP3", "subtype": "MPEG_LAYER_III", "compression_level": 0.5, "bitrate_mode": "CONSTANT"},
}
"""File name endings that `write` knows, with libsndfile's settings: at 16 kHz 58 kbit/s for ogg, 80 for mp3."""


def encode(
    wave: Wave, sample_rate: int, audio_format: str, *, settings: Mapping[str, Any] | None = None, title: str = ""
) -> bytes:
    """Wave, (n,) mono or (2, n) stereo, to the bytes of an audio file, with its settings inside.

    Args:
        wave: samples; those over full scale are clipped.
        sample_rate: in Hz.
        audio_format: one of `ENCODINGS`.
        settings: anything JSON can hold; stored as JSON in ASCII in the comment tag, see `read_settings`.
        title: the title tag.

    Raises:
        InvalidInputError: an unknown format, or a sample rate that the format does not have.
    """
    import soundfile

    if audio_format not in ENCODINGS:
        raise unknown_choice("audio format", audio_format, ENCODINGS)
    comment = "" if settings is None else json.dumps(settings, ensure_ascii=True)
    tags = {"comment": comment, "title": title, "software": f"musicldm {__version__}" if comment else ""}
    file = io.BytesIO()
    samples = np.atleast_2d(wave).T
    try:
        with soundfile.SoundFile(file, "w", sample_rate, samples.shape[1], **ENCODINGS[audio_format]) as sound:
            if audio_format != "wav":
                for tag, text in tags.items():
                    if text:
                        setattr(sound, tag, _ascii(text) if audio_format == "mp3" else text)
            # libsndfile's Vorbis writer puts each write on the stack: small blocks cannot overflow it.
            for start in range(0, len(samples), 8192):
                sound.write(np.clip(samples[start : start + 8192], -1.0, 1.0))
    except soundfile.LibsndfileError as error:
        kind = "mono" if samples.shape[1] == 1 else "stereo"
        raise InvalidInputError(f"{audio_format} cannot hold {kind} audio at {sample_rate} Hz: {error}") from error
    return file.getvalue() if audio_format != "wav" else _with_info_chunk(file.getvalue(), tags)


def _ascii(text: str) -> str:
    """Letters without their accents: libsndfile hands MP3 tags to LAME as Latin-1 whatever they are."""
    return unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()


def write(
    path: str | os.PathLike[str],
    wave: Wave,
    sample_rate: int,
    *,
    settings: Mapping[str, Any] | None = None,
    title: str = "",
) -> None:
    """`encode` into a file of the format its name ends in; the file is whole or not there.

    Raises:
        InvalidInputError: an ending that is none of `ENCODINGS`.
        OSError: the file cannot be written.
    """
    path = Path(path)
    content = encode(wave, sample_rate, path.suffix.lower().removeprefix("."), settings=settings, title=title)
    files.write_whole(path, content)


def read_settings(path: str | os.PathLike[str]) -> dict[str, Any]:
    """The settings that `write` stored in a file.

    Raises:
        DataError: no such file, no audio, or no settings of musicldm in it.
        OSError: the machine refuses to read it.
    """
    import soundfile

    try:
        with soundfile.SoundFile(str(path)) as sound:
            comment = _wav_comment(Path(path).read_bytes()) if sound.format == "WAV" else sound.comment
    except soundfile.LibsndfileError as error:
        raise _unreadable(path, error) from error
    try:
        settings = json.loads(comment)
    except ValueError:
        settings = None
    if not isinstance(settings, dict):
        raise DataError(f"{path}: no musicldm settings in this file")
    return settings


_INFO_NAMES = {"comment": b"ICMT", "title": b"INAM", "software": b"ISFT"}


def _with_info_chunk(content: bytes, tags: Mapping[str, str]) -> bytes:
    """WAV bytes with a LIST/INFO chunk at the end (Multimedia Programming Interface 1.0, 1991).

    Written here because libsndfile silently drops the strings of a WAV file where they exceed a few kilobytes.
    """
    body = b"INFO"
    for tag, text in tags.items():
        if text:
            data = text.encode() + b"\0"
            body += _INFO_NAMES[tag] + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2)
    if body == b"INFO":
        return content
    content += b"\0" * (len(content) % 2) + b"LIST" + struct.pack("<I", len(body)) + body
    return content[:4] + struct.pack("<I", len(content) - 8) + content[8:]


def _wav_comment(content: bytes) -> str:
    """The first ICMT entry of a WAV file's LIST/INFO chunks; empty where there is none."""
    lists = [chunk[4:] for name, chunk in _chunks(content[12:]) if name == b"LIST" and chunk[:4] == b"INFO"]
    comments = [data for chunk in lists for name, data in _chunks(chunk) if name == b"ICMT"]
    return comments[0].rstrip(b"\0").decode(errors="replace") if comments else ""


def _chunks(content: bytes) -> list[tuple[bytes, bytes]]:
    """RIFF bytes to (name, data) of its chunks, as far as they are whole."""
    found, start = [], 0
    while start + 8 <= len(content):
        size = int.from_bytes(content[start + 4 : start + 8], "little")
        found.append((content[start : start + 4], content[start + 8 : start + 8 + size]))
        start += 8 + size + size % 2
    return found
