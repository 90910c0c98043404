import pytest
import torch
from transformers import SpeechT5HifiGan, SpeechT5HifiGanConfig

from musicldm.sampling.decoding import vocode

HOP = 8


@pytest.fixture(scope="module")
def vocoder() -> SpeechT5HifiGan:
    torch.manual_seed(0)
    config = SpeechT5HifiGanConfig(
        model_in_dim=4,
        upsample_initial_channel=8,
        upsample_rates=[4, 2],
        upsample_kernel_sizes=[8, 4],
        resblock_kernel_sizes=[3],
        resblock_dilation_sizes=[[1]],
        initializer_range=0.5,
        normalize_before=False,
    )
    return SpeechT5HifiGan(config).eval()


def repetition(wave: torch.Tensor) -> float:
    """Energy of what changes from frame to frame, over the wave's, away from the ends."""
    middle = wave[0, 40 * HOP : -40 * HOP]
    return float((middle[HOP:] - middle[:-HOP]).square().mean() / middle.square().mean())


@torch.no_grad()
def test_without_dither_the_vocoder_alone_decides_and_repeats_itself(vocoder: SpeechT5HifiGan) -> None:
    mel = torch.ones(1, 200, 4)
    assert torch.equal(vocode(vocoder, mel), vocoder(mel))
    assert repetition(vocode(vocoder, mel)) < 1e-9


@torch.no_grad()
def test_dither_breaks_the_repetition_in_the_same_way_each_time(
    vocoder: SpeechT5HifiGan, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vocoder.config, "mel_dither", 0.25, raising=False)
    mel = torch.ones(2, 200, 4)
    waves = vocode(vocoder, mel)
    assert repetition(waves) > 1e-3
    assert torch.equal(waves[0], waves[1])
    assert torch.equal(waves, vocode(vocoder, mel))
