"""The decoder's inverse Fourier transform by closed forms, its pieces against the whole, its sides against the mid."""

from pathlib import Path

import pytest
import torch

from musicldm.errors import InvalidInputError
from musicldm.model.decoder import Decoder, FrameConv, overlap_add

TINY = {
    "in_channels": 2,
    "in_bins": 4,
    "frames_a_latent": 4,
    "latent_width": 16,
    "latent_hidden": 32,
    "latent_layers": 2,
    "width": 16,
    "hidden": 32,
    "layers": 2,
    "noise_channels": 3,
    "n_fft": 64,
    "hop_length": 16,
    "sample_rate": 8000,
}


def tiny(seed: int = 0, **changes: object) -> Decoder:
    """With weights so large that all that is heard of a latent matters."""
    torch.manual_seed(seed)
    decoder = Decoder(**{**TINY, **changes}).eval()
    for parameter in decoder.parameters():
        if parameter.ndim > 1:
            torch.nn.init.normal_(parameter, std=1.5 * parameter[0].numel() ** -0.5)
    torch.nn.init.ones_(decoder.norm.weight)
    for stack in (decoder.latent_blocks, decoder.blocks):
        for block in stack:
            torch.nn.init.ones_(block.scale)
    return decoder


def latents(frames: int = 40, batch: int = 2, seed: int = 1) -> torch.Tensor:
    return torch.randn(batch, 2, frames, 4, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(("size", "hop"), [(64, 16), (64, 32), (60, 15), (1920, 480)])
def test_a_known_short_time_spectrum_gives_its_wave_back(size: int, hop: int) -> None:
    wave = torch.randn(2, 12 * hop, generator=torch.Generator().manual_seed(0))
    window = torch.hann_window(size)
    cut = (size - hop) // 2
    padded = torch.nn.functional.pad(wave, (cut, cut + (size - hop) % 2))
    spectra = torch.fft.rfft(padded.unfold(1, size, hop) * window)
    again = overlap_add(torch.fft.irfft(spectra, n=size), window, hop)
    assert again.shape == wave.shape
    assert torch.allclose(again, wave, atol=1e-4)  # where windows of half overlap end, their squares are near zero


def test_overlap_add_is_pytorchs_inverse_transform() -> None:
    spectra = torch.randn(2, 20, 33, dtype=torch.complex128, generator=torch.Generator().manual_seed(0))
    window = torch.hann_window(64, dtype=torch.float64)
    expected = torch.istft(spectra.mT, 64, 16, window=window, center=True)
    made = overlap_add(torch.fft.irfft(spectra, n=64), window, 16)
    assert torch.allclose(made[:, 8 : 8 + expected.shape[1]], expected, atol=1e-12)


def test_a_convolution_over_frames_is_pytorchs_own() -> None:
    for groups in (1, 6):
        conv = FrameConv(6, 6, 5, groups=groups)
        x = torch.randn(2, 11, 6)
        expected = torch.nn.functional.conv1d(x.mT, conv.weight[:, :, 0], conv.bias, padding=2, groups=groups).mT
        assert torch.allclose(conv(x), expected, atol=1e-5)


@pytest.mark.parametrize("frames", [1, 2, 17])
@pytest.mark.parametrize("channels", [1, 2])
def test_a_wave_is_exactly_as_long_as_its_latents_say(frames: int, channels: int) -> None:
    decoder = tiny(channels=channels)
    assert decoder.samples_a_frame == 64
    assert decoder(latents(frames)).shape == (2, channels, frames * 64)


@pytest.mark.parametrize("length", [1, 5, 16, 100])
def test_pieces_joined_are_the_whole(length: int) -> None:
    decoder = tiny(channels=2)
    with torch.no_grad():
        whole = decoder(latents())
    joined = torch.cat(list(decoder.pieces(latents(), length)), dim=-1)
    assert joined.shape == whole.shape
    assert torch.allclose(joined, whole, atol=1e-5 * float(whole.abs().max()))


def test_the_halo_holds_all_that_is_heard_and_no_frame_more_than_rounding_needs() -> None:
    decoder = tiny()
    z = latents(41, 1).requires_grad_()
    wave = decoder(z)[0, 0].unflatten(0, (41, -1))
    wave[20].square().sum().backward()
    assert z.grad is not None
    heard = torch.nonzero(z.grad.abs().sum(dim=(0, 1, 3))).flatten()
    assert 20 - decoder.halo <= int(heard.min()) <= 20 - decoder.halo + 1
    assert 20 + decoder.halo - 1 <= int(heard.max()) <= 20 + decoder.halo


def test_the_noise_of_a_piece_is_that_of_its_place() -> None:
    decoder = tiny()
    still = torch.zeros(1, 2, 8, 4)
    with torch.no_grad():
        first, later, again = decoder(still), decoder(still, first=3), decoder(still)
    assert torch.equal(first, again)
    assert not torch.allclose(first, later)


def test_each_clip_of_a_batch_is_decoded_as_alone() -> None:
    decoder = tiny(channels=2)
    with torch.no_grad():
        together = decoder(latents())
        alone = torch.cat([decoder(one[None]) for one in latents()])
    assert torch.allclose(together, alone, atol=1e-5 * float(together.abs().max()))


def test_the_fold_to_mono_is_the_mid() -> None:
    decoder = tiny(channels=2)
    with torch.no_grad():
        mid, side = decoder.mid_and_side(latents())
        wave = decoder(latents())
    assert side is not None
    assert float(side.abs().max()) > 0.01
    assert torch.allclose(wave.mean(dim=1), mid, atol=1e-6 * float(wave.abs().max()))
    assert torch.allclose((wave[:, 0] - wave[:, 1]) / 2, side, atol=1e-6 * float(wave.abs().max()))


def test_a_new_stereo_decoder_makes_sides_that_nobody_hears() -> None:
    torch.manual_seed(0)
    decoder = Decoder(**TINY, channels=2)
    with torch.no_grad():
        mid, side = decoder.mid_and_side(latents())
    assert side is not None
    assert -66 < 10 * float(torch.log10(side.square().mean() / mid.square().mean())) < -54


def test_a_new_decoder_sounds_in_the_middle_of_its_frames() -> None:
    torch.manual_seed(0)
    decoder = Decoder(**{**TINY, "layers": 0, "latent_layers": 0, "noise_channels": 0})
    torch.nn.init.zeros_(decoder.mid.weight)
    with torch.no_grad():
        wave = decoder(torch.zeros(1, 2, 8, 4))[0, 0].unflatten(0, (-1, 16))
    assert (wave.abs().argmax(dim=1) == 8).all()


def test_a_saved_decoder_makes_the_same_samples(tmp_path: Path) -> None:
    decoder = tiny(channels=2)
    decoder.save_pretrained(tmp_path / "decoder")
    assert sorted(path.name for path in (tmp_path / "decoder").iterdir()) == [
        "config.json",
        "diffusion_pytorch_model.safetensors",
    ]
    again = Decoder.from_pretrained(tmp_path / "decoder").eval()
    with torch.no_grad():
        assert torch.equal(again(latents()), decoder(latents()))


def test_bfloat16_weights_give_nearly_the_same_magnitudes() -> None:
    """The spectrum's last layer and the Fourier transform stay in float32."""
    torch.manual_seed(0)
    decoder = Decoder(**TINY)
    with torch.no_grad():
        wave = decoder(latents())
        rough = decoder.to(torch.bfloat16)(latents().to(torch.bfloat16))
    assert rough.dtype == torch.float32
    assert float((rough - wave).square().mean() / wave.square().mean()) < 1e-2


def test_log_mels_are_taken_where_the_sizes_say_so() -> None:
    decoder = tiny(in_channels=1, in_bins=64, frames_a_latent=1)
    assert decoder(torch.zeros(1, 1, 10, 64)).shape == (1, 1, 160)


def test_latents_of_another_shape_are_refused() -> None:
    with pytest.raises(InvalidInputError, match=r"\(2, 4, 40, 2\): the decoder takes \(batch, 2, frames, 4\)"):
        tiny()(latents().mT.transpose(1, 2).reshape(2, 4, 40, 2))


@pytest.mark.parametrize(
    ("changes", "message"),
    [({"n_fft": 72}, "n_fft 72 must be even"), ({"n_fft": 16}, "n_fft 16 must be"), ({"channels": 3}, "channels 3")],
)
def test_sizes_that_do_not_fit_together_are_refused(changes: dict[str, int], message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        Decoder(**{**TINY, **changes})
