import pytest
import torch
from transformers import SpeechT5HifiGan, SpeechT5HifiGanConfig

from musicldm.errors import InvalidInputError
from musicldm.model import vocoder as decoding
from musicldm.model.vocoder import HifiGan, receptive_frames, vocoder_of
from tests.tolerances import BFLOAT16, layers, roundings

pytestmark = pytest.mark.numeric

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
    torch.testing.assert_close(HifiGan(vocoder)(mel), vocoder(mel), rtol=0, atol=layers(12, 64))
    assert repetition(HifiGan(vocoder)(mel)) < layers(12, 64) ** 2 / float(vocoder(mel).square().mean())


@torch.no_grad()
def test_between_its_layers_a_vocoder_keeps_channels_together(vocoder: SpeechT5HifiGan) -> None:
    seen: list[int] = []
    hook = vocoder.conv_pre.register_forward_hook(lambda _module, _inputs, out: seen.append(out.stride(1)))
    HifiGan(vocoder)(torch.ones(1, 20, 4))
    hook.remove()
    assert seen == [1]


@torch.no_grad()
def test_dither_breaks_the_repetition_in_the_same_way_each_time(
    vocoder: SpeechT5HifiGan, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vocoder.config, "mel_dither", 0.25, raising=False)
    mel = torch.ones(2, 200, 4)
    waves = HifiGan(vocoder)(mel)
    assert repetition(waves) > 1e-3
    torch.testing.assert_close(waves[0], waves[1], rtol=0, atol=layers(12, 64))
    assert torch.equal(waves, HifiGan(vocoder)(mel))


WIDEST = 160
"""Values a frame of the largest layers of `published_shape`: 8 channels times 20 samples, 4 times 40 and so on."""
ROUNDINGS = 2 + 5 * (2 + 3 * 5 + 3) + 3
"""Results of `published_shape` one after another: first convolution and activation; five times an upsampling with its
activation, three blocks of two convolutions, two activations and a sum, and the mean of three; last convolution,
activation and tanh."""
LONGEST_SUM = 16 * 11
"""Products: channels after the first upsampling times the widest kernel."""


def published_shape() -> SpeechT5HifiGan:
    """The published vocoder's strides, kernels and dilations, narrow, with weights that let a far sample through."""
    torch.manual_seed(0)
    config = SpeechT5HifiGanConfig(
        model_in_dim=4,
        upsample_initial_channel=32,
        upsample_rates=[5, 4, 2, 2, 2],
        upsample_kernel_sizes=[16, 16, 8, 4, 4],
        initializer_range=0.2,
        normalize_before=False,
    )
    return SpeechT5HifiGan(config).eval()


@pytest.mark.parametrize("frames", [99, 100, 101, 150, 430])
@pytest.mark.parametrize("together", [1, 3])
@torch.no_grad()
def test_a_long_clip_in_pieces_is_the_whole_at_the_seams_too(
    frames: int, together: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    vocoder = published_shape()
    mel = torch.randn(2, frames, 4, generator=torch.Generator().manual_seed(1))
    whole = HifiGan(vocoder)(mel)
    torch.testing.assert_close(whole, vocoder(mel), rtol=0, atol=layers(ROUNDINGS, LONGEST_SUM))
    monkeypatch.setattr(decoding, "_VOCODER_FRAMES", 100)
    monkeypatch.setattr(decoding, "_VOCODER_VALUES", together * 148 * WIDEST)
    made = HifiGan(vocoder)(mel)
    assert made.shape == whole.shape
    assert float(whole.std()) > 0.01
    torch.testing.assert_close(made, whole, rtol=0, atol=layers(ROUNDINGS, LONGEST_SUM))


@pytest.mark.parametrize("together", [1, 3])
@torch.no_grad()
def test_no_layer_computes_more_at_once_than_is_said(together: int, monkeypatch: pytest.MonkeyPatch) -> None:
    vocoder = published_shape()
    sizes: list[int] = []
    for module in vocoder.modules():
        module.register_forward_hook(lambda _module, _arguments, output: sizes.append(output.numel()))
    width = 86 + 2 * receptive_frames(vocoder.config)  # 430 frames are five pieces of 86
    monkeypatch.setattr(decoding, "_VOCODER_FRAMES", 100)
    monkeypatch.setattr(decoding, "_VOCODER_VALUES", together * width * WIDEST + 7)
    HifiGan(vocoder)(torch.randn(1, 430, 4))
    assert max(sizes) == pytest.approx(together * width * WIDEST, rel=0.005)


@torch.no_grad()
def test_pieces_in_bfloat16_are_of_one_length_and_sound_like_the_whole() -> None:
    vocoder = published_shape().bfloat16()
    widths: list[int] = []
    vocoder.conv_pre.register_forward_pre_hook(lambda _module, arguments: widths.append(arguments[0].shape[2]))
    mel = torch.randn(2, 1000, 4, generator=torch.Generator().manual_seed(1)).bfloat16()
    made, whole = HifiGan(vocoder)(mel), vocoder(mel)
    exact = published_shape().bfloat16().double()(mel.double())
    # Twenty margins of 24 frames are 480 at most: three pieces of 334.
    assert set(widths[:-1]) == {334 + 2 * 24}
    assert made.shape == whole.shape
    allowed = roundings(ROUNDINGS, float(exact.square().mean().sqrt()), BFLOAT16)
    seams = [slice(160 * (frame - 24), 160 * (frame + 24)) for frame in (334, 668)]
    for part in (slice(None), *seams):
        assert float((made - exact)[:, part].square().mean().sqrt()) < allowed


def test_a_frame_depends_on_mels_as_far_as_is_said_and_no_farther() -> None:
    vocoder = published_shape().double()
    reach, frame, hop = receptive_frames(vocoder.config), 80, 160
    mel = torch.randn(1, 160, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(2), requires_grad=True)
    vocoder(mel)[0, frame * hop : (frame + 1) * hop].square().sum().backward()
    assert mel.grad is not None
    heard = mel.grad[0].abs().sum(dim=1).nonzero().flatten()
    assert frame - reach <= int(heard.min())
    assert int(heard.max()) <= frame + reach
    assert int(heard.max() - heard.min()) >= 2 * reach - 2  # nor is the margin much larger than it must be


def test_a_vocoder_says_its_rate_hop_bins_and_channels() -> None:
    made = vocoder_of(published_shape())
    assert (made.sample_rate, made.hop_length, made.bins, made.channels) == (16000, 160, 4, 1)


def test_a_class_of_vocoder_that_nobody_knows_is_named_with_those_that_are_known() -> None:
    with pytest.raises(InvalidInputError, match="unknown class of vocoder 'Linear': choose one of SpeechT5HifiGan"):
        vocoder_of(torch.nn.Linear(1, 1))


def test_a_class_derived_from_a_known_one_is_known(vocoder: SpeechT5HifiGan) -> None:
    class Mine(SpeechT5HifiGan):  # type: ignore[misc]
        pass

    assert vocoder_of(Mine(vocoder.config)).hop_length == HOP
