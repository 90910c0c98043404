import json
from pathlib import Path

import pytest
import torch
from diffusers import AutoencoderKL
from transformers import SpeechT5HifiGan

from musicldm.errors import CheckpointError, DataError, InvalidInputError
from musicldm.training import vae, vocoder
from musicldm.training.run import held_out_count, train
from musicldm.training.vae import VaeRecipe
from musicldm.training.vocoder import VocoderRecipe

SMALL_VAE = VaeRecipe(channels=(8, 8), groups=4, latent_channels=2, batch_size=2, crop_frames=16, patch_channels=(4, 4))
SMALL_VOCODER = VocoderRecipe(initial_channels=16, batch_size=2, segment_frames=16)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vae, "RECIPES", {"default": SMALL_VAE})
    monkeypatch.setattr(vocoder, "RECIPES", {"default": SMALL_VOCODER})


@pytest.mark.usefixtures("small")
def test_a_part_is_trained_written_and_goes_on_from_half_precision(tone_corpus: Path, tmp_path: Path) -> None:
    train("vae", data=tone_corpus, out=tmp_path / "vae", steps=2, device="cpu")
    stored = AutoencoderKL.from_pretrained(tmp_path / "vae" / "vae").half()
    stored.save_pretrained(tmp_path / "half" / "vae")
    train("vae", data=tone_corpus, out=tmp_path / "more", steps=1, device="cpu", init=tmp_path / "half")
    again = AutoencoderKL.from_pretrained(tmp_path / "more" / "vae")
    assert {p.dtype for p in again.parameters()} == {torch.float32}
    train("vocoder", data=tone_corpus, out=tmp_path / "vocoder", steps=1, device="cpu", model=tmp_path / "half")
    assert SpeechT5HifiGan.from_pretrained(tmp_path / "vocoder" / "vocoder").config.upsample_initial_channel == 16
    kinds = [json.loads(line)["kind"] for line in (tmp_path / "vocoder" / "log.jsonl").read_text().splitlines()]
    assert kinds[-1] == "validation"


def test_words_that_mean_nothing_are_refused_with_the_choices(tone_corpus: Path, tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="unknown part 'unet': choose one of vae, vocoder, clap, ldm"):
        train("unet", data=tone_corpus, out=tmp_path / "x", steps=1)
    with pytest.raises(InvalidInputError, match="unknown recipe 'huge': choose one of default"):
        train("vae", data=tone_corpus, out=tmp_path / "x", recipe="huge", steps=1)
    with pytest.raises(InvalidInputError, match="the ldm needs --model"):
        train("ldm", data=tone_corpus, out=tmp_path / "x", steps=1)
    with pytest.raises(CheckpointError, match="has no vae/"):
        train("vae", data=tone_corpus, out=tmp_path / "x", steps=1, init=tmp_path)


def test_data_that_cannot_be_used_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no metadata\.jsonl"):
        train("vae", data=tmp_path, out=tmp_path / "x", steps=1)
    (tmp_path / "metadata.jsonl").write_text("")
    with pytest.raises(DataError, match="lists no clips"):
        train("vae", data=tmp_path, out=tmp_path / "x", steps=1)
    (tmp_path / "metadata.jsonl").write_text('{"file_name": "a.flac", "text": "a"}\n{"text": 1}\n')
    with pytest.raises(DataError, match="line 2 is no clip"):
        train("vae", data=tmp_path, out=tmp_path / "x", steps=1)
    (tmp_path / "metadata.jsonl").write_text('{"file_name": "a.flac", "text": "a"}\n')
    (tmp_path / "a.flac").write_bytes(b"not audio")
    with pytest.raises(DataError, match=r"a\.flac cannot be read as audio"):
        train("vae", data=tmp_path, out=tmp_path / "x", steps=1)


def test_some_clips_are_always_held_out() -> None:
    assert [held_out_count(clips) for clips in (2, 10, 100, 6000, 50_000)] == [1, 1, 2, 120, 128]
    with pytest.raises(InvalidInputError, match="at least 2"):
        held_out_count(1)
