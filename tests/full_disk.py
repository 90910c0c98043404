"""A disk that fills up: simulated everywhere, real where the test may mount one."""

from __future__ import annotations

import builtins
import errno
import io
import math
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest


class SimulatedDisk:
    """Files below a folder share so many bytes, for as long as `with` lasts; what is removed gives none back.

    Attributes:
        written: bytes so far.
    """

    def __init__(self, root: Path, room: float = math.inf, *, late: bool = False) -> None:
        """`late`: a write is taken, and refused when it is brought to the disk, as network disks do."""
        self.root, self.room, self.late, self.written = root.absolute(), room, late, 0

    def __enter__(self) -> SimulatedDisk:
        self._patch = pytest.MonkeyPatch()
        disk, real_open, real_sync = self, io.open, os.fsync

        class Raw(io.FileIO):
            def write(self, data: Any) -> int:
                size = memoryview(data).nbytes
                left = math.inf if disk.late else disk.room - disk.written
                if left < 1 and size:
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                taken = super().write(memoryview(data).cast("B")[: int(min(size, left))])
                disk.written += taken
                return taken

        def opened(file: Any, mode: str = "r", buffering: int = -1, *rest: Any, **options: Any) -> Any:
            if isinstance(file, int) or not set(mode) & set("wax+") or not self._holds(file):
                return real_open(file, mode, buffering, *rest, **options)
            how = {key: options.pop(key) for key in ("closefd", "opener") if key in options}
            raw = Raw(file, mode.replace("b", "").replace("t", ""), **how)
            if buffering == 0:
                return raw
            buffered = io.BufferedRandom(raw) if "+" in mode else io.BufferedWriter(raw)
            return buffered if "b" in mode else io.TextIOWrapper(buffered, *rest, **options)

        def synced(descriptor: int) -> None:
            if self.late and self.written > self.room:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            real_sync(descriptor)

        self._patch.setattr(io, "open", opened)
        self._patch.setattr(builtins, "open", opened)
        self._patch.setattr(os, "fsync", synced)
        return self

    def __exit__(self, *_: object) -> None:
        self._patch.undo()

    def _holds(self, file: Any) -> bool:
        return Path(os.fsdecode(file)).absolute().is_relative_to(self.root)


@contextmanager
def mounted(folder: Path, size: int) -> Iterator[None]:
    """A file system of its own in memory, of `size` bytes; the test is skipped where it may not be mounted."""
    folder.mkdir(exist_ok=True)
    if not sys.platform.startswith("linux") or os.geteuid() != 0:
        pytest.skip("needs Linux and root to mount a file system")
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "none", folder], capture_output=True)
    if done.returncode:
        pytest.skip("may not mount a file system here")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", folder], check=True)
