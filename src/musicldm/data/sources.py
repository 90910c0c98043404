"""A folder of music as people keep it, to its audio files in sorted order with what is said about each.

Captions and other fields of a file come from a `metadata.jsonl` or `metadata.csv` that lists it (audiofolder), from
`clip.txt`, `clip_prompt.txt` and `clip.json` beside it, or from the members of a WebDataset tar that share its key.
A folder with none of these is bare: captions come from tags and from the names of folders.
"""

from __future__ import annotations

import csv
import errno
import hashlib
import io
import json
import os
import posixpath
import re
import tarfile
import tempfile
import weakref
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, Any

from musicldm.errors import DataError
from musicldm.events import Listener, Progress, ignore
from musicldm.files import named

PYAV = frozenset({".m4a", ".aac", ".mp4"})
AUDIO = frozenset({".wav", ".flac", ".ogg", ".opus", ".mp3", ".aif", ".aiff"}) | PYAV
CAPTIONS = ("text", "captions", "caption", "description", "prompt")
"""Fields that hold a caption or a list of them, in this order."""
_TABLES = ("metadata.jsonl", "metadata.csv")
_MUSIC_TAGS = ("genre", "genres", "moods", "mood", "instrument", "instruments", "keywords")
_OWN_FAULTS = frozenset({errno.EACCES, errno.EPERM, errno.ELOOP, errno.EISDIR, errno.ENAMETOOLONG})
_BLOCK = 1 << 20


@dataclass(frozen=True)
class Source:
    """One audio file, or one member of a tar.

    Attributes:
        name: path below the folder with `/`; of a member the tar's, then the member's.
        path: the file that holds it, below the folder.
        offset: first byte of a member in its tar, None for a file.
        size: in bytes.
        captions: at least one.
        fields: all else that is said about it.
        tagged: whether the file's own tags belong into the captions: nothing else is known.
        digest: SHA-256 (hex) over its bytes, captions and fields.
    """

    name: str
    path: str
    offset: int | None
    size: int
    captions: tuple[str, ...]
    fields: dict[str, Any] = field(hash=False)
    tagged: bool = False
    digest: str = ""

    def open(self, root: Path) -> IO[bytes]:
        """Its bytes; a member's are read as a whole."""
        file = (root / self.path).open("rb")
        if self.offset is None:
            return file
        with file, named(root / self.path):
            file.seek(self.offset)
            return io.BytesIO(file.read(self.size))


@dataclass(frozen=True)
class Problem:
    """Why a file, or the clip of it that begins at `start` seconds, is left out."""

    file: str
    reason: str
    detail: str = ""
    start: float | None = None

    def entry(self) -> dict[str, Any]:
        """As a line of the report: without what is not known."""
        entry = {"file": self.file, "start": self.start, "reason": self.reason, "detail": self.detail}
        return {key: value for key, value in entry.items() if value not in (None, "")}


@dataclass(frozen=True)
class Listing:
    """What `look_through` found: how many files there are to look at, whether they are bare, and their sources."""

    files: int
    bare: bool
    sources: Iterator[Source | Problem]


def look_through(src: Path, listen: Listener = ignore) -> Listing:
    """All audio below the folder `src`, or in the tar `src`, sorted by name, hashed as they are asked for.

    Names are held in memory, everything else passes by one at a time.

    Raises:
        DataError: no such folder, or no audio in it.
    """
    if not src.exists():
        raise DataError(f"{src}: no such folder")
    closed: list[Problem] = []
    root, names = (src.parent, [src.name]) if src.is_file() else (src, sorted(_walk(src, closed)))
    wanted = [name for name in names if _suffix(name) in AUDIO or _suffix(name) == ".tar"]
    if not wanted:
        raise DataError(f"{src} holds no audio: valid are {', '.join(sorted(AUDIO))} and .tar")
    tables = _Tables(root, [name for name in names if posixpath.basename(name) in _TABLES])
    known = set(names)
    bare = not tables.rows and not any(_suffix(name) == ".tar" or _sidecars(name, known) for name in wanted)

    def listed() -> Iterator[Source | Problem]:
        yield from (*closed, *tables.problems)
        for done, name in enumerate(wanted, start=1):
            sources = _members(root, name) if _suffix(name) == ".tar" else [_file(root, name, tables, known, bare)]
            yield from (_hashed(root, source) if isinstance(source, Source) else source for source in sources)
            listen(Progress(done, len(wanted), "Looking"))
        yield from (Problem(name, "missing", "listed, but not there") for name in sorted(set(tables.rows) - known))

    return Listing(len(wanted), bare, listed())


def _walk(root: Path, closed: list[Problem]) -> Iterator[str]:
    """Names of all files below a folder; folders that may not be looked into go to `closed`."""

    def tell(error: OSError) -> None:
        detail = why_unreadable(Path(error.filename), error)
        closed.append(Problem(Path(error.filename).relative_to(root).as_posix(), "unreadable", detail))

    for folder, folders, files in os.walk(root, onerror=tell):
        folders[:] = [name for name in folders if not name.startswith((".", "__MACOSX"))]
        below = Path(folder).relative_to(root)
        yield from ((below / name).as_posix() for name in files if not name.startswith("."))


def why_unreadable(path: Path, error: OSError) -> str:
    """Why a file or folder cannot be read, where that is its own fault: no permission, a link to nowhere.

    Raises:
        OSError: the error itself, where the machine refuses, or where what was there a moment ago is not any more, as
            when a disk is unmounted.
    """
    dangling = isinstance(error, FileNotFoundError) and path.is_symlink()
    if not dangling and error.errno not in _OWN_FAULTS:
        with named(path):
            raise error
    return error.strerror or str(error)


def _suffix(name: str) -> str:
    return posixpath.splitext(name)[1].lower()


def _hashed(root: Path, source: Source) -> Source | Problem:
    said = json.dumps([source.captions, source.fields], ensure_ascii=False, sort_keys=True)
    digest = hashlib.sha256(said.encode())
    try:
        with source.open(root) as file:
            while block := file.read(_BLOCK):
                digest.update(block)
    except OSError as error:
        return Problem(source.name, "unreadable", why_unreadable(root / source.path, error))
    return replace(source, digest=digest.hexdigest())


def _sidecars(name: str, known: set[str]) -> list[str]:
    stem = posixpath.splitext(name)[0]
    return [beside for beside in (f"{stem}.txt", f"{stem}_prompt.txt", f"{stem}.json") if beside in known]


def _file(root: Path, name: str, tables: _Tables, known: set[str], bare: bool) -> Source | Problem:
    captions: list[str] = []
    fields: dict[str, Any] = {}
    if name in tables.rows:
        captions, fields = said_in(tables.row(name))
    try:
        for beside in _sidecars(name, known):
            more, also = said_beside(beside, _content(root / beside))
            captions, fields = [*captions, *more], {**also, **fields}
    except ValueError as error:
        return Problem(name, "bad metadata", str(error))
    try:
        size = (root / name).stat().st_size
    except OSError as error:
        return Problem(name, "unreadable", why_unreadable(root / name, error))
    if bare:
        captions = [_folder_words(root, name)]
    return _source(Source(name, name, None, size, (), fields, tagged=bare), captions)


def _content(path: Path) -> bytes:
    """What is in a small file. Raises ValueError where it may not be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise ValueError(f"{path.name}: {why_unreadable(path, error)}") from None


def _source(source: Source, captions: Iterable[str]) -> Source | Problem:
    kept = tuple(dict.fromkeys(text for caption in captions if (text := " ".join(caption.split()))))
    return replace(source, captions=kept) if kept else Problem(source.name, "no caption")


def _folder_words(root: Path, name: str) -> str:
    folders = posixpath.dirname(name).split("/") if "/" in name else [root.resolve().name]
    return ", ".join(re.sub(r"[_\-\s]+", " ", folder).strip() for folder in folders)


def said_in(record: Mapping[str, Any]) -> tuple[list[str], dict[str, Any]]:
    """The captions of a record, and its other fields."""
    captions: list[str] = []
    for key in CAPTIONS:
        value = record.get(key)
        captions += [value] if isinstance(value, str) else [text for text in value or () if isinstance(text, str)]
    return captions, {key: value for key, value in record.items() if key not in (*CAPTIONS, "file_name")}


def said_beside(name: str, content: bytes) -> tuple[list[str], dict[str, Any]]:
    """Captions and fields of a text (a caption a line) or of a JSON object.

    An object's musical tags, as MusicGen's training data have them, make one more caption.

    Raises:
        ValueError: no JSON object.
    """
    text = content.decode("utf-8-sig", errors="replace")
    if _suffix(name) == ".txt":
        return text.splitlines(), {}
    try:
        record = json.loads(text)
    except ValueError:
        record = None
    if not isinstance(record, dict):
        raise ValueError(f"{posixpath.basename(name)} is no JSON object")
    captions, fields = said_in(record)
    return [*captions, tags_caption(record)], fields


def tags_caption(record: Mapping[str, Any]) -> str:
    """Genre, moods, instruments, keywords, tempo and key of a record as one line; empty where it has none."""
    words: list[str] = []
    for tag in _MUSIC_TAGS:
        value = record.get(tag) or ()
        words += value.split(",") if isinstance(value, str) else [word for word in value if isinstance(word, str)]
    if isinstance(bpm := record.get("bpm"), int | float | str) and (number := _number(bpm)):
        words.append(f"{number:g} BPM")
    if isinstance(key := record.get("key"), str) and key.strip():
        words.append(f"in {key}")
    return ", ".join(dict.fromkeys(word.strip() for word in words if word.strip()))


def _number(value: float | str) -> float:
    try:
        return float(value)
    except ValueError:
        return 0.0


class _Tables:
    """The rows of all metadata files of a folder, kept in a temporary file, by the name of their audio."""

    def __init__(self, root: Path, names: Iterable[str]) -> None:
        self.rows: dict[str, tuple[int, int]] = {}
        self.problems: list[Problem] = []
        self._kept = tempfile.TemporaryFile()  # noqa: SIM115 - as long as the object
        weakref.finalize(self, self._kept.close)
        for name in names:
            for number, record in _records(root / name):
                if isinstance(record, dict) and isinstance(audio := record.get("file_name"), str):
                    self._keep(posixpath.normpath(posixpath.join(posixpath.dirname(name), audio)), record)
                else:
                    self.problems.append(Problem(name, "bad metadata", f"line {number} has no file_name"))

    def _keep(self, name: str, record: Mapping[str, Any]) -> None:
        line = json.dumps(record, ensure_ascii=False).encode()
        self.rows[name] = (self._kept.tell(), len(line))
        self._kept.write(line)

    def row(self, name: str) -> dict[str, Any]:
        offset, length = self.rows[name]
        self._kept.seek(offset)
        record: dict[str, Any] = json.loads(self._kept.read(length))
        return record


def _records(path: Path) -> Iterator[tuple[int, object]]:
    """Line numbers and records of a metadata file; None for a line that is none."""
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        if path.suffix == ".csv":
            rows = csv.DictReader(file)
            for row in rows:
                yield rows.line_num, {key: _value(key, text) for key, text in row.items() if key and text}
            return
        for number, line in enumerate(file, start=1):
            if line.strip():
                yield number, _value("", line)


def _value(key: str, text: str) -> Any:
    """What a cell holds: a text of words, else what JSON makes of it."""
    if key in (*CAPTIONS, "file_name") and not text.startswith("["):
        return text
    try:
        return json.loads(text)
    except ValueError:
        return text


def _members(root: Path, name: str) -> Iterator[Source | Problem]:
    """The samples of a WebDataset tar: members in a row that share their path up to the first dot."""
    key, group = "", list[tuple[tarfile.TarInfo, bytes]]()
    try:
        with tarfile.open(root / name, "r:") as tar:
            for member in tar:
                tar.members.clear()  # type: ignore[attr-defined] # it would keep them all
                if not member.isfile() or posixpath.basename(member.name).startswith("."):
                    continue
                folder, base = posixpath.split(member.name)
                if (own_key := posixpath.join(folder, base.partition(".")[0])) != key:
                    yield from _sample(name, group)
                    key, group = own_key, []
                beside = tar.extractfile(member) if _suffix(member.name) in (".txt", ".json") else None
                group.append((member, beside.read() if beside is not None else b""))
    except tarfile.TarError as error:
        yield Problem(name, "corrupt", str(error))
        return
    except OSError as error:
        yield Problem(name, "unreadable", why_unreadable(root / name, error))
        return
    yield from _sample(name, group)


def _sample(tar: str, group: Iterable[tuple[tarfile.TarInfo, bytes]]) -> Iterator[Source | Problem]:
    """The audio members of one key, mostly one, each with all captions and fields of the key."""
    captions: list[str] = []
    fields: dict[str, Any] = {}
    audio = [member for member, _ in group if _suffix(member.name) in AUDIO]
    try:
        for member, content in group:
            if _suffix(member.name) in (".txt", ".json"):
                more, also = said_beside(member.name, content)
                captions, fields = [*captions, *more], {**fields, **also}
    except ValueError as error:
        yield from (Problem(f"{tar}/{member.name}", "bad metadata", str(error)) for member in audio)
        return
    for member in audio:
        name = f"{tar}/{member.name}"
        yield _source(Source(name, tar, member.offset_data, member.size, (), fields), captions)
