"""What the audio tower takes against transformers' own extractor."""

import numpy as np
import pytest
import soxr
import torch
from transformers import ClapFeatureExtractor

from musicldm.model.clap import clap_input

pytestmark = pytest.mark.numeric

LENGTH = 32000


def extractor(**changes: object) -> ClapFeatureExtractor:
    settings = {"sampling_rate": 16000, "max_length_s": 2, "hop_length": 200, "frequency_max": 8000}
    return ClapFeatureExtractor(**{**settings, "truncation": "rand_trunc", "padding": "repeatpad", **changes})


def noise(samples: int) -> np.ndarray:
    """Two waves, of which one falls silent and one has no high frequencies."""
    waves = 0.1 * np.random.default_rng(samples).standard_normal((2, samples)).astype(np.float32)
    waves[0, samples // 2 :] = 0
    waves[1] = np.cumsum(waves[1]) / 50
    return waves


@pytest.mark.parametrize("padding", ["repeatpad", "repeat", "pad"])
@pytest.mark.parametrize("truncation", ["rand_trunc", "fusion"])
@pytest.mark.parametrize("samples", [3000, 15999, 16000, 31999, LENGTH])
def test_values_are_the_extractors(padding: str, truncation: str, samples: int) -> None:
    theirs, waves = extractor(padding=padding, truncation=truncation), noise(samples)
    mine = clap_input(theirs, waves, 16000)
    expected = theirs(list(waves), sampling_rate=16000, return_tensors="pt")["input_features"]
    assert mine["input_features"].dtype == torch.float32
    assert torch.allclose(mine["input_features"], expected.float(), atol=1e-3)
    assert mine["is_longer"].tolist() == [[False], [False]]


def test_waves_at_another_rate_give_the_published_extractors_values() -> None:
    theirs = ClapFeatureExtractor(truncation="rand_trunc", padding="repeatpad")
    waves = noise(LENGTH)
    resampled = [soxr.resample(wave, 16000, 48000) for wave in waves]
    expected = theirs(resampled, sampling_rate=48000, return_tensors="pt")["input_features"]
    assert torch.allclose(clap_input(theirs, waves, 16000)["input_features"], expected.float(), atol=1e-3)


@pytest.mark.parametrize("truncation", ["rand_trunc", "fusion"])
def test_of_longer_waves_the_middle_is_taken(truncation: str) -> None:
    theirs, waves = extractor(truncation=truncation), noise(LENGTH + 1001)
    middle = clap_input(theirs, waves[:, 500 : 500 + LENGTH], 16000)
    assert torch.equal(clap_input(theirs, waves, 16000)["input_features"], middle["input_features"])
