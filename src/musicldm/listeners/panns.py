"""PANNs' Cnn14: sound to 2048 numbers and to the 527 classes of AudioSet, over which FD, IS and KL are reported.

Source: Kong et al., PANNs (arXiv 1912.10211), in the layout of its published weights. Conventions: 32 kHz, power
spectrum of 1024 samples every 320, centred with reflection, 64 bins from 50 to 14,000 Hz on Slaney's scale, 10 log10
clipped at 1e-10; the 16 kHz variant 512, 160, 50 to 8000 Hz. Which of the two a file is follows from its own mel
matrix. Embeddings are those after the first fully connected layer; class probabilities are a softmax over the logits,
as AudioLDM's evaluation takes them for IS and KL, not the independent probabilities that Cnn14 was trained for.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from torch import nn

from musicldm.audio.mel import MelSpec, mel_filters
from musicldm.listeners.embedders import Embedder, Floats, checked_waves, identity_of
from musicldm.listeners.weights import load_weights, read_weights

CLASSES = 527
_BINS, _FLOOR = 64, 1e-10
SPECS = {
    513: MelSpec(sample_rate=32000, n_fft=1024, win_length=1024, hop_length=320, n_mels=_BINS, f_min=50, f_max=14000),
    257: MelSpec(sample_rate=16000, n_fft=512, win_length=512, hop_length=160, n_mels=_BINS, f_min=50, f_max=8000),
}
"""By the number of bins of the spectrum."""
CHANNELS = (1, 64, 128, 256, 512, 1024, 2048)
_SHORTEST_FRAMES = 2 ** (len(CHANNELS) - 2)
_BATCH = 4
_Result = tuple[Floats, Floats]


class _Block(nn.Module):
    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """x: (B, C, T, F) → (B, C', T, F)."""
        x = torch.relu(self.bn1(self.conv1(x)))
        return torch.relu(self.bn2(self.conv2(x)))


class Cnn14(nn.Module):
    """Log-mels (B, T, 64) in dB, T at least 32, to embeddings (B, 2048) and logits (B, 527)."""

    def __init__(self, channels: Sequence[int] = CHANNELS) -> None:
        super().__init__()
        self.blocks = len(channels) - 1
        self.bn0 = nn.BatchNorm2d(_BINS)
        for number, (inputs, outputs) in enumerate(pairwise(channels), start=1):
            self.add_module(f"conv_block{number}", _Block(inputs, outputs))
        width = channels[-1]
        self.fc1 = nn.Linear(width, width)
        self.fc_audioset = nn.Linear(width, CLASSES)

    def forward(self, mel: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        x = self.bn0(mel[:, :, :, None].transpose(1, 2)).permute(0, 3, 2, 1)
        for number in range(1, self.blocks + 1):
            x = self.get_submodule(f"conv_block{number}")(x)
            if number < self.blocks:
                x = nn.functional.avg_pool2d(x, 2)
        x = x.mean(dim=3)
        embedding = torch.relu(self.fc1(x.amax(dim=2) + x.mean(dim=2)))
        return embedding, self.fc_audioset(embedding)


def open_panns(path: Path, device: torch.device, net: Cnn14 | None = None) -> Embedder:
    """The embedder of a file of weights, .pth or .safetensors, for 32 or 16 kHz.

    The network has the published sizes, or is `net`.

    Raises:
        CheckpointError: no such file, or weights of another network.
    """
    weights, net = read_weights(path), net or Cnn14()
    load_weights(net, weights, path)
    net.to(device).eval()
    matrix = weights.get("logmel_extractor.melW")
    spec = SPECS[513] if matrix is None else SPECS.get(matrix.shape[0], SPECS[513])
    compute = _remembering_last(lambda waves: _compute(net, spec, device, waves))
    identity = identity_of(f"PANNs {path.name}", net, spec.sample_rate, net.fc1.out_features)
    return Embedder(identity, audio=lambda waves: compute(waves)[0], classes=lambda waves: compute(waves)[1])


@torch.inference_mode()
def _compute(net: Cnn14, spec: MelSpec, device: torch.device, waves: Floats) -> _Result:
    """Embeddings (B, 2048) and class probabilities (B, 527) of waves."""
    sound = torch.from_numpy(checked_waves(waves, (_SHORTEST_FRAMES - 1) * spec.hop_length))
    embeddings, probabilities = [], []
    for part in torch.split(sound, _BATCH):
        embedding, logits = net(panns_log_mel(part, spec).to(device))
        embeddings.append(embedding.cpu())
        probabilities.append(logits.softmax(-1).cpu())
    return torch.cat(embeddings).numpy(), torch.cat(probabilities).numpy()


def panns_log_mel(waves: torch.Tensor, spec: MelSpec) -> torch.Tensor:
    """Waves (B, samples) to log-mels (B, frames, 64) in dB; frames are samples // hop + 1."""
    window = torch.hann_window(spec.win_length, periodic=True)
    spectrum = torch.stft(
        waves, spec.n_fft, spec.hop_length, window=window, center=True, pad_mode="reflect", return_complex=True
    )
    filters = torch.tensor(mel_filters(spec).T, dtype=torch.float32)
    return 10 * (spectrum.abs().square().transpose(1, 2) @ filters).clamp(min=_FLOOR).log10()


def _remembering_last(compute: Callable[[Floats], _Result]) -> Callable[[Floats], _Result]:
    """`compute`, done once for an array: embeddings and classes are asked for one after the other."""
    last: list[tuple[Floats, _Result]] = []

    def remembered(waves: Floats) -> _Result:
        if not last or not np.array_equal(last[0][0], waves):
            last[:] = [(waves.copy(), compute(waves))]
        return last[0][1]

    return remembered
