"""Training of the judges: crops of corpus log-mels, coloured so that a codec's traces do not change a verdict."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from musicldm.audio.mel import MelSpec
from musicldm.data.arrays import Sharded
from musicldm.data.store import ClipRow
from musicldm.errors import InvalidInputError
from musicldm.listeners.judges import HEADS, JudgeNet, Judges, build_net, classes_of, labels_of

Mels = npt.NDArray[np.float16] | Sharded


@dataclass(frozen=True)
class JudgeRecipe:
    """How judges are trained: until `steps` or `minutes`, whichever comes first.

    Args:
        channels: of the strided convolutions.
        crop_frames: frames of a training crop.
        reconstructed: share of crops taken from the codec's reconstructions, where there are any.
    """

    channels: tuple[int, ...] = (24, 48, 96, 192)
    crop_frames: int = 512
    batch_size: int = 32
    learning_rate: float = 2e-3
    weight_decay: float = 0.02
    label_smoothing: float = 0.05
    reconstructed: float = 0.3
    steps: int = 10_000
    minutes: float = 7.0
    seed: int = 0

    def __post_init__(self) -> None:
        if self.steps < 1 or not self.minutes > 0 or self.batch_size < 2:
            given = f"{self.steps}, {self.minutes}, {self.batch_size}"
            raise InvalidInputError(f"judges need steps >= 1, minutes > 0, batch_size >= 2: got {given}")
        if not 0 <= self.reconstructed <= 1:
            raise InvalidInputError(f"reconstructed is {self.reconstructed}: valid is 0 to 1")


@dataclass(frozen=True)
class Progress:
    step: int
    fraction: float
    loss: float


def split(rows: Sequence[ClipRow], held_out: float, seed: int) -> tuple[list[int], list[int]]:
    """Indices of the training and of the held-out clips, a `held_out` share drawn by `seed`."""
    order = np.random.default_rng(seed).permutation(len(rows)).tolist()
    count = round(held_out * len(rows))
    if not 0 < count < len(rows):
        raise InvalidInputError(f"held-out share {held_out} of {len(rows)} clips leaves nothing to train on or to test")
    return sorted(order[count:]), sorted(order[:count])


def colour(mel: torch.Tensor, spec: MelSpec, generator: torch.Generator) -> torch.Tensor:
    """Log-mels (B, T, bins) as another codec, level and room would give them, with bands and moments masked.

    Level within ±1 neper, a smooth equaliser of 0.25 nats, noise and blur such as an autoencoder leaves, masks of up
    to 48 frames and 8 bins filled with the clip's mean. It all stays far smaller than what the named degradations do.
    """
    b, t, f = mel.shape

    def uniform(low: float, high: float, *shape: int) -> torch.Tensor:
        return torch.rand(*shape, generator=generator) * (high - low) + low

    floor = float(np.log(spec.floor))
    curve = nn.functional.interpolate(
        torch.randn(b, 1, 6, generator=generator) * 0.25, size=f, mode="linear", align_corners=True
    )
    blurred = nn.functional.avg_pool2d(mel[:, None], 3, 1, 1, count_include_pad=False)[:, 0]
    share = uniform(-0.5, 0.7, b, 1, 1).clamp(min=0)
    out = mel + share * (blurred - mel) + curve + uniform(-1, 1, b, 1, 1)
    out = out + torch.randn(b, t, f, generator=generator) * uniform(-0.2, 0.35, b, 1, 1).clamp(min=0)
    mean = out.mean((1, 2), keepdim=True)
    out = torch.where(_bands(b, t, 48, generator)[:, :, None] | _bands(b, f, 8, generator)[:, None, :], mean, out)
    return out.clamp(min=floor)


def _bands(batch: int, size: int, widest: int, generator: torch.Generator) -> torch.Tensor:
    """(batch, size) bool: in each row one run of 0 to `widest` true values."""
    width = torch.randint(0, min(widest, size // 4) + 1, (batch, 1), generator=generator)
    start = torch.randint(0, size, (batch, 1), generator=generator)
    place = torch.arange(size)[None]
    return (place >= start) & (place < start + width)


def fit_judges(
    mels: Mels,
    rows: Sequence[ClipRow],
    recipe: JudgeRecipe,
    *,
    spec: MelSpec | None = None,
    classes: Mapping[str, tuple[str, ...]] | None = None,
    reconstructions: tuple[Mels, Sequence[int]] | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> Judges:
    """Judges trained on log-mels (N, frames, bins) of `rows`.

    Args:
        mels: of real clips.
        rows: their metadata.
        recipe: how long and how.
        spec: what `mels` are made of.
        classes: of each head; those that occur in `rows` by default.
        reconstructions: log-mels (M, frames, bins) from the codec, and the row that each was made from.
        progress: called every 50 steps.
    """
    spec = spec or MelSpec()
    classes = dict(classes or classes_of(rows))
    labels = [labels_of(row) for row in rows]
    targets = {h: torch.tensor([classes[h].index(label[h]) for label in labels]) for h in HEADS}
    torch.manual_seed(recipe.seed)
    net = build_net(classes, recipe.channels, spec)
    rng = np.random.default_rng(recipe.seed)
    generator = torch.Generator().manual_seed(recipe.seed)
    optimiser = torch.optim.AdamW(net.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay)
    started = time.monotonic()
    order: list[int] = []
    for step in range(1, recipe.steps + 1):
        elapsed = (time.monotonic() - started) / 60
        fraction = max(step / recipe.steps, elapsed / recipe.minutes)
        if elapsed >= recipe.minutes:
            break
        for group in optimiser.param_groups:
            group["lr"] = recipe.learning_rate * one_cycle(fraction)
        if len(order) < recipe.batch_size:
            order += rng.permutation(len(rows)).tolist()
        chosen, order = order[: recipe.batch_size], order[recipe.batch_size :]
        batch, index = _crops(mels, chosen, recipe, rng, reconstructions)
        loss = _step(net, optimiser, colour(batch, spec, generator), {h: t[index] for h, t in targets.items()}, recipe)
        if progress is not None and step % 50 == 0:
            progress(Progress(step, fraction, loss))
    return Judges(net, classes, recipe.channels, spec)


def one_cycle(fraction: float) -> float:
    """Share of the peak learning rate after a share of the training: up in a tenth, then a half cosine to zero."""
    if fraction < 0.1:
        return 0.1 + 0.9 * fraction / 0.1
    return float(0.5 + 0.5 * np.cos(np.pi * min((fraction - 0.1) / 0.9, 1.0)))


def _crops(
    mels: Mels,
    chosen: Sequence[int],
    recipe: JudgeRecipe,
    rng: np.random.Generator,
    reconstructions: tuple[Mels, Sequence[int]] | None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Random crops (B, crop_frames, bins) of clips or of reconstructions, and the row of each (B,)."""
    crops, index = [], []
    for row in chosen:
        source, place = mels, row
        if reconstructions is not None and rng.random() < recipe.reconstructed:
            source = reconstructions[0]
            place = int(rng.integers(len(source)))
            row = reconstructions[1][place]
        start = int(rng.integers(max(source.shape[1] - recipe.crop_frames, 0) + 1))
        crops.append(np.asarray(source[place, start : start + recipe.crop_frames], dtype=np.float32))
        index.append(row)
    return torch.from_numpy(np.stack(crops)), torch.tensor(index)


def _step(
    net: JudgeNet,
    optimiser: torch.optim.Optimizer,
    batch: torch.Tensor,
    targets: Mapping[str, torch.Tensor],
    recipe: JudgeRecipe,
) -> float:
    net.train()
    logits = net(batch)
    losses = [
        nn.functional.cross_entropy(logits[head], target, label_smoothing=recipe.label_smoothing)
        for head, target in targets.items()
    ]
    loss = torch.stack(losses).sum()
    optimiser.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    nn.utils.clip_grad_norm_(net.parameters(), 2.0)
    optimiser.step()
    return float(loss.detach())


def accuracies(judges: Judges, mels: Mels, rows: Sequence[ClipRow]) -> dict[str, float]:
    """Share of clips (0 to 1) whose likeliest class is the true one, for each head."""
    verdict = judges(mels)
    labels = [labels_of(row) for row in rows]
    return {
        head: float(np.mean([heard == label[head] for heard, label in zip(verdict.best(head), labels, strict=True)]))
        for head in HEADS
    }


def tempo_ranges(rows: Sequence[ClipRow]) -> dict[str, tuple[float, float]]:
    """Middle in BPM and spread in octaves of each genre's tempi, as `Judges.tempo_prior` takes them from the card.

    The spread is 2.5 deviations and at least a third of an octave: wide enough that a genre only decides between a
    tempo and its half or double, and does not draw a wrong tempo to the genre's own.
    """
    tempi: dict[str, list[float]] = {}
    for row in rows:
        tempi.setdefault(labels_of(row)["genre"], []).append(float(np.log2(row.fields["bpm"])))
    return {g: (float(2 ** np.mean(t)), max(2.5 * float(np.std(t)), 1 / 3)) for g, t in sorted(tempi.items())}
