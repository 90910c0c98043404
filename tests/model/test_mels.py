"""What a model folder says of its log-mels, from configurations alone."""

import json
from pathlib import Path

import pytest

from musicldm.audio.mel import MelSpec
from musicldm.errors import CheckpointError, InvalidInputError
from musicldm.model.mels import ModelMels, mel_spec
from tests.tiny_model import build_tiny_model


def test_a_model_says_its_rate_hop_and_bins(tmp_path: Path) -> None:
    (tmp_path / "vocoder").mkdir()
    config = {"sampling_rate": 8000, "upsample_rates": [5, 4, 4], "model_in_dim": 64}
    (tmp_path / "vocoder" / "config.json").write_text(json.dumps(config))
    assert ModelMels.of_folder(tmp_path).spec() == MelSpec(sample_rate=8000, hop_length=80, f_max=4000.0)


def test_the_default_model_has_the_published_log_mels() -> None:
    from musicldm.model.folder import DEFAULT_FOLDER

    assert ModelMels.of_folder(DEFAULT_FOLDER).spec() == MelSpec()


def test_numbers_that_the_model_leaves_open_may_be_given_and_others_not(tmp_path: Path) -> None:
    mels = ModelMels.of_folder(build_tiny_model(tmp_path / "model"))
    assert mels.spec(n_fft=2048, f_max=7000.0, hop_length=160).n_fft == 2048
    with pytest.raises(InvalidInputError, match=r"a hop of 128 samples is asked for, and the model in .* has a hop of"):
        mels.spec(hop_length=128)
    with pytest.raises(InvalidInputError, match=r"32 mel bins is asked for, and the model in .* has 64 mel bins"):
        mels.spec(n_mels=32)


def test_the_settings_that_a_vocoder_was_trained_with_are_the_models(tmp_path: Path) -> None:
    model = build_tiny_model(tmp_path / "model")
    path = model / "vocoder" / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "mel": {"n_fft": 2048, "win_length": 1024}}))
    mels = ModelMels.of_folder(model)
    assert mels.spec() == MelSpec(n_fft=2048, win_length=1024)
    with pytest.raises(InvalidInputError, match=r"the data have an FFT of 1024 samples, .* has an FFT of 2048 samples"):
        mels.check(MelSpec())


def test_bins_that_the_vae_cannot_halve_are_refused(tmp_path: Path) -> None:
    (tmp_path / "vae").mkdir()
    (tmp_path / "vae" / "config.json").write_text(json.dumps({"block_out_channels": [8, 8, 8]}))
    mels = ModelMels.of_folder(tmp_path)
    mels.check(MelSpec(n_mels=60))
    with pytest.raises(InvalidInputError, match=r"62 mel bins, and the VAE in .* takes multiples of 4"):
        mels.check(MelSpec(n_mels=62))


def test_without_a_model_the_window_is_the_fft_and_the_top_half_the_rate() -> None:
    assert mel_spec(sample_rate=8000, n_fft=512) == MelSpec(sample_rate=8000, n_fft=512, win_length=512, f_max=4000.0)
    assert ModelMels().spec() == MelSpec()


def test_a_configuration_that_is_none_is_named(tmp_path: Path) -> None:
    (tmp_path / "vocoder").mkdir()
    (tmp_path / "vocoder" / "config.json").write_text("[]")
    with pytest.raises(CheckpointError, match=r"config\.json is no configuration"):
        ModelMels.of_folder(tmp_path)
