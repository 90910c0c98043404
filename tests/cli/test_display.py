"""Bars and tables: drawn on a terminal, and plain in a pipe."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from musicldm.cli.display import listening, over_files, show_table
from musicldm.errors import DataError
from musicldm.events import Note, Progress


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def test_the_bar_is_drawn_before_anybody_says_how_far_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    with listening("Loading the model") as listen:
        listen(Progress(0, 0, "Making music"))
        listen(Progress(3, 4, "Making music"))
    assert all(words in terminal.getvalue() for words in ("Loading the model", "Making music", "3/4"))


@pytest.mark.parametrize(("stream", "draws"), [(Terminal(), True), (io.StringIO(), False)])
def test_a_note_is_a_line_on_standard_error_and_progress_a_bar_on_a_terminal_only(
    monkeypatch: pytest.MonkeyPatch, stream: io.StringIO, draws: bool
) -> None:
    monkeypatch.setattr("sys.stderr", stream)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.delenv("NO_COLOR", raising=False)
    with listening("Composing") as listen:
        listen(Progress(1, 4, "Composing"))
        listen(Note("one file\nis left out"))
        listen(Progress(3, 4, "Composing"))
    assert "musicldm: one file is left out\n" in stream.getvalue()
    assert all((word in stream.getvalue()) is draws for word in ("Composing", "3/4"))


def test_a_file_with_an_error_of_ours_is_a_line_and_the_others_go_on(capsys: pytest.CaptureFixture[str]) -> None:
    def work(file: Path) -> int:
        if file.name == "b":
            raise DataError("b: no such\nfile")
        return len(file.name)

    assert over_files([Path("a"), Path("b"), Path("cc")], "Tracking", work) == [(Path("a"), 1), (Path("cc"), 2)]
    assert capsys.readouterr().err == "musicldm: b: no such file\n"


def test_the_table_is_drawn_on_a_terminal_and_plain_in_a_pipe(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal, pipe = Terminal(), io.StringIO()
    monkeypatch.setenv("COLUMNS", "60")
    for stream in (terminal, pipe):
        monkeypatch.setattr("sys.stdout", stream)
        show_table(("file", "seed"), [("[b]a.wav", "7")], numbers=("seed",))
    assert pipe.getvalue() == "[b]a.wav\t7\n"
    assert "file" in terminal.getvalue()
    assert "[b]a.wav" in terminal.getvalue()
