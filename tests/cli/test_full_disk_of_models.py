"""A disk that fills up at ten moments of what makes and trains: one line, earlier work kept, and then it goes on."""

from __future__ import annotations

import functools
import json
import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from musicldm.audio.reading import read
from musicldm.generation.maker import load_pipeline
from musicldm.novelty.index import open_index
from musicldm.training.loop.checkpoint import CHECKPOINT
from tests.full_disk import SimulatedDisk, mounted

from .test_foreign_files import deaf, model_and_songs, prepared_songs, small_vae, songs
from .test_full_disk import MOMENTS, PAGE, ballast


@dataclass(frozen=True)
class Writer:
    """A command: its arguments for a folder, what those need, what replaces what is slow, how it is given again."""

    name: str
    arguments: Callable[[Path], list[object]]
    prepare: Callable[[], object]
    patch: Callable[[pytest.MonkeyPatch], object] = lambda _: None
    again: Callable[[Path], list[object]] = lambda _: []


def generate(out: Path) -> list[object]:
    music = ["--model", "model", "--device", "cpu", "--steps", 1, "--duration", 0.2, "--seed", 1]
    return ["generate", "jazz", "-n", 2, *music, "-o", f"{out}/"]


def loaded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The model is in memory from the first command on: it is read from another disk anyway."""
    monkeypatch.setattr("musicldm.generation.maker.load_pipeline", functools.cache(load_pipeline))


WRITERS = [
    Writer("generate", generate, model_and_songs, loaded_once),
    Writer(
        "evaluate",
        lambda out: ["evaluate", "songs", "--embedder", "x", "--beats", "none", "--device", "cpu", "--out", out],
        songs,
        deaf,
    ),
    Writer(
        "train",
        lambda out: ["train", "vae", "--data", "data", "--out", out, "--steps", 1, "--device", "cpu"],
        prepared_songs,
        small_vae,
        lambda out: ["--resume"] if (out / CHECKPOINT).exists() else [],
    ),
    Writer(
        "novelty index",
        lambda out: ["novelty", "index", "songs", "--out", out, "--segment", 1, "--hop", 1],
        songs,
        deaf,
    ),
]
each = pytest.mark.parametrize("writer", WRITERS, ids=[writer.name for writer in WRITERS])


@pytest.fixture(autouse=True)
def inputs(writer: Writer, command, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the command needs, in the empty current folder that `command` has chosen."""
    writer.prepare()
    writer.patch(monkeypatch)


def visible(out: Path) -> dict[str, bytes]:
    """The files that are there under their names, each of them whole."""
    found = [path for path in out.rglob("*") if path.is_file() and not path.name.startswith(".")]
    if (out / "manifest.json").is_file():
        open_index(out)
    for path in found:
        if path.suffix == ".wav":
            read(path)
        elif path.suffix == ".png":
            Image.open(path).load()
        elif path.suffix == ".json":
            json.loads(path.read_text(encoding="utf-8"))
        elif path.suffix == ".jsonl":
            assert all(json.loads(line) for line in path.read_text(encoding="utf-8").splitlines())
        elif path.suffix == ".html":
            assert path.read_text(encoding="utf-8").endswith("</html>\n")
        elif path.suffix == ".safetensors":
            load_file(path)
        elif path.name == CHECKPOINT:
            torch.load(path, weights_only=True)
    return {path.relative_to(out).as_posix(): path.read_bytes() for path in found}


def fails_and_goes_on(command, writer: Writer, out: Path, full: AbstractContextManager[object]) -> int:
    """How many files were there when there was no more room."""
    with full:
        outcome = command(*writer.arguments(out))
    assert outcome.code == 1, outcome
    assert "No space left on device" in outcome.err.splitlines()[-1], outcome.err
    assert outcome.err.count("musicldm: ") == 1
    assert outcome.out == ""
    before = visible(out)
    assert [path.name for path in out.rglob("*") if ".part" in path.name] == []
    outcome = command(*writer.arguments(out), *writer.again(out))
    assert outcome.code == 0, outcome.err
    after = visible(out)
    kept = {name: content for name, content in before.items() if name.endswith((".wav", ".html", "report.json"))}
    assert {name: after.get(name) for name in kept} == kept
    return len(before)


@pytest.mark.parametrize("writer", WRITERS[:2], ids=[writer.name for writer in WRITERS[:2]])
@pytest.mark.parametrize("late", [False, True], ids=["write", "fsync"])
def test_a_disk_that_fills_up_keeps_what_was_made(writer: Writer, late: bool, command) -> None:
    with SimulatedDisk(Path("first")) as disk:
        assert command(*writer.arguments(Path("first"))).code == 0
    made = []
    for moment in range(MOMENTS):
        out = Path(f"out-{moment}")
        made.append(
            fails_and_goes_on(
                command, writer, out, SimulatedDisk(out, disk.written * (moment + 0.5) / MOMENTS, late=late)
            )
        )
    assert made == sorted(made)
    assert made[0] == 0


@each
def test_a_real_disk_that_fills_up_keeps_what_was_made(writer: Writer, command) -> None:
    """Also by libraries that write by themselves, and have errors of their own."""
    first = Path("first")
    assert command(*writer.arguments(first)).code == 0
    needed = sum(-(-path.stat().st_size // PAGE) * PAGE for path in first.rglob("*") if path.is_file())
    disk, out = Path("disk"), Path("disk/out")
    with mounted(disk, 8 << 20):
        for moment in range(MOMENTS):
            shutil.rmtree(out, ignore_errors=True)
            room = int(needed * (moment + 0.5) / MOMENTS)
            fails_and_goes_on(command, writer, out, ballast(disk, room))
            assert sorted(path.name for path in disk.iterdir()) == ["out"]
