"""Files and folders: a file is whole or not there, a taken name stays whose it is, a folder is ours by its mark.

Whatever writes goes through here, so that these three hold in every command.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import secrets
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import IO, Any

from musicldm.errors import DataError, InvalidInputError, MusicLDMError

MARK = ".musicldm"
"""File by which a folder is ours: JSON with `kind`, the command's word for what the folder holds."""
LOCK = ".lock"
PART = ".part"
"""Ending (before the file's own) of what is not finished; such files are nobody's once their process is gone."""
_FULL = ("ENOSPC", "EDQUOT", "EFBIG", "EMFILE", "ENFILE", "ENOMEM", "EROFS")
_DISKS = ("EIO", "ENODEV", "ENXIO", "ESTALE", "ENOTCONN", "EREMOTEIO")
_REFUSALS = frozenset(number for name in (*_FULL, *_DISKS) if (number := getattr(errno, name, None)) is not None)
_PART_NAME = re.compile(rf"\.[0-9a-f]{{12}}{re.escape(PART)}(\.\w+)?")
_PROBE = 1 << 20
"""Bytes."""
_NO_LINKS = frozenset(
    number
    for name in ("EPERM", "ENOTSUP", "EOPNOTSUPP", "ENOSYS", "EMLINK", "EINVAL", "EACCES")
    if (number := getattr(errno, name, None)) is not None
)


def is_refusal(error: BaseException) -> bool:
    """Whether it is the machine that refuses (full disk, memory, too many open files, a broken disk), not the file.

    Errors that were raised from such a one count too.
    """
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, MemoryError) or (isinstance(seen, OSError) and seen.errno in _REFUSALS):
            return True
        seen = seen.__cause__ or seen.__context__
    return False


@contextmanager
def named(path: str | os.PathLike[str]) -> Iterator[None]:
    """Gives the file's name to what the system refuses, where it says none itself: reading and writing do not."""
    try:
        yield
    except OSError as error:
        if error.errno is not None and error.filename is None:
            error.filename = os.fspath(path)
        raise


def part_of(path: Path) -> Path:
    """A free name beside `path` for what is to become it: short, hidden, with the same ending."""
    return path.with_name(f".{secrets.token_hex(6)}{PART}{path.suffix}")


def clear_parts(folder: Path) -> None:
    """Removes what killed processes left unfinished in a folder of our own that is locked."""
    for path in folder.iterdir() if folder.is_dir() else ():
        if _PART_NAME.fullmatch(path.name):
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


@contextmanager
def refusals_as_such(path: Path) -> Iterator[None]:
    """Raises an OSError that says what the system refuses where a library that writes says something else.

    They have errors of their own (safetensors), errors without a number (NumPy), and errors of what followed (torch).
    """
    try:
        with named(path):
            yield
    except MusicLDMError:
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        text = str(error)
        number = next((n for n in _REFUSALS if f"(os error {n})" in text or os.strerror(n) in text), _refused(path))
        if number is None:
            raise
        raise OSError(number, os.strerror(number), os.fspath(path)) from error


def _refused(path: Path) -> int | None:
    """The number of the error with which the system refuses a megabyte beside a path, None where there is room."""
    probe = part_of(path)
    try:
        probe.write_bytes(bytes(_PROBE))
        flush_file(probe)
    except OSError as error:
        return error.errno if error.errno in _REFUSALS else None
    finally:
        probe.unlink(missing_ok=True)
    return None


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """A path to write a file to, which then replaces `path`: whole or not at all.

    For files of our own only; a name that somebody else may have is `write_new`'s.
    """
    part = part_of(path)
    try:
        with refusals_as_such(path):
            yield part
            flush_file(part)
            part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def write_whole(path: Path, content: bytes | str) -> None:
    """Replaces a file of our own by this content, text as UTF-8: whole or not at all."""
    with whole(path) as part:
        part.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8"))


def write_new(folder: Path, stem: str, ending: str, content: bytes) -> Path:
    """Content into `folder/stem.ending`, or with -2, -3, … after the stem where that is taken.

    At no moment is there a file of that name that is not whole, whenever the process dies.

    Returns:
        The path that was free.

    Raises:
        OSError: the file cannot be written.
    """
    part = part_of(folder / f"x.{ending}")
    try:
        with named(folder / f"{stem}.{ending}"):
            part.write_bytes(content)
            flush_file(part)
        for number in count(1):
            path = folder / f"{stem if number == 1 else f'{stem}-{number}'}.{ending}"
            try:
                publish(part, path)
            except FileExistsError:
                continue
            return path
    finally:
        part.unlink(missing_ok=True)
    raise AssertionError("the numbers do not end")


def publish(part: Path, path: Path) -> None:
    """Gives a finished file a name that must be free.

    By a hard link, which never replaces; where the file system has none, by a name that is taken first.

    Raises:
        FileExistsError: the name is taken; both files stay as they are.
    """
    try:
        os.link(part, path)
    except FileExistsError:
        raise
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        path.open("xb").close()
        try:
            part.replace(path)
        except BaseException:
            path.unlink(missing_ok=True)
            raise
    else:
        part.unlink()


def to_disk(file: IO[Any]) -> None:
    """Brings what was written to an open file to the disk."""
    file.flush()
    os.fsync(file.fileno())


def flush_file(path: Path) -> None:
    """Brings a file to the disk."""
    with path.open("rb+") as file:
        to_disk(file)


def flush_folder(folder: Path) -> None:
    """Brings a folder's names to the disk, where the system can do that."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sha256(path: str | os.PathLike[str]) -> str:
    """SHA-256 of a file's content as 64 hexadecimal digits."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check_readable(path: str | os.PathLike[str]) -> None:
    """Reads a file to its end, so that what the system says of it is known: libraries have other words for that.

    Raises:
        OSError: with the file's name.
    """
    with named(path), Path(path).open("rb") as file:
        while file.read(1 << 20):
            pass


def read_text(path: Path, what: str) -> str:
    """A text of the user's in UTF-8, without a byte order mark; standard input where the path is "-".

    Args:
        path: of the file.
        what: it is a file of, in the user's words: "prompts".

    Raises:
        DataError: no such file, or no text.
        OSError: the machine refuses to read it.
    """
    try:
        content = sys.stdin.buffer.read() if str(path) == "-" else path.read_bytes()
        return content.decode("utf-8-sig")
    except OSError:
        if path.is_file():
            raise
        raise DataError(f"{path}: no such file of {what}") from None
    except UnicodeDecodeError:
        raise DataError(f"{path}: not a text file in UTF-8") from None


def read_lines(path: Path, what: str) -> list[str]:
    """The lines of a text of the user's (see `read_text`) without spaces around them, but for empty ones.

    Raises:
        DataError: no such file, no text, or no line in it.
    """
    lines = [line.strip() for line in read_text(path, f"{what}s").splitlines() if line.strip()]
    if not lines:
        raise DataError(f"{path}: no {what} in it; one a line is expected")
    return lines


def claim_folder(folder: Path, kind: str, is_ours: Callable[[Path], bool] = lambda _: False) -> None:
    """Makes a folder ours, before anything else is written into it.

    A folder is ours if it is new, empty, or has our mark of the same kind. Whatever else is in it then stays.

    Args:
        folder: made with its parents where it is not there.
        kind: what the folder is to hold, in the user's words: "corpus", "prepared data".
        is_ours: whether a folder without mark is one that an earlier version wrote.

    Raises:
        DataError: the folder holds something else.
        InvalidInputError: it is a file.
    """
    check_folder(folder, kind, is_ours)
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / MARK).is_file():
        write_whole(folder / MARK, json.dumps({"kind": kind}) + "\n")


def check_folder(folder: Path, kind: str, is_ours: Callable[[Path], bool] = lambda _: False) -> None:
    """What `claim_folder` raises, without touching anything."""
    if folder.exists() and not folder.is_dir():
        raise InvalidInputError(f"{folder} is a file: a folder for {kind} is expected")
    if not folder.is_dir():
        return
    marked = _kind_of(folder)
    if marked is not None and marked != kind:
        raise DataError(f"{folder} holds {marked}, not {kind}: choose another folder")
    if marked is None and not is_ours(folder):
        foreign = sorted(path.name for path in folder.iterdir() if not _is_left_over(path))
        if foreign:
            raise DataError(f"{folder} holds {foreign[0]} and is not {kind}: choose another folder")


def _kind_of(folder: Path) -> str | None:
    """What our mark in a folder says, None without one."""
    path = folder / MARK
    if not path.is_file():
        return None
    try:
        kind = json.loads(path.read_text(encoding="utf-8"))["kind"]
    except (ValueError, KeyError, TypeError, RecursionError):
        kind = None
    return kind if isinstance(kind, str) else "something else"


def _is_left_over(path: Path) -> bool:
    """Whether a file is the lock, or the part of a process that was killed before it could set the mark."""
    if path.name == LOCK:
        return path.is_file() and not path.stat().st_size
    return _PART_NAME.fullmatch(path.name) is not None


@contextmanager
def locked(folder: Path, busy: str | None = None) -> Iterator[None]:
    """While it lasts, no other process is inside `locked` for this folder; the system frees it when a process dies.

    Args:
        folder: exists.
        busy: what to tell the user where another process is inside; without it, waits until that one is done.

    Raises:
        InvalidInputError: another process is inside, and `busy` says so.
    """
    from filelock import FileLock, Timeout

    lock = FileLock(folder / LOCK)
    try:
        lock.acquire(timeout=-1 if busy is None else 0)
    except Timeout:
        raise InvalidInputError(f"{folder}: {busy}") from None
    try:
        yield
    finally:
        lock.release()


def remove_listed(folder: Path, names: list[str]) -> None:
    """Removes these files of a folder, and the folder where nothing else is in it."""
    for name in names:
        (folder / name).unlink(missing_ok=True)
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()


@contextmanager
def scratch(beside: Path) -> Iterator[Path]:
    """A hidden folder beside a path, for what is to become several files; what is left in it at the end goes."""
    folder = part_of(beside.with_suffix(""))
    folder.mkdir(parents=True)
    try:
        with refusals_as_such(beside):
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def move_into(made: Path, folder: Path) -> list[str]:
    """Moves all files below `made` to their places below a folder of our own, each of them whole or not at all.

    What else is in the folder stays.

    Returns:
        Their names below the folder, with slashes, in order.
    """
    names = sorted(path.relative_to(made).as_posix() for path in made.rglob("*") if path.is_file())
    for name in names:
        with named(folder / name):
            flush_file(made / name)
    for name in names:
        place = folder / name
        place.parent.mkdir(parents=True, exist_ok=True)
        with named(place):
            (made / name).replace(place)
    return names


def append_line(path: Path, line: str) -> None:
    """A line of text at the end of a file of our own: whole or not at all, also after one that was cut.

    Raises:
        OSError: it cannot be written; the file is as it was.
    """
    with named(path), path.open("ab+") as file:
        end = file.tell()
        file.seek(max(0, end - 1))
        if file.read(1) not in (b"", b"\n"):
            file.seek(0)
            end = file.read().rfind(b"\n") + 1
            file.truncate(end)
        try:
            file.write(line.encode("utf-8") + b"\n")
            file.flush()
        except OSError:
            # What is still in the buffer would be written when the file is closed.
            os.truncate(path, end)
            raise


def is_inside(path: Path, folder: Path) -> bool:
    """Whether a path, which need not exist, is an existing folder or below it, by whatever names both are called."""
    if not folder.exists():
        return False
    place = path.resolve()
    return any(one.exists() and one.samefile(folder) for one in (place, *place.parents))
