"""VGGish: 0.96 s of sound to 128 numbers, over which the Fréchet audio distance was defined.

Source: Hershey et al., CNN Architectures for Large-Scale Audio Classification (arXiv 1609.09430), in the layout of the
published PyTorch port (torchvggish: `features.N`, `embeddings.N`). Conventions: 16 kHz, magnitude spectrum of 25 ms
every 10 ms, 64 bins from 125 to 7500 Hz on the HTK mel scale with triangles over mel, log(x + 0.01), 96 frames a piece
without overlap, what is left at the end dropped. Embeddings are taken before the last ReLU and without PCA, as the
distance is computed on them (Kilgour et al., arXiv 1812.08466); that of a clip is the mean of its pieces.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from torch import nn

from musicldm.listeners.embedders import Embedder, Floats, checked_waves, identity_of
from musicldm.listeners.weights import load_weights, read_weights

SAMPLE_RATE = 16000
WIDTH = 128
_WINDOW, _HOP, _N_FFT, _BINS = 400, 160, 512, 64
_EDGES_HZ = (125.0, 7500.0)
_OFFSET = 0.01
FRAMES = 96
PIECE = (FRAMES - 1) * _HOP + _WINDOW
"""Samples that one piece needs."""
HIDDEN = 4096
CHANNELS = ((1, 64), (64, 128), (128, 256, 256), (256, 512, 512))
_BATCH = 32


class VggishNet(nn.Module):
    """Log-mels (B, 96, 64) to embeddings (B, 128); the published sizes by default."""

    def __init__(self, channels: Sequence[Sequence[int]] = CHANNELS, hidden: int = HIDDEN) -> None:
        super().__init__()
        stages: list[nn.Module] = []
        for stage in channels:
            for inputs, outputs in pairwise(stage):
                stages += [nn.Conv2d(inputs, outputs, 3, padding=1), nn.ReLU()]
            stages.append(nn.MaxPool2d(2))
        self.features = nn.Sequential(*stages)
        self.embeddings = nn.Sequential(
            nn.Linear(channels[-1][-1] * (FRAMES // 16) * (_BINS // 16), hidden),
            nn.ReLU(),
            nn.Linear(hidden, hidden),
            nn.ReLU(),
            nn.Linear(hidden, WIDTH),
        )

    def forward(self, mel: torch.Tensor) -> torch.Tensor:
        # The port keeps TensorFlow's order of time, frequency, channel in its first matrix.
        x = self.features(mel[:, None]).permute(0, 2, 3, 1).flatten(1)
        out: torch.Tensor = self.embeddings(x)
        return out


def open_vggish(path: Path, device: torch.device, net: VggishNet | None = None) -> Embedder:
    """The embedder of a file of weights, .pth or .safetensors, for a network of the published sizes or for `net`.

    Raises:
        CheckpointError: no such file, or weights of another network.
    """
    net = net or VggishNet()
    load_weights(net, read_weights(path), path)
    net.to(device).eval()

    @torch.inference_mode()
    def frames(waves: Floats) -> Floats:
        mels = vggish_log_mel(torch.from_numpy(checked_waves(waves, PIECE)))
        count = mels.shape[1] // FRAMES
        pieces = mels[:, : count * FRAMES].reshape(-1, FRAMES, _BINS)
        parts = [net(part.to(device)).cpu() for part in torch.split(pieces, _BATCH)]
        return np.asarray(torch.cat(parts).reshape(len(waves), count, WIDTH).numpy())

    identity = identity_of(f"VGGish {path.name}", net, SAMPLE_RATE, WIDTH)
    return Embedder(identity, audio=lambda waves: frames(waves).mean(axis=1), frames=frames)


def vggish_log_mel(waves: torch.Tensor) -> torch.Tensor:
    """Waves (B, samples) at 16 kHz to log-mels (B, frames, 64), without padding at the ends."""
    pieces = waves.unfold(-1, _WINDOW, _HOP) * torch.hann_window(_WINDOW, periodic=True)
    spectrum = torch.fft.rfft(pieces, _N_FFT).abs()
    mel: torch.Tensor = spectrum @ torch.from_numpy(filters()).float()
    return (mel + _OFFSET).log()


@lru_cache(maxsize=1)
def filters() -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """Triangles (257, 64) that are straight over mel, not over Hz; nothing comes from 0 Hz."""
    low, high = (htk_mel(edge) for edge in _EDGES_HZ)
    edges = np.linspace(low, high, _BINS + 2)
    bins = np.array([htk_mel(hz) for hz in np.linspace(0, SAMPLE_RATE / 2, _N_FFT // 2 + 1)])[:, None]
    left, centre, right = edges[:-2], edges[1:-1], edges[2:]
    triangles = np.maximum(np.minimum((bins - left) / (centre - left), (right - bins) / (right - centre)), 0)
    triangles[0] = 0
    return np.asarray(triangles)


def htk_mel(hz: float) -> float:
    """Frequency in Hz to mel as HTK has it."""
    return float(1127 * np.log1p(hz / 700))
