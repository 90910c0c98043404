"""What long work says on its way: how far it is, and what a person should know.

Whatever takes long takes a `Listener`. A command line draws a bar and prints notes, a server sends both to a page, a
caller in Python gets notes as warnings (`warn_of_notes`).
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Progress:
    """How far work is.

    Attributes:
        done: units that are finished.
        total: units in all; 0 where nobody knows.
        what: the phase, as a person would say it: "Loading", "Preparing".
    """

    done: int
    total: int
    what: str


@dataclass(frozen=True)
class Note:
    """One line that a person should read, and that stops nothing."""

    text: str


Event = Progress | Note
Listener = Callable[[Event], None]


def ignore(_event: Event) -> None:
    """The listener of who wants to know nothing."""


def notes_for(listen: Listener) -> Listener:
    """A listener that passes on notes, and keeps the progress of a part of the work to itself."""
    return lambda event: listen(event) if isinstance(event, Note) else None


def warn_of_notes(event: Event) -> None:
    """The listener of who calls from Python: a note is a UserWarning, progress is not told."""
    if isinstance(event, Note):
        warnings.warn(event.text, UserWarning, stacklevel=2)
