"""Bars and tables: drawn on a terminal, and plain in a pipe."""

from __future__ import annotations

import io

import pytest

from musicldm.cli.display import listening, progress_bar, show_table
from musicldm.events import Note, Progress


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("stream", "draws"), [(Terminal(), True), (io.StringIO(), False)])
def test_the_bar_is_drawn_on_a_terminal_and_not_in_a_pipe(
    monkeypatch: pytest.MonkeyPatch, stream: io.StringIO, draws: bool
) -> None:
    monkeypatch.setattr("sys.stderr", stream)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    with progress_bar("Making music") as advance:
        advance(1, 4)
        advance(3, 4)
    assert ("Making music" in stream.getvalue()) is draws
    assert ("3/4" in stream.getvalue()) is draws
    if not draws:
        assert stream.getvalue() == ""


@pytest.mark.parametrize(("stream", "draws"), [(Terminal(), True), (io.StringIO(), False)])
def test_a_note_is_a_line_on_standard_error_and_progress_a_bar_on_a_terminal_only(
    monkeypatch: pytest.MonkeyPatch, stream: io.StringIO, draws: bool
) -> None:
    monkeypatch.setattr("sys.stderr", stream)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.delenv("NO_COLOR", raising=False)
    with listening("Looking") as listen:
        listen(Progress(1, 4, "Composing"))
        listen(Note("one file\nis left out"))
        listen(Progress(3, 4, "Composing"))
    assert "musicldm: one file is left out\n" in stream.getvalue()
    assert all((word in stream.getvalue()) is draws for word in ("Composing", "3/4"))


def test_the_table_is_drawn_on_a_terminal_and_plain_in_a_pipe(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal, pipe = Terminal(), io.StringIO()
    monkeypatch.setenv("COLUMNS", "60")
    for stream in (terminal, pipe):
        monkeypatch.setattr("sys.stdout", stream)
        show_table(("file", "seed"), [("[b]a.wav", "7")], numbers=("seed",))
    assert pipe.getvalue() == "[b]a.wav\t7\n"
    assert "file" in terminal.getvalue()
    assert "[b]a.wav" in terminal.getvalue()
