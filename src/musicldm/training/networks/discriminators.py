"""Discriminators: HiFi-GAN's multi-period and multi-scale ones for waveforms, PatchGAN for log-mels.

Widths are parameters: the published ones need a GPU, an eighth of them trains on a CPU.
"""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm

Verdict = tuple[Tensor, list[Tensor]]
"""Scores of one discriminator, with its feature maps from first to last."""

_SLOPE = 0.1


class PeriodDiscriminator(nn.Module):
    """Sees every p-th sample in a row: (B, samples) as an image (samples / p, p). HiFi-GAN, arXiv 2010.05646, 2.3."""

    def __init__(self, period: int, channels: tuple[int, ...]) -> None:
        super().__init__()
        self.period = period
        widths = (1, *channels)
        strides = [3] * (len(channels) - 1) + [1]
        self.convs = nn.ModuleList(
            weight_norm(nn.Conv2d(a, b, (5, 1), (stride, 1), padding=(2, 0)))
            for a, b, stride in zip(widths[:-1], widths[1:], strides, strict=True)
        )
        self.head = weight_norm(nn.Conv2d(channels[-1], 1, (3, 1), padding=(1, 0)))

    def forward(self, wave: Tensor) -> Verdict:
        wave = F.pad(wave, (0, -wave.shape[-1] % self.period), mode="reflect")
        return _through(self.convs, self.head, wave.reshape(len(wave), 1, -1, self.period))


class ScaleDiscriminator(nn.Module):
    """Sees the waveform (B, samples) at one rate through strided convolutions. MelGAN, arXiv 1910.06711."""

    def __init__(self, channels: tuple[int, ...]) -> None:
        super().__init__()
        widths = (1, *channels)
        self.convs = nn.ModuleList()
        for index, (a, b) in enumerate(pairwise(widths)):
            stride = 1 if index == 0 else 4
            kernel = 15 if index == 0 else 41
            groups = 1 if index == 0 else max(1, a // 4)
            self.convs.append(weight_norm(nn.Conv1d(a, b, kernel, stride, padding=kernel // 2, groups=groups)))
        self.head = weight_norm(nn.Conv1d(channels[-1], 1, 3, padding=1))

    def forward(self, wave: Tensor) -> Verdict:
        return _through(self.convs, self.head, wave[:, None])


class WaveDiscriminators(nn.Module):
    """Multi-period and multi-scale discriminators side by side over (B, samples); a list of verdicts.

    Args:
        periods: in samples.
        period_channels: widths of each period discriminator, from the first convolution to the last.
        scales: number of rates, each half the one before.
        scale_channels: widths of each scale discriminator; multiples of 4.
    """

    def __init__(
        self, periods: tuple[int, ...], period_channels: tuple[int, ...], scales: int, scale_channels: tuple[int, ...]
    ) -> None:
        super().__init__()
        self.by_period = nn.ModuleList(PeriodDiscriminator(period, period_channels) for period in periods)
        self.by_scale = nn.ModuleList(ScaleDiscriminator(scale_channels) for _ in range(scales))

    def forward(self, wave: Tensor) -> list[Verdict]:
        verdicts = [discriminator(wave) for discriminator in self.by_period]
        for discriminator in self.by_scale:
            verdicts.append(discriminator(wave))
            wave = F.avg_pool1d(wave[:, None], 4, 2, padding=1)[:, 0]
        return verdicts


class PatchDiscriminator(nn.Module):
    """PatchGAN over log-mels (B, 1, T, F): a score for each patch. Isola et al., arXiv 1611.07004."""

    def __init__(self, channels: tuple[int, ...]) -> None:
        super().__init__()
        widths = (1, *channels)
        self.convs = nn.ModuleList(weight_norm(nn.Conv2d(a, b, 4, 2, padding=1)) for a, b in pairwise(widths))
        self.head = weight_norm(nn.Conv2d(channels[-1], 1, 3, padding=1))

    def forward(self, mel: Tensor) -> list[Verdict]:
        return [_through(self.convs, self.head, mel)]


def _through(convs: nn.ModuleList, head: nn.Module, x: Tensor) -> Verdict:
    features = []
    for conv in convs:
        x = F.leaky_relu(conv(x), _SLOPE)
        features.append(x)
    return head(x), features


def discriminator_loss(real: list[Verdict], fake: list[Verdict]) -> Tensor:
    """Least squares: real to 1, fake to 0, summed over discriminators. LSGAN, arXiv 1611.04076, eq. 9."""
    terms = [(1 - r[0]).square().mean() + f[0].square().mean() for r, f in zip(real, fake, strict=True)]
    return torch.stack(terms).sum()


def adversarial_loss(fake: list[Verdict]) -> Tensor:
    """Least squares: fake to 1, summed over discriminators."""
    return torch.stack([(1 - scores).square().mean() for scores, _ in fake]).sum()


def feature_matching_loss(real: list[Verdict], fake: list[Verdict]) -> Tensor:
    """L1 between feature maps of real and fake, summed over layers. HiFi-GAN, eq. 5."""
    terms = [
        F.l1_loss(f, r.detach())
        for (_, reals), (_, fakes) in zip(real, fake, strict=True)
        for r, f in zip(reals, fakes, strict=True)
    ]
    return torch.stack(terms).sum()


class SpectrumDiscriminator(nn.Module):
    """Sees magnitudes of the short-time spectrum of a wave (B, samples), a part of its bands at a time.

    The multi-resolution discriminator of UnivNet (Jang et al., arXiv 2106.07889), over bands of its own as in
    arXiv 2306.06546.

    Args:
        window: of the spectrum in samples; its hop is a quarter.
        bands: edges of the parts as shares of half the sample rate, from 0 to 1.
        channels: widths from the first convolution to the last.
    """

    def __init__(self, window: int, bands: tuple[float, ...], channels: tuple[int, ...]) -> None:
        super().__init__()
        self.window = window
        bins = window // 2 + 1
        self.edges = [round(edge * bins) for edge in bands]
        widths = (1, *channels)
        self.stacks: list[nn.ModuleList] = nn.ModuleList(  # type: ignore[assignment]
            nn.ModuleList(
                weight_norm(nn.Conv2d(a, b, (3, 9 if index == 0 else 5), (1, 2), padding=(1, 4 if index == 0 else 2)))
                for index, (a, b) in enumerate(pairwise(widths))
            )
            for _ in pairwise(bands)
        )
        self.heads = nn.ModuleList(weight_norm(nn.Conv2d(channels[-1], 1, 3, padding=1)) for _ in pairwise(bands))
        self.shape: Tensor
        self.register_buffer("shape", torch.hann_window(window) / (3 * window / 8) ** 0.5, persistent=False)

    def forward(self, wave: Tensor) -> list[Verdict]:
        """A verdict for each part of the bands."""
        spectrum = torch.stft(wave, self.window, self.window // 4, window=self.shape, return_complex=True)
        magnitude = (spectrum.real.square() + spectrum.imag.square() + 1e-9).sqrt().mT
        image = magnitude.pow(0.3)[:, None]  # the ear's compression, about: quiet parts count too
        parts = [image[..., low:high] for low, high in pairwise(self.edges)]
        return [_through(s, h, part) for s, h, part in zip(self.stacks, self.heads, parts, strict=True)]


class SoundDiscriminators(nn.Module):
    """Multi-period and multi-resolution discriminators side by side over (B, samples); a list of verdicts.

    Args:
        periods: in samples.
        period_channels: widths of each period discriminator.
        windows: of the spectrum discriminators, in samples.
        bands: see `SpectrumDiscriminator`.
        spectrum_channels: widths of each of theirs.
    """

    def __init__(
        self,
        periods: tuple[int, ...],
        period_channels: tuple[int, ...],
        windows: tuple[int, ...],
        bands: tuple[float, ...],
        spectrum_channels: tuple[int, ...],
    ) -> None:
        super().__init__()
        self.by_period = nn.ModuleList(PeriodDiscriminator(period, period_channels) for period in periods)
        self.by_spectrum = nn.ModuleList(SpectrumDiscriminator(window, bands, spectrum_channels) for window in windows)

    def forward(self, wave: Tensor) -> list[Verdict]:
        verdicts = [discriminator(wave) for discriminator in self.by_period]
        for discriminator in self.by_spectrum:
            verdicts += discriminator(wave)
        return verdicts
