"""What is not ours stays as it is: every command that writes into a folder, in folders full of its own names.

A row of `COMMANDS` is all that a command needs here. The names that it writes are found by running it once into a new
folder, so that no list can grow old; names that are gone at its end stand in `passing`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from musicldm.data.manifest import PrepareSettings
from musicldm.data.prepare import prepare
from musicldm.machine.parallel import WorkerPool
from musicldm.training.tasks import vae
from musicldm.training.tasks.vae import VaeRecipe
from tests.tiny_model import build_tiny_model
from tests.tiny_music import tiny_embedder

Arguments = Callable[[Path], list[object]]
"""The folder to write into to the command's arguments; the current folder is an empty one."""


@dataclass(frozen=True)
class Writer:
    """A command that writes into a folder.

    Attributes:
        name: for the report.
        arguments: see there.
        refuses: the end of the line with which it refuses a folder that is not its own, exit code 2; None where it
            takes free names in any folder, exit code 0.
        passing: names below the folder that it uses on the way.
        prepare: makes what the arguments name, called once in the current folder.
        patch: replaces what is slow.
        goes_on: whether the same command may be given again for the folder that it made.
    """

    name: str
    arguments: Arguments
    refuses: str | None = None
    passing: tuple[str, ...] = ()
    prepare: Callable[[], object] = lambda: None
    patch: Callable[[pytest.MonkeyPatch], object] = lambda _: None
    goes_on: bool = True


def songs(count: int = 2) -> None:
    """A folder `songs` of short tones with words."""
    Path("songs").mkdir()
    for number, name in enumerate("abcdefgh"[:count]):
        wave = 0.3 * np.sin(2 * np.pi * (300 + 100 * number) * np.arange(16000) / 16000)
        soundfile.write(f"songs/{name}.wav", wave, 16000)
        Path(f"songs/{name}.txt").write_text(f"tone {number}", encoding="utf-8")


def without_fonts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Composes clips whose sound is made of noise: no sound font is needed."""
    from musicldm.corpus import build

    Path("any.sf2").touch()
    monkeypatch.setattr(build, "SoundFont", lambda path: path)
    monkeypatch.setattr(build, "render", _noise)


def _noise(score: Any, _fonts: object, *, sample_rate: int, channels: int) -> np.ndarray:
    rng = np.random.default_rng(score.truth.seed)
    return rng.uniform(-0.5, 0.5, (channels, round(score.truth.duration * sample_rate))).astype(np.float32)


def model_and_songs() -> None:
    """Songs, and a tiny model in `model`."""
    songs()
    build_tiny_model("model")


def prepared_songs() -> None:
    """Songs, prepared in `data`."""
    songs()
    prepare(Path("songs"), Path("data"), PrepareSettings(seconds=1.0, beats="none"), pool=WorkerPool(workers=1))


def small_vae(monkeypatch: pytest.MonkeyPatch) -> None:
    """A VAE whose training takes a moment."""
    recipe = VaeRecipe(
        channels=(8, 8), groups=4, latent_channels=2, batch_size=2, crop_frames=16, patch_channels=(4, 4)
    )
    monkeypatch.setattr(vae, "RECIPES", {"default": recipe})


def deaf(monkeypatch: pytest.MonkeyPatch) -> None:
    """An embedder without a network."""
    for place in ("musicldm.listeners.embedders", "musicldm.evaluation.features", "musicldm.novelty.index"):
        monkeypatch.setattr(f"{place}.open_embedder", lambda name, device="auto": tiny_embedder())


_TINY = ("--model", "model", "--device", "cpu", "--steps", 1, "--duration", 0.3)
COMMANDS = [
    Writer(
        "prepare",
        lambda out: ["prepare", "songs", "--out", out, "--seconds", 1, "--workers", 1, "--beats", "none"],
        "not prepared data: choose another folder",
        ("work/thesis.txt", "work/0123456789abcdef.jsonl", "shards/train/music.tar"),
        songs,
    ),
    Writer(
        "corpus",
        lambda out: ["corpus", out, "--clips", 2, "--seconds", 1, "--workers", 1, "--soundfont", "any.sf2"],
        "not a corpus: choose another folder",
        ("metadata.partial.jsonl", "audio/000001.wav"),
        patch=without_fonts,
    ),
    Writer(
        "train",
        lambda out: ["train", "vae", "--data", "data", "--out", out, "--steps", 1, "--device", "cpu"],
        "not a training run: choose another folder",
        ("unet/config.json", "scheduler/scheduler_config.json", "model_index.json"),
        prepared_songs,
        small_vae,
        goes_on=False,
    ),
    Writer("generate", lambda out: ["generate", "jazz", *_TINY, "-o", f"{out}/"], prepare=model_and_songs),
    Writer("generate -o FILE", lambda out: ["generate", "jazz", *_TINY, "-o", out / "a.flac"], prepare=model_and_songs),
    Writer(
        "evaluate",
        lambda out: ["evaluate", "songs", "--embedder", "x", "--beats", "none", "--device", "cpu", "--out", out],
        prepare=songs,
        patch=deaf,
    ),
    Writer(
        "novelty index",
        lambda out: ["novelty", "index", "songs", "--out", out, "--segment", 1, "--hop", 1],
        "is there already: choose another place, an index is never overwritten",
        prepare=songs,
        patch=deaf,
        goes_on=False,
    ),
    Writer(
        "mixup preview",
        lambda out: ["mixup", "preview", "data", "--kind", "simple", "-n", 1, "--out", out],
        prepare=prepared_songs,
    ),
    Writer(
        "beats",
        lambda out: ["beats", "songs/a.wav", "songs/b.wav", "--labels", "--click", "--plot", "--out", out],
        prepare=songs,
    ),
]
each = pytest.mark.parametrize("writer", COMMANDS, ids=[writer.name for writer in COMMANDS])


def hashes(folder: Path) -> dict[str, str]:
    """SHA-256 of all files below a folder."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def theirs(folder: Path, names: list[str]) -> dict[str, str]:
    """Fills a folder with files of somebody else; returns their hashes."""
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(f"{name} of somebody else\n", encoding="utf-8")
    return hashes(folder)


@each
def test_foreign_files_under_a_commands_own_names_stay(
    writer: Writer, command, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer.prepare()
    writer.patch(monkeypatch)
    outcome = command(*writer.arguments(Path("new")))
    assert outcome.code == 0, outcome.err
    names = sorted({*hashes(Path("new")), *writer.passing})
    # All of them together; and, where the command refuses before it works, each of them alone.
    folders = [names] if writer.refuses is None else [names, *([name] for name in names)]
    for number, kept in enumerate(folders):
        out = Path(f"theirs-{number}")
        before = theirs(out, kept)
        outcome = command(*writer.arguments(out))
        after = hashes(out)
        assert {name: after.get(name) for name in before} == before
        if writer.refuses is None:
            assert outcome.code == 0, outcome.err
        else:
            assert (outcome.code, after) == (2, before), (kept, outcome)
            assert outcome.err.endswith(f"{writer.refuses}\n")
            assert outcome.err.count("\n") == 1


@pytest.mark.parametrize(
    "writer", [one for one in COMMANDS if one.goes_on], ids=[one.name for one in COMMANDS if one.goes_on]
)
def test_foreign_files_in_a_folder_of_our_own_stay(writer: Writer, command, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also in the folders below it, when the command is called again there."""
    writer.prepare()
    writer.patch(monkeypatch)
    out = Path("ours")
    assert command(*writer.arguments(out)).code == 0
    made = hashes(out)
    folders = {path for path in [out, *out.rglob("*")] if path.is_dir()}
    folders |= {(out / name).parent for name in writer.passing}
    names = [(folder / "thesis.txt").relative_to(out).as_posix() for folder in folders]
    foreign = {name: digest for name, digest in theirs(out, names).items() if name.endswith("thesis.txt")}
    outcome = command(*writer.arguments(out))
    assert outcome.code == 0, outcome.err
    after = hashes(out)
    assert {name: after.get(name) for name in foreign} == foreign
    assert {name: after.get(name) for name in made} == made
