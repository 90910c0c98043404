"""What is shown: tables and bars on a terminal, plain lines in a pipe; notes as lines on standard error."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

from musicldm.events import Event, Listener, Note


class Advance(Protocol):
    """Called with how much is done, of how much, and of what if that changes."""

    def __call__(self, done: int, total: int, what: str | None = None, /) -> None: ...


@contextmanager
def listening(what: str) -> Iterator[Listener]:
    """A listener that draws progress as a bar on standard error and prints notes there, a line each.

    Args:
        what: stands beside the bar until progress says what it is of.
    """
    with progress_bar(what) as advance:

        def listen(event: Event) -> None:
            if isinstance(event, Note):
                say(event.text)
            else:
                advance(event.done, event.total, event.what)

        yield listen


def say(text: str) -> None:
    """One line on standard error, under the command's name."""
    print(f"musicldm: {' '.join(text.split())}", file=sys.stderr)


@contextmanager
def progress_bar(what: str) -> Iterator[Advance]:
    """A bar on standard error that goes away at its end; nothing where that is no terminal."""
    if not sys.stderr.isatty():
        yield _show_nothing
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        ProgressColumn,
        Task,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )
    from rich.text import Text

    class Rate(ProgressColumn):
        def render(self, task: Task) -> Text:
            return Text("" if task.speed is None else f"{task.speed:.3g}/s", style="progress.data.speed")

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), Rate(), TimeElapsedColumn())
    with Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(what, total=None)

        def advance(done: int, total: int, what: str | None = None, /) -> None:
            if what is not None and what != progress.tasks[0].description:
                progress.reset(task, description=what)
            progress.update(task, completed=done, total=total)

        yield advance


def _show_nothing(_done: int, _total: int, _what: str | None = None, /) -> None:
    pass


def show_table(heads: Sequence[str], rows: Sequence[Sequence[str]], *, numbers: Sequence[str] = ()) -> None:
    """A table on standard output; where that is no terminal, one line a row with tabs between.

    Args:
        heads: of the columns; not shown in a pipe.
        rows: their cells.
        numbers: heads of the columns that are set flush right.
    """
    if not sys.stdout.isatty():
        for row in rows:
            print("\t".join(row))
        return
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, show_header=any(heads))
    for head in heads:
        table.add_column(head, justify="right" if head in numbers else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    Console().print(table)


def silence_libraries() -> None:
    """Keeps diffusers and transformers from showing bars and advice of their own."""
    from diffusers.utils import logging as diffusers_logging
    from transformers.utils import logging as transformers_logging

    for logging in (diffusers_logging, transformers_logging):
        logging.set_verbosity_error()
        logging.disable_progress_bar()
