"""What musicldm writes, it writes by Windows' rules too: the commands run under them, see `windows_rules`."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import soundfile

from musicldm.data.manifest import PrepareSettings
from musicldm.data.prepare import Prepared, prepare
from musicldm.machine.parallel import WorkerPool
from tests.tiny_music import RATE, melody, save, tiny_embedder
from tests.windows_rules import keep_windows_rules, names_that_windows_lacks

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="asks /proc which files are open")


@pytest.fixture(autouse=True)
def windows(monkeypatch: pytest.MonkeyPatch) -> None:
    keep_windows_rules(monkeypatch)


def hum(path: Path, hertz: float, seconds: float = 1.5) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, 0.3 * np.sin(2 * np.pi * hertz * np.arange(round(seconds * RATE)) / RATE), RATE)
    path.with_suffix(".txt").write_text(f"a hum at {hertz} Hz", encoding="utf-8")


def prepared(music: Path, out: Path, model: Path | None = None) -> Prepared:
    return prepare(music, out, PrepareSettings(seconds=1.0, beats="none"), model=model, pool=WorkerPool(workers=1))


def test_what_is_open_is_neither_renamed_nor_replaced_nor_removed(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / "folder" / name).mkdir(parents=True)
        np.save(tmp_path / "folder" / name / "array.npy", np.zeros(9))
    folder, array = tmp_path / "folder", tmp_path / "folder" / "one" / "array.npy"
    mapped = np.load(array, mmap_mode="r")
    other = tmp_path / "folder" / "two" / "array.npy"
    for refused in (
        lambda: array.rename(tmp_path / "x"),
        lambda: other.replace(array),
        array.unlink,
        lambda: folder.rename(tmp_path / "x"),
    ):
        with pytest.raises(PermissionError, match="is open"):
            refused()
    assert mapped.sum() == 0
    del mapped
    folder.rename(tmp_path / "x")
    assert not folder.exists()


@pytest.mark.filterwarnings("ignore:.*has no captions")
def test_music_is_prepared_and_prepared_again(
    tmp_path: Path, tiny_model_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("musicldm.data.shards.SHARD_BYTES", 60_000)
    music, out = tmp_path / "music", tmp_path / "data"
    for number in range(4):
        hum(music / f"{number}.wav", 200 + 50 * number)
    assert prepared(music, out).clips == 8
    (music / "2.wav").unlink()
    hum(music / "9.wav", 700)
    assert prepared(music, out, tiny_model_dir).clips == 8
    assert names_that_windows_lacks(out) == []


@pytest.mark.skipif(find_spec("faiss") is None, reason="needs faiss")
@pytest.mark.parametrize("compact", [False, True])
def test_an_index_is_made_and_asked(compact: bool, tmp_path: Path) -> None:
    from musicldm.novelty.build import BuildOptions, build_index
    from musicldm.novelty.check import check
    from musicldm.novelty.features import Cutting

    save(tmp_path / "train", [melody(seed) for seed in range(4)])
    options = BuildOptions(Cutting(seconds=6.0), calibrated=4, compact=compact)
    index = build_index(tmp_path / "train", tmp_path / "index", tiny_embedder(), options)
    assert check(index, melody(2), RATE, tiny_embedder(), 1).verdict == "copy"
    assert names_that_windows_lacks(tmp_path / "index") == []


def test_a_part_is_trained_and_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from musicldm.training.run import train
    from musicldm.training.tasks import vae

    recipe = vae.VaeRecipe(
        channels=(8, 8), groups=4, latent_channels=2, batch_size=2, crop_frames=16, patch_channels=(4, 4)
    )
    monkeypatch.setattr(vae, "RECIPES", {"default": recipe})
    for number in range(6):
        hum(tmp_path / "music" / f"{number}.wav", 200 + 50 * number)
    prepared(tmp_path / "music", tmp_path / "data")
    for steps in (1, 2):
        train("vae", data=tmp_path / "data", out=tmp_path / "run", steps=steps, device="cpu", resume=steps > 1)
    assert names_that_windows_lacks(tmp_path) == []


def test_music_is_made_and_names_come_from_any_prompt(
    tmp_path: Path, tiny_model_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from musicldm.cli.main import run

    monkeypatch.chdir(tmp_path)
    prompts = ["CON", 'what? "this": a/b\\c*', "ends in dots...", "Ünïcode 音楽 \u0301", "two\nlines", "CON"]
    with pytest.raises(SystemExit) as ended:
        run(["generate", *prompts, "--model", str(tiny_model_dir), "--steps", "1", "--duration", "0.5", "-o", "takes/"])
    assert ended.value.code in (0, None)
    assert len(list((tmp_path / "takes").glob("*.wav"))) == len(prompts)
    assert names_that_windows_lacks(tmp_path / "takes") == []


@pytest.mark.skipif(find_spec("tinysoundfont") is None, reason="needs tinysoundfont")
def test_a_corpus_is_composed_and_goes_on(tmp_path: Path) -> None:
    from musicldm.corpus.build import build_corpus
    from musicldm.corpus.sound.soundfonts import find_soundfonts
    from musicldm.errors import DataError

    try:
        font = find_soundfonts()[0]
    except DataError as error:
        pytest.skip(str(error))
    for clips in (1, 2):
        build_corpus(tmp_path / "corpus", clips=clips, seconds=1.0, workers=1, soundfonts=[font])
    assert (tmp_path / "corpus" / "metadata.jsonl").read_bytes().count(b"\n") == 2
    assert names_that_windows_lacks(tmp_path / "corpus") == []
