"""Events say progress and notes with one signature."""

import warnings

import pytest

from musicldm.events import Event, Note, Progress, ignore, notes_for, warn_of_notes


def test_a_note_is_a_warning_for_who_calls_from_python_and_progress_is_none() -> None:
    with pytest.warns(UserWarning, match="^the prompt is too long$") as caught:
        warn_of_notes(Note("the prompt is too long"))
    assert len(caught) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warn_of_notes(Progress(1, 2, "Loading"))


def test_who_ignores_events_is_told_nothing() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ignore(Note("x"))
        ignore(Progress(0, 1, "x"))


def test_notes_of_a_part_of_the_work_are_passed_on_and_its_progress_is_not() -> None:
    events: list[Event] = []
    listen = notes_for(events.append)
    listen(Progress(1, 2, "Denoising"))
    listen(Note("x"))
    assert events == [Note("x")]
