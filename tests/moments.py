"""Moments of a run: every time it is about to change a file below a folder, counted, to do something at one of them."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_CHANGES = {"os.link": 1, "os.rename": 1, "os.remove": 0, "os.mkdir": 0, "os.truncate": 0}
"""Audit events by the place of the path that is changed among their arguments."""
_watch: Callable[[str], None] | None = None


def _heard(event: str, arguments: tuple[Any, ...]) -> None:
    if _watch is None:
        return
    if event == "open" and isinstance(arguments[1], str) and set(arguments[1]) & set("wax+"):
        _watch(os.fsdecode(arguments[0]) if not isinstance(arguments[0], int) else "")
    elif event in _CHANGES:
        _watch(os.fsdecode(arguments[_CHANGES[event]]))


sys.addaudithook(_heard)


class Count:
    """How many moments there were."""

    number = 0


@contextmanager
def watched(folder: Path, moment: int | None = None, act: Callable[[], object] = lambda: None) -> Iterator[Count]:
    """While it lasts, counts the moments of a folder, and acts at the `moment`-th, counted from 0."""
    global _watch
    root, count = str(folder.absolute()), Count()

    def watch(path: str) -> None:
        if str(Path(path).absolute()).startswith(root):
            count.number += 1
            if count.number - 1 == moment:
                act()

    _watch = watch
    try:
        yield count
    finally:
        _watch = None


def terminate() -> None:
    """As `kill` does, to this process."""
    signal.raise_signal(signal.SIGTERM)


def killed(folder: Path, moment: int, run: Callable[[], object]) -> bool:
    """Runs in a process of its own, which is killed at a moment; whether it was, and not done before."""
    pid = os.fork()
    if pid == 0:
        try:
            with watched(folder, moment, lambda: os.kill(os.getpid(), signal.SIGKILL)):
                run()
        finally:
            os._exit(0)
    _, status = os.waitpid(pid, 0)
    return os.WIFSIGNALED(status)
