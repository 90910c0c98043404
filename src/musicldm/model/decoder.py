"""Latents to the waves that are heard: ConvNeXt blocks and an inverse Fourier transform, at the full rate of the sound.

After Vocos (Siuzdak, arXiv 2306.00814): a frame's features become magnitude and phase of its short-time spectrum, and
overlap-add makes the wave. What differs: the first blocks work at the frame rate of the latents, where they cost an
eighth; noise is an input, of which breath and cymbals are made; and a stereo decoder makes mid and side.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
import torch.nn.functional as F
from diffusers import ConfigMixin, ModelMixin
from diffusers.configuration_utils import register_to_config
from torch import Tensor, nn

from musicldm.errors import InvalidInputError

_LARGEST_LOG_MAGNITUDE = 7.0
"""Of a frame's spectrum divided by the root of its length: a full-scale tone has 3."""
_SIDE_AT_FIRST = 1e-3
"""Of the mid, root mean square. A spectrum of zeros has no phase, from which nothing could be learned."""
_NOISE_FRAMES = 4096
"""After these frames the input noise begins again."""
_PIECE = 128
"""Latent frames decoded at once by default."""


class Block(nn.Module):
    """ConvNeXt block over frames (B, T, width). Liu et al., arXiv 2201.03545; as Vocos, in one dimension.

    Args:
        width: features of a frame.
        hidden: features between the two linear layers.
        kernel: frames that the depthwise convolution sees, odd.
        scale: initial factor of what the block adds.
    """

    def __init__(self, width: int, hidden: int, kernel: int, scale: float) -> None:
        super().__init__()
        self.depthwise = FrameConv(width, width, kernel, groups=width)
        self.norm = nn.LayerNorm(width, eps=1e-6)
        self.widen = nn.Linear(width, hidden)
        self.narrow = nn.Linear(hidden, width)
        self.scale = nn.Parameter(torch.full((width,), scale))

    def forward(self, x: Tensor) -> Tensor:
        added: Tensor = self.scale * self.narrow(F.gelu(self.widen(self.norm(self.depthwise(x)))))
        return x + added


class FrameConv(nn.Conv2d):
    """Convolution along frames (B, T, channels) → (B, T, width), zeros outside.

    A two-dimensional one, as PyTorch computes only those without moving the features behind the frames and back.
    """

    def __init__(self, channels: int, width: int, kernel: int, groups: int = 1) -> None:
        super().__init__(channels, width, (1, kernel), padding=(0, kernel // 2), groups=groups)

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.mT[:, :, None])[:, :, 0].mT


class Decoder(ModelMixin, ConfigMixin):
    """Latents (B, in_channels, T, in_bins) to waves (B, channels, samples), T · `samples_a_frame` samples each.

    Latents are unscaled, as those that the VAE's `decode` takes. With `in_channels` 1 and `frames_a_latent` 1 it takes
    log-mels (B, 1, T, in_bins) instead.

    Args:
        in_channels, in_bins: of the latents.
        frames_a_latent: frames of the short-time spectrum to one of the latents.
        latent_width, latent_hidden, latent_layers, latent_kernel: of the blocks at the latents' frame rate.
        width, hidden, layers, kernel: of the blocks at the spectrum's.
        noise_channels: of the noise that each frame gets, 0 for none.
        n_fft: samples of a frame, and of its periodic Hann window; a multiple of `hop_length`, at least twice.
        hop_length: samples from one frame to the next.
        sample_rate: of the waves, in Hz.
        channels: 1 for mono, 2 for left and right.

    Raises:
        InvalidInputError: sizes that do not fit together.
    """

    config_name = "config.json"
    _supports_gradient_checkpointing = False

    @register_to_config  # type: ignore[untyped-decorator]
    def __init__(
        self,
        in_channels: int = 8,
        in_bins: int = 8,
        frames_a_latent: int = 8,
        latent_width: int = 384,
        latent_hidden: int = 1152,
        latent_layers: int = 4,
        latent_kernel: int = 3,
        width: int = 384,
        hidden: int = 1152,
        layers: int = 6,
        kernel: int = 7,
        noise_channels: int = 16,
        n_fft: int = 1920,
        hop_length: int = 480,
        sample_rate: int = 48000,  # noqa: ARG002 - it goes into the configuration
        channels: int = 1,
    ) -> None:
        super().__init__()
        if n_fft % hop_length or n_fft < 2 * hop_length or n_fft % 2:
            raise InvalidInputError(
                f"n_fft {n_fft} must be even and a multiple, at least 2, of hop_length {hop_length}"
            )
        if channels not in (1, 2):
            raise InvalidInputError(f"channels {channels}: valid are 1 (mono) and 2 (left and right)")
        self.embed = FrameConv(in_channels * in_bins, latent_width, latent_kernel)
        self.embed_norm = nn.LayerNorm(latent_width, eps=1e-6)
        depth = latent_layers + layers
        self.latent_blocks = nn.ModuleList(
            Block(latent_width, latent_hidden, latent_kernel, 1 / depth) for _ in range(latent_layers)
        )
        self.expand = nn.Linear(latent_width, frames_a_latent * width)
        self.add_noise = nn.Linear(noise_channels, width, bias=False) if noise_channels else None
        self.blocks = nn.ModuleList(Block(width, hidden, kernel, 1 / depth) for _ in range(layers))
        self.norm = nn.LayerNorm(width, eps=1e-6)
        self.mid = nn.Linear(width, n_fft + 2)
        self.side = nn.Linear(width, n_fft + 2) if channels == 2 else None
        self._begin()
        noise = torch.randn(_NOISE_FRAMES, noise_channels, generator=torch.Generator().manual_seed(0))
        self.register_buffer("noise", noise, persistent=False)
        self.register_buffer("window", torch.hann_window(n_fft), persistent=False)

    @torch.no_grad()
    def _begin(self) -> None:
        """Random weights; phases that put a frame's sound in its middle, not at its ends, where the window is zero."""
        for layer in self.modules():
            if isinstance(layer, nn.Linear | nn.Conv2d):
                nn.init.trunc_normal_(layer.weight, std=0.02)
                if layer.bias is not None:
                    nn.init.zeros_(layer.bias)
        self.mid.bias[len(self.mid.bias) // 2 + 1 :: 2] = math.pi
        if self.add_noise is not None:
            nn.init.trunc_normal_(self.add_noise.weight, std=0.25 * self.config.noise_channels**-0.5)
        if self.side is not None:
            nn.init.normal_(self.side.weight, std=_SIDE_AT_FIRST * self.config.width**-0.5)

    @property
    def samples_a_frame(self) -> int:
        """Samples of the wave to one frame of the latents."""
        samples: int = self.config.frames_a_latent * self.config.hop_length
        return samples

    @property
    def halo(self) -> int:
        """Latent frames to each side that are heard in a frame: what a piece needs to be as in the whole."""
        config = self.config
        around = math.ceil(config.n_fft / config.hop_length / 2) + config.layers * (config.kernel // 2)
        frames: int = math.ceil(around / config.frames_a_latent)
        return frames + (1 + int(config.latent_layers)) * (int(config.latent_kernel) // 2)

    def forward(self, latents: Tensor, first: int = 0, noise: Tensor | None = None) -> Tensor:
        """Latents (B, in_channels, T, in_bins) to waves (B, channels, T · samples_a_frame), float32.

        Args:
            latents: unscaled.
            first: number of their first frame in the whole that they are a piece of, which the noise begins at.
            noise: (B, frames, noise_channels) instead of the stored one, as training takes it.

        Raises:
            InvalidInputError: latents of another shape.
        """
        mid, side = self.mid_and_side(latents, first, noise)
        return mid[:, None] if side is None else torch.stack([mid + side, mid - side], dim=1)

    def mid_and_side(
        self, latents: Tensor, first: int = 0, noise: Tensor | None = None
    ) -> tuple[Tensor, Tensor | None]:
        """As `forward`, to half the sum and half the difference of left and right, each (B, samples)."""
        features = self._features(latents, first, noise)
        with torch.autocast(features.device.type, enabled=False):
            magnitude, phase = _float_linear(self.mid, features).chunk(2, dim=-1)
            magnitude = magnitude.clamp(max=_LARGEST_LOG_MAGNITUDE).exp()
            spectrum = torch.complex(magnitude * phase.cos(), magnitude * phase.sin())
            mid = self._wave(spectrum)
            if self.side is None:
                return mid, None
            # A part's place is a real factor, the same for all its harmonics; a room's sides turn the phase as well.
            real, imaginary = _float_linear(self.side, features).chunk(2, dim=-1)
            return mid, self._wave(spectrum * torch.complex(real, imaginary))

    def _features(self, latents: Tensor, first: int, noise: Tensor | None) -> Tensor:
        config = self.config
        if latents.ndim != 4 or latents.shape[1::2] != (config.in_channels, config.in_bins):
            wanted = f"(batch, {config.in_channels}, frames, {config.in_bins})"
            raise InvalidInputError(f"latents of shape {tuple(latents.shape)}: the decoder takes {wanted}")
        x = self.embed_norm(self.embed(latents.transpose(1, 2).flatten(2)))
        for block in self.latent_blocks:
            x = block(x)
        x = self.expand(x).unflatten(-1, (config.frames_a_latent, config.width)).flatten(1, 2)
        if self.add_noise is not None:
            x = x + self.add_noise(self._stored_noise(first, x) if noise is None else noise.to(x))
        for block in self.blocks:
            x = block(x)
        features: Tensor = self.norm(x)
        return features

    def _stored_noise(self, first: int, x: Tensor) -> Tensor:
        """(frames, noise_channels) from frame `first` of the latents on."""
        places = torch.arange(x.shape[1], device=x.device) + first * self.config.frames_a_latent
        noise: Tensor = self.noise[places % _NOISE_FRAMES].to(x)
        return noise

    def _wave(self, spectrum: Tensor) -> Tensor:
        """Spectra (B, frames, n_fft / 2 + 1) over the root of n_fft to the wave (B, frames · hop_length)."""
        frames = torch.fft.irfft(spectrum, n=self.config.n_fft, norm="ortho")
        return overlap_add(frames, self.window.float(), self.config.hop_length)

    @torch.no_grad()
    def pieces(self, latents: Tensor, length: int = _PIECE) -> Iterator[Tensor]:
        """The waves of `forward`, `length` latent frames at a time and in their order: joined they are the whole.

        Each is decoded with what is heard of its neighbours; memory does not grow with the clip.
        """
        frames, halo = latents.shape[2], self.halo
        for begin in range(0, frames, length):
            end = min(begin + length, frames)
            first, last = max(0, begin - halo), min(frames, end + halo)
            wave = self(latents[:, :, first:last], first)
            yield wave[..., (begin - first) * self.samples_a_frame : (end - first) * self.samples_a_frame]


def overlap_add(frames: Tensor, window: Tensor, hop: int) -> Tensor:
    """Inverse of a short-time Fourier transform after that of each frame: frames (B, T, n) to the wave (B, T · hop).

    Windowed again, added, and divided by the sum of the squared windows (Griffin and Lim 1984, eq. 6). Half of n − hop
    is cut off at both ends, so that frame k lies around the samples k · hop to (k + 1) · hop.
    """
    batch, count, size = frames.shape
    parts = size // hop
    added = _add(frames * window, hop)
    weight = _add((window * window).expand(1, count, size), hop)
    cut = (size - hop) // 2
    inside = slice(cut, cut + count * hop)
    assert added.shape == (batch, (count + parts - 1) * hop)
    return added[:, inside] / weight[:, inside]


def _add(frames: Tensor, hop: int) -> Tensor:
    """Frames (B, T, n), each `hop` samples after the one before, added up to (B, (T − 1) · hop + n)."""
    parts = frames.shape[-1] // hop
    pieces = [frames[..., part * hop : (part + 1) * hop].flatten(1) for part in range(parts)]
    return torch.stack([F.pad(one, (part * hop, (parts - 1 - part) * hop)) for part, one in enumerate(pieces)]).sum(0)


def _float_linear(layer: nn.Linear, x: Tensor) -> Tensor:
    """In float32 whatever the network computes in: the third digit of a phase is heard."""
    bias = None if layer.bias is None else layer.bias.float()
    return F.linear(x.float(), layer.weight.float(), bias)
