"""A prepared folder as a place in which others may keep things: what of it is ours, what is complete, what may go.

The folder is ours by its mark (see `musicldm.files`), what is in it by the names below. All else stays, wherever it is.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

from musicldm import files
from musicldm.data.manifest import CLIPS, MANIFEST, MEANINGS, REPORT, SHARD, SHARDS, Shard
from musicldm.data.sounds import SCRATCH
from musicldm.errors import DataError

KIND = "prepared data"
WORK = "work"
"""Folder of what is not finished, gone at the end."""
_SHARD = re.compile(r"[0-9a-f]{16}")
_PLAN = re.compile(r"[0-9a-f]{16}\.jsonl")
_UNFINISHED = re.compile(r"[0-9a-f]{16}\.\w{8}")
_FILE = re.compile(
    rf"{re.escape(CLIPS)}|{re.escape(SHARD)}|({'|'.join(MEANINGS)})(-[0-9a-f]+)?\.npy|{re.escape(SCRATCH)}\w{{8}}"
)


def check(out: Path) -> None:
    """Raises DataError where the folder is somebody else's, or somebody's files have the names of ours in it."""
    files.check_folder(out, KIND, _is_prepared)
    for name in (SHARDS, WORK):
        if (out / name).exists() and not (out / name).is_dir():
            raise _in_the_way(out / name)
    for path, is_ours in ((out / MANIFEST, _is_manifest), (out / REPORT, _is_report)):
        if path.exists() and not is_ours(path):
            raise _in_the_way(path)


def claim(out: Path) -> None:
    """Makes the folder ours; raises as `check`."""
    check(out)
    files.claim_folder(out, KIND, _is_prepared)


def _in_the_way(path: Path) -> DataError:
    return DataError(f"{path} is not of {KIND}, and its name is needed: move it away")


def _is_prepared(out: Path) -> bool:
    """Whether an earlier version, which set no mark, prepared the folder."""
    return _is_manifest(out / MANIFEST)


def _is_manifest(path: Path) -> bool:
    """Whether it is a manifest of prepared data, of any format."""
    content = _read_object(path)
    return isinstance(content.get("format"), int) and isinstance(content.get("shards"), list) and "mel" in content


def _is_report(path: Path) -> bool:
    """Whether it is a report of what was left out, by its first line."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        line = file.readline()
    return not line or {"file", "reason"} <= _parsed(line).keys()


def _read_object(path: Path) -> dict[str, object]:
    return _parsed(path.read_bytes()) if path.is_file() else {}


def _parsed(content: bytes) -> dict[str, object]:
    """A JSON object; an empty one where it is none."""
    try:
        parsed = json.loads(content)
    except (ValueError, RecursionError):
        return {}
    return parsed if isinstance(parsed, dict) else {}


def load_complete(folder: Path) -> Shard | None:
    """The shard in a folder; None where it is not complete.

    One that calls a file unreadable is not: earlier versions did so where the machine had refused.
    """
    try:
        shard = Shard.load(folder)
    except (FileNotFoundError, ValueError, KeyError, TypeError, RecursionError):
        return None
    blamed = any(problem.reason == "unreadable" for problem in shard.report)
    return None if blamed or not all((folder / name).is_file() for name in shard.files) else shard


def shard_folders(out: Path) -> Iterator[Path]:
    """Folders below `shards/` whose names are those of shards, complete or not."""
    entries = sorted((out / SHARDS).iterdir()) if (out / SHARDS).is_dir() else []
    yield from (path for path in entries if _SHARD.fullmatch(path.name) and path.is_dir())


def complete_shards(out: Path) -> Iterator[Shard]:
    """The finished shards of a folder, whatever they are of."""
    yield from (shard for folder in shard_folders(out) if (shard := load_complete(folder)) is not None)


def clear(out: Path) -> None:
    """Takes away what killed runs left half done; the folder is locked."""
    files.clear_parts(out)
    clear_work(out)
    for folder in shard_folders(out):
        if load_complete(folder) is None:
            remove(folder)
        else:
            files.clear_parts(folder)


def clear_work(out: Path) -> None:
    """Takes away what is ours in `work/`, and the folder where nothing else is in it."""
    work = out / WORK
    entries = list(work.iterdir()) if work.is_dir() else []
    for path in entries:
        if _UNFINISHED.fullmatch(path.name) and path.is_dir():
            remove(path)
    files.remove_listed(work, [path.name for path in entries if _PLAN.fullmatch(path.name) and path.is_file()])


def remove(folder: Path) -> None:
    """Takes away our files in the folder of a shard, that which makes it complete first; then the folder, if empty."""
    if folder.is_symlink():
        return
    files.clear_parts(folder)
    names = [path.name for path in folder.iterdir() if _FILE.fullmatch(path.name) and path.is_file()]
    files.remove_listed(folder, sorted(names, key=lambda name: name != SHARD))


def publish(unfinished: Path, folder: Path) -> None:
    """Gives the folder of a finished shard its name.

    Raises:
        DataError: somebody's file has a name of ours in the folder of that name.
    """
    try:
        unfinished.rename(folder)
    except OSError:
        if load_complete(folder) is not None:  # another worker, thought lost, was faster
            return
        if not folder.is_dir():
            raise
        _move_into(unfinished, folder)
    files.flush_folder(folder.parent)


def _move_into(unfinished: Path, folder: Path) -> None:
    """Puts the files beside those that somebody keeps there, that which makes the shard complete last."""
    names = sorted((path.name for path in unfinished.iterdir()), key=lambda name: name == SHARD)
    for name in names:
        try:
            files.publish(unfinished / name, folder / name)
        except FileExistsError:
            raise _in_the_way(folder / name) from None
