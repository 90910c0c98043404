"""SIGTERM as an orderly end: what is under way is given up, temporary files go, and what is finished stays.

The handler is the command line's alone; a program that uses the package keeps its own.
"""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

CODE = 143
"""Exit code, 128 + SIGTERM, as a shell gives it."""
_waits = False
_asked = False


class Ended(SystemExit):
    """Raised where the process is when it is asked to end, once what may end first has ended."""

    def __init__(self) -> None:
        super().__init__(CODE)


@contextmanager
def orderly() -> Iterator[None]:
    """While it lasts, SIGTERM ends the process' workers and raises `Ended` in its main thread."""
    global _asked
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    _asked = False
    before = signal.signal(signal.SIGTERM, _on_signal)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def at_next_chance() -> Iterator[Callable[[], bool]]:
    """While it lasts, SIGTERM is only noted; gives whether it was. `Ended` is raised at the end, or at a second one."""
    global _waits
    _waits = True
    try:
        yield lambda: _asked
    finally:
        _waits = False
    if _asked:
        raise Ended


def _on_signal(_number: int, _frame: FrameType | None) -> None:
    global _asked
    waits, _asked = _waits and not _asked, True
    if waits:
        return
    multiprocessing = sys.modules.get("multiprocessing")
    for process in multiprocessing.active_children() if multiprocessing else ():
        process.terminate()
    raise Ended
