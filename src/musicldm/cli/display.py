"""What is shown: tables and bars on a terminal, plain lines in a pipe; notes as lines on standard error."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TypeVar

from musicldm.errors import MusicLDMError
from musicldm.events import Event, Listener, Note, Progress, ignore

T = TypeVar("T")


@contextmanager
def listening(what: str) -> Iterator[Listener]:
    """A listener that draws progress as a bar on standard error and prints notes there, a line each.

    The bar goes away at the end; where standard error is no terminal there is none.

    Args:
        what: stands beside the bar until progress says what it is of.
    """
    with _bar(what) if sys.stderr.isatty() else nullcontext(ignore) as draw:

        def listen(event: Event) -> None:
            if isinstance(event, Note):
                say(event.text)
            else:
                draw(event)

        yield listen


def over_files(files: Sequence[Path], what: str, work: Callable[[Path], T]) -> list[tuple[Path, T]]:
    """What `work` makes of each file, with a bar; an error of ours is a line and does not stop the others."""
    made = []
    with listening(what) as listen:
        for number, file in enumerate(files):
            listen(Progress(number, len(files), what))
            try:
                made.append((file, work(file)))
            except MusicLDMError as error:
                say(str(error))
    return made


def say(text: str) -> None:
    """One line on standard error, under the command's name."""
    print(f"musicldm: {' '.join(text.split())}", file=sys.stderr)


@contextmanager
def _bar(what: str) -> Iterator[Callable[[Progress], None]]:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        ProgressColumn,
        Task,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )
    from rich.progress import Progress as Bar
    from rich.text import Text

    class Rate(ProgressColumn):
        def render(self, task: Task) -> Text:
            return Text("" if task.speed is None else f"{task.speed:.3g}/s", style="progress.data.speed")

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), Rate(), TimeElapsedColumn())
    with Bar(*columns, TimeRemainingColumn(), console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=None)

        def draw(event: Progress) -> None:
            if event.what != bar.tasks[0].description:
                bar.reset(task, description=event.what, total=event.total or None)
            bar.update(task, completed=event.done, total=event.total or None)

        yield draw


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
