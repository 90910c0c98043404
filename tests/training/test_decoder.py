"""The training of a decoder on tones at 48 kHz, and the losses that it is trained by."""

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from musicldm.data.engines import Engine
from musicldm.data.manifest import HifiSpec, PrepareSettings
from musicldm.data.prepare import prepare
from musicldm.model.decoder import Decoder
from musicldm.training import decoder
from musicldm.training.decoder import DecoderRecipe
from musicldm.training.run import train
from musicldm.training.spectral_losses import Resolution

RATE = 48000
SMALL = DecoderRecipe(
    latent_width=16,
    latent_hidden=32,
    latent_layers=1,
    width=16,
    hidden=32,
    layers=1,
    noise_channels=2,
    batch_size=2,
    crop_latents=8,
    resolutions=(Resolution(512, 128), Resolution(2048, 512), Resolution(3072, 768)),
    adversarial_samples=4096,
    period_channels=(4, 4),
    periods=(2, 3),
    spectrum_windows=(512,),
    spectrum_channels=(4, 4),
)


@pytest.fixture(scope="session")
def tones48(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dozen tones of a second at 48 kHz, panned, prepared at 16 kHz with their sound at 48 kHz in stereo."""
    folder = tmp_path_factory.mktemp("tones48") / "corpus"
    folder.mkdir()
    rng = np.random.default_rng(0)
    time = np.arange(RATE) / RATE
    lines = []
    for index in range(12):
        tone = 0.3 * np.sin(2 * np.pi * (200 + 50 * index) * time) + 0.01 * rng.standard_normal(RATE)
        place = index / 11
        soundfile.write(folder / f"{index:02}.wav", np.stack([(1 - place) * tone, place * tone], axis=1), RATE)
        lines.append(json.dumps({"file_name": f"{index:02}.wav", "text": f"tone {index}"}))
    (folder / "metadata.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    settings = PrepareSettings(seconds=1.0, normalize="none", beats="none", hifi=HifiSpec(RATE, 2))
    prepare(folder, folder.parent / "data", settings, engine=Engine(workers=1))
    return folder.parent / "data"


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoder, "RECIPES", {"default": SMALL})


@pytest.mark.usefixtures("small")
def test_a_decoder_is_trained_written_and_goes_on_from_half_precision(
    tones48: Path, tiny_model_dir: Path, tmp_path: Path
) -> None:
    common = {"data": tones48, "device": "cpu", "model": tiny_model_dir}
    train("decoder", out=tmp_path / "first", steps=2, **common)
    made = Decoder.from_pretrained(tmp_path / "first" / "decoder")
    assert (made.config.channels, made.config.sample_rate, made.config.frames_a_latent) == (2, RATE, 4)
    made.half().save_pretrained(tmp_path / "half" / "decoder")
    train("decoder", out=tmp_path / "second", steps=1, init=tmp_path / "half", **common)
    again = Decoder.from_pretrained(tmp_path / "second" / "decoder")
    assert {p.dtype for p in again.parameters()} == {torch.float32}
    for before, after in zip(made.parameters(), again.parameters(), strict=True):
        assert torch.allclose(before.float(), after, atol=5e-3)
    kinds = [json.loads(line)["kind"] for line in (tmp_path / "second" / "log.jsonl").read_text().splitlines()]
    assert kinds[-1] == "validation"
