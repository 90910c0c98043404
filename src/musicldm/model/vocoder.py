"""Vocoders: log-mels to waves. HiFi-GAN, a bounded piece of a long clip at a time."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import torch

from musicldm.errors import unknown_choice
from musicldm.machine.flat_convolutions import FlatConvolutions

_VOCODER_FRAMES = 1024
"""Frames vocoded at once: bounds the memory of long clips. Shorter pieces would repeat more of each other's margins."""
_MARGINS_A_PIECE = 20
"""Length of a vocoder's pieces in bfloat16 on a CPU, in margins. oneDNN prepares the products of a layer in bfloat16
sample by sample, which for ten seconds takes over ten times as long as the products do: pieces of one length share
that (`benchmarks/speed/cold_start.py`)."""
_VOCODER_VALUES = 3 << 20
"""Of a layer, for all pieces of a clip that are computed at once."""


class Vocoder(Protocol):
    """What turns log-mels into waves."""

    @property
    def sample_rate(self) -> int:
        """Samples a second of the waves."""

    @property
    def hop_length(self) -> int:
        """Samples a frame."""

    @property
    def bins(self) -> int:
        """Mel bins a frame."""

    @property
    def channels(self) -> int:
        """Of the waves: 1 for mono."""

    def __call__(self, mels: torch.Tensor) -> torch.Tensor:
        """Log-mels (n, frames, bins) to waves (n, samples), or (n, channels, samples) where those are more than one.

        Waves are in the precision of the vocoder, on its device, full scale ±1, `hop_length` samples a frame.
        """


class HifiGanNetwork(Protocol):
    """A `SpeechT5HifiGan` of transformers, or what computes the same: log-mels (n, frames, bins) to (n, samples)."""

    config: Any

    @property
    def dtype(self) -> torch.dtype:
        """Of what it takes."""

    def __call__(self, spectrogram: torch.Tensor) -> torch.Tensor:
        """The waves of the whole clip at once."""


@dataclass(frozen=True)
class HifiGan:
    """The vocoder of MusicLDM (Kong et al., arXiv 2010.05646): mono, of any rate that its configuration says.

    Gradients are kept where the caller keeps them.

    Args:
        network: `SpeechT5HifiGan`, or the same by OpenVINO.
    """

    network: HifiGanNetwork

    @property
    def sample_rate(self) -> int:
        """Samples a second."""
        return int(self.network.config.sampling_rate)

    @property
    def hop_length(self) -> int:
        """Samples a frame, the product of the upsampling rates."""
        return math.prod(self.network.config.upsample_rates)

    @property
    def bins(self) -> int:
        """Mel bins a frame."""
        return int(self.network.config.model_in_dim)

    @property
    def channels(self) -> int:
        """Mono."""
        return 1

    def __call__(self, mels: torch.Tensor) -> torch.Tensor:
        """Log-mels (n, frames, bins) on the network's device to waves (n, frames · hop_length).

        A vocoder repeats itself every frame where its input stays the same, and hums at the frame rate. One trained on
        dithered input has `mel_dither` in its configuration: the deviation in nats of the noise, the same in every
        call, that it makes breath and cymbals of.
        """
        mels = mels.to(self.network.dtype)
        amount = getattr(self.network.config, "mel_dither", 0.0)
        if amount:
            noise = torch.randn(mels.shape[1:], generator=torch.Generator().manual_seed(0))
            mels = mels + amount * noise.to(mels)
        return _vocode_in_pieces(self.network, mels)


VOCODERS: Mapping[str, Callable[[Any], Vocoder]] = {"SpeechT5HifiGan": HifiGan}
"""Classes that a model's `vocoder/` may be of, by name. Another one is another row."""


def vocoder_of(module: torch.nn.Module) -> Vocoder:
    """The vocoder that a module is.

    Raises:
        InvalidInputError: its class is none of `VOCODERS`.
    """
    kind = next((cls.__name__ for cls in type(module).__mro__ if cls.__name__ in VOCODERS), None)
    if kind is None:
        raise unknown_choice("class of vocoder", type(module).__name__, VOCODERS)
    return VOCODERS[kind](module)


def _vocode_in_pieces(network: HifiGanNetwork, mel: torch.Tensor) -> torch.Tensor:
    """Each piece is vocoded with the frames of its neighbours that it depends on: the seams are those of the whole.

    All are of one length, so that a layer is prepared for it once.
    """
    config, frames = network.config, mel.shape[1]
    hop, margin = math.prod(config.upsample_rates), receptive_frames(config)
    slow_to_prepare = mel.device.type == "cpu" and mel.dtype == torch.bfloat16
    longest = _MARGINS_A_PIECE * margin if slow_to_prepare else _VOCODER_FRAMES
    length = math.ceil(frames / math.ceil(frames / longest))
    width = min(frames, length + 2 * margin)
    begins = range(0, frames, length)
    firsts = [max(0, min(begin - margin, frames - width)) for begin in begins]
    at_once = max(1, _VOCODER_VALUES // (_widest_layer(config) * width))
    pieces = []
    for start in range(0, len(begins), at_once):
        some = firsts[start : start + at_once]
        with FlatConvolutions():
            waves = network(torch.cat([mel[:, first : first + width] for first in some]))
        for begin, first, wave in zip(begins[start:], some, waves.chunk(len(some)), strict=False):
            end = min(begin + length, frames)
            pieces.append(wave[:, (begin - first) * hop : None if end == frames else (end - first) * hop])
    return torch.cat(pieces, dim=1)


def _widest_layer(config: Any) -> int:
    """Values a frame of the largest layer of a HiFi-GAN: the last, as channels halve and samples at least double."""
    samples = math.prod(config.upsample_rates)
    return int(samples * config.upsample_initial_channel // 2 ** len(config.upsample_rates))


def receptive_frames(config: Any) -> int:
    """On how many frames to each side the sound of a frame depends, by the configuration of a `SpeechT5HifiGan`."""
    reach = 3  # of the last convolution, of seven samples
    blocks = zip(config.resblock_kernel_sizes, config.resblock_dilation_sizes, strict=True)
    widest = max(sum((kernel - 1) // 2 * (dilation + 1) for dilation in dilations) for kernel, dilations in blocks)
    upsamplers = list(zip(config.upsample_rates, config.upsample_kernel_sizes, strict=True))
    for rate, kernel in reversed(upsamplers):
        padding = (kernel - rate) // 2
        reach = math.ceil((reach + widest + max(padding, kernel - 1 - padding)) / rate)
    return reach + 3  # of the first
