"""Names of new files: never one that exists."""

from __future__ import annotations

import os
import re
import sys
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from itertools import count
from pathlib import Path

from musicldm.audio import ENCODINGS
from musicldm.errors import InvalidInputError, unknown_choice

_SLUG_LENGTH = 48
_SPECIAL = '<>:"|?*'
_DEVICE = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9¹²³]) *(\..*)?", re.IGNORECASE)


@dataclass(frozen=True)
class Target:
    """Where files go.

    Args:
        folder: an existing folder.
        stem: first part of every name; None makes it from date and prompt.
        audio_format: one of `ENCODINGS`, and the ending of every name.
    """

    folder: Path
    stem: str | None
    audio_format: str

    @classmethod
    def of(cls, out: Path | None, ends_in_slash: bool, audio_format: str | None, fallback: str = "wav") -> Target:
        """From -o and --format; makes the folder.

        Args:
            out: a folder, or a file by its ending; the current folder where None.
            ends_in_slash: whether the user wrote the path as that of a folder.
            audio_format: as given, or None.
            fallback: the format where neither says one.

        Raises:
            InvalidInputError: an unknown format, a file whose ending is another than the format, or a name that
                Windows has for something else, there.
            OSError: the folder cannot be made.
        """
        if audio_format is not None and audio_format not in ENCODINGS:
            raise unknown_choice("audio format", audio_format, ENCODINGS)
        if out is None or out.is_dir() or ends_in_slash or not out.suffix:
            folder, stem = out or Path(), None
        else:
            folder, stem = out.parent, out.stem
            check_name(out.name)
            ending = out.suffix.lower().removeprefix(".")
            if ending not in ENCODINGS:
                raise unknown_choice("audio format", ending, ENCODINGS)
            if audio_format not in (None, ending):
                raise InvalidInputError(f"-o {out} ends in {ending}, but --format is {audio_format}: give one of them")
            audio_format = ending
        folder.mkdir(parents=True, exist_ok=True)
        return cls(folder, stem, audio_format or fallback)

    def claim(self, prompt: str) -> Path:
        """Makes an empty file of a name that was free: the plain one, or with -2, -3, … added."""
        stem = self.stem or f"{date.today().isoformat()}-{slug(prompt)}"
        return claim_file(self.folder, stem, self.audio_format)

    @contextmanager
    def claimed(self, prompt: str) -> Iterator[Path]:
        """`claim`, given back where the file is not written after all."""
        path = self.claim(prompt)
        try:
            yield path
        except BaseException:
            path.unlink(missing_ok=True)
            raise


def claim_file(folder: Path, stem: str, ending: str) -> Path:
    """Makes an empty file `folder/stem.ending`, or with -2, -3, … after the stem where that is taken."""
    for name in _numbered(stem):
        path = folder / f"{name}.{ending}"
        try:
            path.open("xb").close()
        except FileExistsError:
            continue
        return path
    raise AssertionError("the numbers do not end")


def write_new(folder: Path, stem: str, ending: str, content: bytes) -> Path:
    """Content into a file of a free name, see `claim_file`, whole or not at all."""
    path = claim_file(folder, stem, ending)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with part.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        path.unlink(missing_ok=True)
        raise
    return path


def _numbered(stem: str) -> Iterator[str]:
    yield stem
    for number in count(2):
        yield f"{stem}-{number}"


def check_name(name: str) -> None:
    """Raises InvalidInputError on Windows for a name that means no file there: a device, a stream, a pattern."""
    if sys.platform == "win32" and (_DEVICE.fullmatch(name) or set(name) & set(_SPECIAL)):
        raise InvalidInputError(
            f"{name!r} is no name of a file on Windows: choose one without {_SPECIAL} and not a device"
        )


def slug(text: str) -> str:
    """A text as part of a file name: letters, digits and single hyphens, 48 at most; "music" where none is left."""
    words = re.sub(r"[\W_]+", "-", unicodedata.normalize("NFC", text).casefold()).strip("-")
    if len(words) > _SLUG_LENGTH:
        words = words[: _SLUG_LENGTH + 1].rpartition("-")[0] or words[:_SLUG_LENGTH]
    return words or "music"
