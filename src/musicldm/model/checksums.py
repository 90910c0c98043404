"""SHA256SUMS: the hashes of a model folder's files, in the format of sha256sum."""

from __future__ import annotations

import os
import re
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PureWindowsPath

from musicldm.errors import CheckpointError
from musicldm.files import sha256, write_whole

FILE_NAME = "SHA256SUMS"
_LINE = re.compile(r"([0-9a-f]{64}) [ *](.+)")


def read_sums(folder: str | os.PathLike[str]) -> dict[str, str]:
    """The list in a model folder: relative path with slashes to hash; empty where there is no list.

    Raises:
        CheckpointError: a line that sha256sum would not write, or a path that leaves the folder.
    """
    path = Path(folder) / FILE_NAME
    if not path.is_file():
        return {}
    sums: dict[str, str] = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        match = _LINE.fullmatch(line)
        if match is None:
            raise CheckpointError(f"{path}: line {number} is {line!r}: '<64 hexadecimal digits>  <file>' is expected")
        name = match[2].removeprefix("./")
        # By the rules of Windows, where more than elsewhere leads out: C:, \\, and / without a drive.
        if PureWindowsPath(name).anchor or ".." in PureWindowsPath(name).parts:
            raise CheckpointError(f"{path}: line {number} names {name!r}, which lies outside the model folder")
        sums[name] = match[1]
    return sums


def write_sums(folder: str | os.PathLike[str], only: Collection[str] | None = None) -> None:
    """Hashes every file under a folder, but for hidden ones and the list itself, and writes the list.

    Args:
        folder: the model folder.
        only: names in it (of files, and of folders with all that is in them) that are listed; all where None.
    """
    folder = Path(folder)
    paths = sorted(path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    names = [name.as_posix() for name in paths if only is None or name.parts[0] in only]
    kept = [name for name in names if name.rpartition("/")[2] != FILE_NAME and not name.startswith(".")]
    write_whole(folder / FILE_NAME, "".join(f"{sha256(folder / name)}  {name}\n" for name in kept))


def verify(folder: str | os.PathLike[str], *, partial: bool = False) -> None:
    """Compares every listed file with its hash; a folder without a list passes.

    Args:
        folder: the model folder.
        partial: only some of the files were fetched, so a missing one is no error.

    Raises:
        CheckpointError: a listed file is missing or has other bytes.
    """
    listed = {Path(folder) / name: expected for name, expected in read_sums(folder).items()}
    there = [path for path in listed if path.is_file()]
    missing = [path for path in listed if path not in there]
    if missing and not partial:
        raise CheckpointError(f"{missing[0]}: the file is missing, but {FILE_NAME} lists it; fetch the model again")
    with ThreadPoolExecutor() as pool:
        for path, digest in zip(there, pool.map(sha256, there), strict=True):
            if digest != listed[path]:
                raise CheckpointError(
                    f"{path}: the file is corrupt or was changed (SHA-256 {digest[:12]}…, {FILE_NAME} says "
                    f"{listed[path][:12]}…); fetch the model again, or pass verify=False if the change is yours"
                )
