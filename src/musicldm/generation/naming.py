"""Names of new files: never one that exists."""

from __future__ import annotations

import re
import sys
import unicodedata
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from musicldm.audio.writing import ENCODINGS
from musicldm.errors import InvalidInputError, unknown_choice
from musicldm.files import write_new

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

    def write(self, prompt: str, content: bytes) -> Path:
        """Content into a file of a name that was free: the plain one, or with -2, -3, … added."""
        stem = self.stem or f"{date.today().isoformat()}-{slug(prompt)}"
        return write_new(self.folder, stem, self.audio_format, content)


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
