"""Windows' rules about files, on Linux: what is open is not renamed, replaced or removed, nor is a folder around it."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path, PureWindowsPath
from types import SimpleNamespace
from typing import Any

import pytest


def open_files() -> Iterator[Path]:
    """Files that this process has open, or mapped into its memory; also those whose names are gone."""
    names = []
    for link in Path("/proc/self/fd").iterdir():
        with suppress(OSError):
            names.append(str(link.readlink()))
    for line in Path("/proc/self/maps").read_text(encoding="utf-8", errors="replace").splitlines():
        names += line.split(maxsplit=5)[5:]
    yield from (Path(name.removesuffix(" (deleted)")) for name in names if name.startswith("/"))


def keep_windows_rules(patch: pytest.MonkeyPatch) -> None:
    """While the patch lasts, this process cannot do what it could not do on Windows."""

    def refuse_what_is_open(*paths: Any) -> None:
        for path in (Path(os.path.realpath(one)) for one in paths if os.path.lexists(one)):
            for other in open_files():
                if other == path or path in other.parents:
                    raise PermissionError(13, f"{other} is open", str(path))

    def obeying(function: Callable[..., Any], count: int) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            refuse_what_is_open(*arguments[:count])
            return function(*arguments, **options)

        return call

    def open_file(path: Any, flags: int, *arguments: Any, **options: Any) -> int:
        if isinstance(path, str | os.PathLike) and Path(path).is_dir():
            raise PermissionError(13, "a folder cannot be opened", str(path))
        return int(plain_open(path, flags, *arguments, **options))

    plain_open = os.open
    for name, count in {"rename": 2, "replace": 2, "unlink": 1, "remove": 1, "rmdir": 1}.items():
        patch.setattr(os, name, obeying(getattr(os, name), count))
    patch.setattr(os, "open", open_file)
    patch.setattr(tempfile, "TemporaryFile", tempfile.NamedTemporaryFile)  # as on Windows
    patch.setattr(shutil, "_use_fd_functions", False)
    patch.setattr("musicldm.files.os", SimpleNamespace(**{**vars(os), "name": "nt"}))


def names_that_windows_lacks(root: Path) -> list[str]:
    """Files and folders below a folder that could not have their names on Windows, or two of them only one."""
    found, seen = [], set[str]()
    for path in sorted(root.rglob("*")):
        below = path.relative_to(root).as_posix()
        odd = set(path.name) & set('<>:"|?*\\') or path.name.endswith((".", " ")) or min(path.name) < " "
        if odd or PureWindowsPath(path.name).is_reserved() or below.casefold() in seen:
            found.append(below)
        seen.add(below.casefold())
    return found
