import json
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from tests.tiny_model import build_tiny_model
from transformers import SpeechT5HifiGan

from musicldm.data.clips import ClipStore
from musicldm.data.latents import cached_latents
from musicldm.errors import CheckpointError, DataError, InvalidInputError
from musicldm.training import ldm, vae, vocoder
from musicldm.training.ldm import LdmRecipe
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


@pytest.mark.parametrize("text_share", [1.0, 0.5])
def test_the_ldm_is_trained_on_the_latents_of_a_models_vae_under_its_clap(
    text_share: float, tone_corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = LdmRecipe(batch_size=2, crop_frames=24, text_share=text_share, learning_rate=1e-3)
    monkeypatch.setattr(ldm, "RECIPES", {"default": recipe})
    model = build_tiny_model(tmp_path / "model", seed=int(10 * text_share))
    sounds = set(ClipStore(tone_corpus).folder.glob("sounds-*"))
    train("ldm", data=tone_corpus, out=tmp_path / "ldm", steps=2, device="cpu", init=model, model=model)
    before = UNet2DConditionModel.from_pretrained(model / "unet").state_dict()
    after = UNet2DConditionModel.from_pretrained(tmp_path / "ldm" / "unet").state_dict()
    assert before.keys() == after.keys()
    assert any(not torch.equal(before[name], after[name]) for name in before)
    assert len(set(ClipStore(tone_corpus).folder.glob("sounds-*")) - sounds) == (text_share < 1)


def test_a_unet_that_goes_on_under_another_clap_is_fitted_to_it(
    tone_corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(ldm, "RECIPES", {"default": LdmRecipe(batch_size=2, crop_frames=24, text_share=1.0)})
    first, second = (build_tiny_model(tmp_path / f"model{seed}", seed=seed) for seed in (0, 1))
    for name, model in (("same", first), ("other", second)):
        train("ldm", data=tone_corpus, out=tmp_path / name, steps=1, device="cpu", init=first, model=model)
        assert ("refitted" in capsys.readouterr().err) == (name == "other")


@torch.no_grad()
def test_latents_are_those_that_the_vae_gives_clip_by_clip(tones: ClipStore, tmp_path: Path) -> None:
    autoencoder = AutoencoderKL.from_pretrained(build_tiny_model(tmp_path, seed=3) / "vae").eval()
    kept = cached_latents(tones, autoencoder)
    again = AutoencoderKL.from_pretrained(tmp_path / "vae").eval()
    posterior = again.encode(torch.from_numpy(np.asarray(tones.mels[:3], np.float32))[:, None]).latent_dist
    expected = torch.cat([posterior.mean, posterior.std], dim=1).numpy()
    assert np.allclose(kept[:3], expected, rtol=2e-3, atol=2e-3)


def test_words_that_mean_nothing_are_refused_with_the_choices(tone_corpus: Path, tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="unknown part 'unet': choose one of vae, vocoder, clap, ldm, beats"):
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
