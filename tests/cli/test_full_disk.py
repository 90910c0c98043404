"""A disk that fills up at ten different moments: one line, nothing recorded that is not there, and then it goes on."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import soundfile

from musicldm.data.arrays import memory_map
from tests.full_disk import SimulatedDisk, mounted

from .test_foreign_files import hashes, songs, without_fonts

MOMENTS, PAGE = 10, 4096


@dataclass(frozen=True)
class Writer:
    """A command: its arguments for a folder to write to and a model, and what looks whether its records are true."""

    name: str
    arguments: Callable[[Path, Path], list[object]]
    check: Callable[[Path], None]


def check_prepared(out: Path) -> None:
    shards = out / "shards"
    for path in shards.glob("*/shard.json"):
        content = json.loads(path.read_text(encoding="utf-8"))
        assert not content["report"]
        for name, about in content["files"].items():
            assert hashlib.sha256((path.parent / name).read_bytes()).hexdigest() == about["sha256"]
    for manifest in out.glob("manifest.json"):
        listed = json.loads(manifest.read_text(encoding="utf-8"))["shards"]
        assert all((shards / shard["name"] / "shard.json").is_file() for shard in listed)
    assert not (out / "work").exists()
    assert [path.name for path in out.rglob(".*.part*")] == []


def check_corpus(out: Path) -> None:
    for name in ("metadata.jsonl", "metadata.partial.jsonl"):
        rows = (out / name).read_bytes().split(b"\n")[:-1] if (out / name).is_file() else []
        for row in map(json.loads, rows):
            assert len(soundfile.read(out / row["file_name"])[0]) == row["duration"] * row["sample_rate"]
    assert [path.name for path in out.rglob(".*.part*")] == []


def prepare(out: Path, *options: object) -> list[object]:
    return ["prepare", "songs", "--out", out, "--seconds", 1, "--workers", 1, "--beats", "none", *options]


WRITERS = [
    Writer("prepare", lambda out, _: prepare(out), check_prepared),
    Writer("prepare --model", lambda out, model: prepare(out, "--model", model, "--device", "cpu"), check_prepared),
    Writer(
        "corpus",
        lambda out, _: ["corpus", out, "--clips", 3, "--seconds", 1, "--workers", 1, "--soundfont", "any.sf2"],
        check_corpus,
    ),
]
each = pytest.mark.parametrize("writer", WRITERS, ids=[writer.name for writer in WRITERS])


@pytest.fixture(autouse=True)
def inputs(command, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two songs, each of them a shard; no sound font is needed. `command` has chosen an empty current folder."""
    songs()
    without_fonts(monkeypatch)
    monkeypatch.setattr("musicldm.data.shards.SHARD_BYTES", 20_000)


def fails_and_goes_on(
    command,
    writer: Writer,
    arguments: list[object],
    out: Path,
    full: AbstractContextManager[object],
    expected: Mapping[str, str],
) -> None:
    with full:
        outcome = command(*arguments)
    assert outcome.code == 1, outcome
    assert outcome.err.endswith("No space left on device\n"), outcome.err
    assert outcome.err.count("\n") == 1
    assert outcome.out == ""
    writer.check(out)
    outcome = command(*arguments)
    assert outcome.code == 0, outcome.err
    assert hashes(out) == expected


@each
@pytest.mark.parametrize("late", [False, True], ids=["write", "fsync"])
def test_a_disk_that_fills_up_loses_nothing(writer: Writer, late: bool, command, tiny_model_dir: Path) -> None:
    out = Path("out")
    arguments = writer.arguments(out, tiny_model_dir)
    with SimulatedDisk(out) as disk:
        assert command(*arguments).code == 0
    expected = hashes(out)
    for moment in range(MOMENTS):
        shutil.rmtree(out)
        full = SimulatedDisk(out, disk.written * (moment + 0.5) / MOMENTS, late=late)
        fails_and_goes_on(command, writer, arguments, out, full, expected)


@contextmanager
def ballast(disk: Path, room: int) -> Iterator[None]:
    """Leaves so many bytes of a disk free."""
    memory_map.cache_clear()  # what is memory_map takes room when it is deleted
    heavy = disk / "ballast"
    heavy.write_bytes(bytes(shutil.disk_usage(disk).free - room))
    try:
        yield
    finally:
        heavy.unlink()


@each
def test_a_real_disk_that_fills_up_loses_nothing(writer: Writer, command, tiny_model_dir: Path) -> None:
    """Above all, no write ends the process: a memory map of a file would, where its pages find no room."""
    command(*writer.arguments(Path("expected"), tiny_model_dir))
    expected = hashes(Path("expected"))
    sizes = [path.stat().st_size for path in Path("expected").rglob("*") if path.is_file()]
    needed = sum(-(-size // PAGE) * PAGE for size in sizes)
    disk, out = Path("disk"), Path("disk/out")
    arguments = writer.arguments(out, tiny_model_dir)
    with mounted(disk, 4 << 20):
        for moment in range(MOMENTS):
            shutil.rmtree(out, ignore_errors=True)
            full = ballast(disk, int(needed * (moment + 0.5) / MOMENTS))
            fails_and_goes_on(command, writer, arguments, out, full, expected)
