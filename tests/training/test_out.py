"""A training writes into a folder of its own, alone, and never into what it reads."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
import zipfile
from pathlib import Path

import pytest

from musicldm import files
from musicldm.errors import DataError, InvalidInputError
from musicldm.model.checksums import write_sums
from musicldm.training.loop.checkpoint import CHECKPOINT
from musicldm.training.run import train
from musicldm.training.tasks import vae
from musicldm.training.tasks.vae import VaeRecipe

SMALL_VAE = VaeRecipe(channels=(8, 8), groups=4, latent_channels=2, batch_size=2, crop_frames=16, patch_channels=(4, 4))


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vae, "RECIPES", {"default": SMALL_VAE})


@pytest.fixture
def model(tiny_model_dir: Path, tmp_path: Path) -> Path:
    """A copy of the tiny model that a test may change."""
    return Path(shutil.copytree(tiny_model_dir, tmp_path / "model"))


def hashes(folder: Path) -> dict[str, str]:
    return {str(p): hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(folder.rglob("*")) if p.is_file()}


def refused(out: Path, *, data: Path, match: str, error: type[Exception] = InvalidInputError, **options: Path) -> None:
    before = hashes(out)
    with pytest.raises(error, match=match):
        train("vae", data=data, out=out, steps=1, device="cpu", **options)
    assert hashes(out) == before


def test_a_model_that_is_read_is_not_written_into(model: Path, tone_corpus: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(model, target_is_directory=True)
    (tmp_path / "elsewhere").mkdir()
    for out in (model, model / "run", model / "unet", tmp_path / "link", tmp_path / "elsewhere" / ".." / "model"):
        refused(out, data=tone_corpus, init=model, match=r"--out .* is in --init .*, which is only read")
        refused(out, data=tone_corpus, model=model, match=r"--out .* is in --model .*, which is only read")
    refused(tmp_path / "model", data=tone_corpus, init=tmp_path / "link", match="is in --init")
    before = hashes(tone_corpus)
    for out in (tone_corpus, tone_corpus / "shards", tone_corpus / "new" / "run"):
        refused(out, data=tone_corpus, match=r"--out .* is in --data .*, which is only read")
    assert hashes(tone_corpus) == before
    assert not (model / "run").exists()


def test_a_folder_by_another_spelling_is_the_same_where_the_system_says_so(
    model: Path, tone_corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on Windows and macOS, where letters of either case name one file."""
    real_exists, real_same = Path.exists, Path.samefile

    def as_stored(path: Path) -> Path:
        return Path(str(path).replace("MODEL", "model"))

    monkeypatch.setattr(Path, "exists", lambda self, **options: real_exists(as_stored(self), **options))
    monkeypatch.setattr(Path, "samefile", lambda self, other: real_same(as_stored(self), as_stored(Path(other))))
    refused(tmp_path / "MODEL", data=tone_corpus, init=model, match="is in --init")
    refused(tmp_path / "MODEL" / "run", data=tone_corpus, init=model, match="is in --init")


def test_other_peoples_folders_are_refused_and_stay_as_they_are(model: Path, tone_corpus: Path, tmp_path: Path) -> None:
    write_sums(model)
    refused(model, data=tone_corpus, error=DataError, match="holds .* and is not a training run: choose another folder")
    for kind in ("a corpus", "prepared data"):
        files.claim_folder(tmp_path / kind, kind)
        refused(tmp_path / kind, data=tone_corpus, error=DataError, match=f"holds {kind}, not a training run")
    thesis = tmp_path / "thesis"
    thesis.mkdir()
    for name in (CHECKPOINT, "log.jsonl"):
        (thesis / name).write_text("mine", encoding="utf-8")
        refused(thesis, data=tone_corpus, error=DataError, match="is not a training run")
    # Neither file alone, nor a log of another program beside an archive.
    with zipfile.ZipFile(thesis / CHECKPOINT, "w") as archive:
        archive.writestr("data.pkl", "mine")
    refused(thesis, data=tone_corpus, error=DataError, match="is not a training run")
    (thesis / "log.jsonl").write_text('{"kind": "train"}\n', encoding="utf-8")
    refused(thesis, data=tone_corpus, error=DataError, match="is not a training run")
    refused(model / "model_index.json", data=tone_corpus, match="is a file: a folder for a training run is expected")


def test_a_run_of_an_earlier_version_goes_on_and_keeps_what_else_is_there(tone_corpus: Path, tmp_path: Path) -> None:
    train("vae", data=tone_corpus, out=tmp_path / "run", steps=1, device="cpu")
    (tmp_path / "run" / files.MARK).unlink()
    for folder in ("", "vae", "samples"):
        (tmp_path / "run" / folder / "notes.txt").write_text("mine", encoding="utf-8")
    train("vae", data=tone_corpus, out=tmp_path / "run", steps=2, device="cpu", resume=True)
    assert json.loads((tmp_path / "run" / files.MARK).read_text(encoding="utf-8")) == {"kind": "a training run"}
    for folder in ("", "vae", "samples"):
        assert (tmp_path / "run" / folder / "notes.txt").read_text(encoding="utf-8") == "mine"


def test_wrong_data_and_a_resume_of_nothing_are_refused_before_a_folder_is_made(
    tone_corpus: Path, tmp_path: Path
) -> None:
    refused(tmp_path / "new", data=tmp_path / "none", match="is not prepared", error=DataError)
    with pytest.raises(InvalidInputError, match=r"nothing to resume: .*new.checkpoint\.pt does not exist"):
        train("vae", data=tmp_path / "none", out=tmp_path / "new", steps=1, resume=True)
    assert not (tmp_path / "new").exists()
    train("vae", data=tone_corpus, out=tmp_path / "run", steps=1, device="cpu")
    refused(tmp_path / "run", data=tmp_path / "none", match="holds a training already: add --resume, or choose another")


def test_a_second_training_in_a_folder_is_refused_while_the_first_one_runs(tone_corpus: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    files.claim_folder(out, "a training run")
    with files.locked(out, busy="busy"):
        refused(out, data=tone_corpus, match="another training writes into this folder: wait for it, or choose another")
    train("vae", data=tone_corpus, out=out, steps=1, device="cpu")
    with files.locked(out, busy="busy"), pytest.raises(InvalidInputError, match="another training writes"):
        train("vae", data=tone_corpus, out=out, steps=2, device="cpu", resume=True)


@pytest.mark.skipif(sys.platform == "win32", reason="forks")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_the_lock_of_a_training_that_was_killed_is_free(tone_corpus: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    files.claim_folder(out, "a training run")
    if (pid := os.fork()) == 0:
        with files.locked(out, busy="busy"):
            os._exit(0)
    os.waitpid(pid, 0)
    train("vae", data=tone_corpus, out=out, steps=1, device="cpu")
    assert (out / CHECKPOINT).is_file()
