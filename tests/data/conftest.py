"""Folders of short tones in all the forms in which people keep music."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from musicldm.data.manifest import MANIFEST, PrepareSettings
from musicldm.machine.parallel import WorkerPool

SETTINGS = PrepareSettings(seconds=1.0, beats="metadata")
HERE = WorkerPool(workers=1)


def tone(seconds: float, hertz: float, rate: int = 16000, peak: float = 0.3) -> np.ndarray:
    time = np.arange(round(seconds * rate)) / rate
    return (peak * np.sin(2 * np.pi * hertz * time)).astype(np.float32)


def write_tone(path: Path, seconds: float = 1.0, hertz: float = 440.0, rate: int = 16000, peak: float = 0.3) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    kind = {"format": "OGG", "subtype": "OPUS"} if path.suffix == ".opus" else {}
    soundfile.write(path, tone(seconds, hertz, rate, peak), rate, **kind)
    return path


def tones(folder: Path, count: int, seconds: float = 1.5) -> Path:
    """Files 00.wav, 01.wav, … of different tones, each with its text."""
    for index in range(count):
        write_tone(folder / f"{index:02}.wav", seconds, 200 + 30 * index)
        (folder / f"{index:02}.txt").write_text(f"tone {index}", encoding="utf-8")
    return folder


def contents(out: Path) -> Mapping[str, bytes]:
    """All files of a prepared folder."""
    return {path.relative_to(out).as_posix(): path.read_bytes() for path in sorted(out.rglob("*")) if path.is_file()}


def manifest(out: Path) -> dict[str, Any]:
    return json.loads((out / MANIFEST).read_text(encoding="utf-8"))


def report(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / "report.jsonl").read_text(encoding="utf-8").splitlines()]


@pytest.fixture
def small_shards(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Makes shards of about one file."""
    monkeypatch.setattr("musicldm.data.shards.SHARD_BYTES", 60_000)
    return lambda: None
