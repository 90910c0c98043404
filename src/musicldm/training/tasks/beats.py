"""Beat tracker: a small network of beat_this' architecture on clips whose beats are known, varied on the fly.

Shift-tolerant weighted cross-entropy after Foscarin, Schlüter and Widmer 2024 (arXiv 2407.21658, section 3.3), on
excerpts that `beat_variation` makes faster, slower, softer, duller or noisier, and whose beats go along.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from musicldm.beats.network import NetworkConfig, build_network, load_network, save_network
from musicldm.beats.picking import pick_beats
from musicldm.beats.spectrum import FRAMES_PER_SECOND, bins_below, compress
from musicldm.data.store import ClipStore
from musicldm.errors import DataError, InvalidInputError
from musicldm.training.loop.task import Batch, Losses, Schedule, Turn, Validation
from musicldm.training.setup import Setup, split
from musicldm.training.tasks.beat_variation import Variation, plain_excerpt, varied_excerpt

FOLDER = "beat_model"
TOLERANCE = 3
"""Frames (60 ms) by which a prediction may miss in training."""
WINDOW = 0.07
"""Seconds by which a beat may miss in validation."""


@dataclass(frozen=True)
class BeatRecipe:
    """Sizes and settings of a beat tracker's training; the defaults make the shipped one.

    Args:
        network: sizes; few and without partial transformers, which would cost nine tenths of the time.
        crop_frames: length of an excerpt, 50 a second.
        beat_weight, downbeat_weight: of frames with a beat or downbeat against those without.
    """

    network: NetworkConfig = NetworkConfig(  # noqa: RUF009 - frozen
        transformer_dim=96,
        ff_mult=2,
        n_layers=3,
        stem_dim=16,
        partial_transformers=False,
        chunk_frames=524,
        top_hz=7500.0,
    )
    variation: Variation = Variation()  # noqa: RUF009 - frozen
    batch_size: int = 8
    crop_frames: int = 400
    learning_rate: float = 4e-3
    weight_decay: float = 0.01
    optimizer: Literal["muon", "adamw"] = "muon"
    dropout: float = 0.0
    beat_weight: float = 15.0
    downbeat_weight: float = 60.0


_SHOWN = 2
"""Clips of a validation that are kept to look at."""

RECIPES: Mapping[str, BeatRecipe] = {"default": BeatRecipe()}


def shift_tolerant_loss(
    logits: Tensor, targets: Tensor, mask: Tensor, weight: float, tolerance: int = TOLERANCE
) -> Tensor:
    """Binary cross-entropy that forgives `tolerance` frames: mean over (B, frames), the outer frames left out.

    A target of 1 is compared with the largest logit within `tolerance` frames of it. Frames within twice the tolerance
    of one are not looked at otherwise, because their largest logit may belong to it.

    Args:
        logits: (B, frames).
        targets: 0 and 1 (B, frames).
        mask: (B, frames); frames where it is 0 add nothing.
        weight: of targets of 1.
        tolerance: frames.
    """
    near = F.max_pool1d(logits[:, None], 2 * tolerance + 1, 1)[:, 0, tolerance:-tolerance]
    wide = F.max_pool1d(targets[:, None], 4 * tolerance + 1, 1)[:, 0]
    inner = targets[:, 2 * tolerance : -2 * tolerance]
    look_at = (inner + 1 - wide) * mask[:, 2 * tolerance : -2 * tolerance]
    return F.binary_cross_entropy_with_logits(near, inner, weight=look_at, pos_weight=logits.new_tensor(weight))


class BeatTask:
    """Trains the network on excerpts of clips whose `beats` and `downbeats` stand in the corpus."""

    name = "beats"
    ema: tuple[str, ...] = ("network",)
    goal = "missed"
    schedule = Schedule()
    compiled = ("network",)

    def __init__(
        self, recipe: BeatRecipe, train: ClipStore, held_out: ClipStore, *, network: nn.Module | None = None
    ) -> None:
        self.recipe, self.train, self.held_out = recipe, train, held_out
        self.batch_size, self.sample_rate = recipe.batch_size, train.spec.sample_rate
        model = network if network is not None else build_network(recipe.network, recipe.dropout)
        self.network: Any = model
        self.modules = nn.ModuleDict({"network": model})
        outer = ("network.frontend.stem", "network.task_heads")
        self.turns: tuple[Turn, ...] = (
            Turn(
                "generator",
                ("network",),
                recipe.learning_rate,
                (0.9, 0.99),
                recipe.weight_decay,
                optimizer=recipe.optimizer,
                outer=outer,
            ),
        )
        self.times, self.held_times = _beat_times(train), _beat_times(held_out)
        self.bins = bins_below(recipe.network.top_hz) if recipe.network.top_hz else recipe.network.spect_dim

    def __len__(self) -> int:
        return len(self.train)

    def batch(self, clips: npt.NDArray[np.int64], rng: np.random.Generator) -> Batch:
        """`spectrum` (B, frames, 128) and `beat`, `downbeat`, `mask` (B, frames)."""
        rate = self.train.spec.sample_rate
        excerpts = []
        for clip in clips:
            other = self.train.wave(int(rng.integers(len(self.train))))
            excerpts.append(
                varied_excerpt(
                    self.train.wave(int(clip)), rate, self.times[clip], other, self.recipe.crop_frames,
                    self.recipe.variation, rng,
                )
            )  # fmt: skip
        return self._stacked([spectrum for spectrum, _ in excerpts], [times for _, times in excerpts])

    def _stacked(
        self, spectra: list[Tensor], times: list[tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]]
    ) -> Batch:
        length = self.recipe.crop_frames
        stacked = torch.zeros(len(spectra), length, spectra[0].shape[-1])
        frames = {name: torch.zeros(len(spectra), length) for name in ("beat", "downbeat", "mask")}
        for row, (spectrum, (beats, downbeats)) in enumerate(zip(spectra, times, strict=True)):
            count = min(len(spectrum), length)
            stacked[row, :count, : self.bins] = compress(spectrum[:count, : self.bins])
            frames["mask"][row, :count] = 1
            for name, moments in (("beat", beats), ("downbeat", downbeats)):
                nearest = np.round(moments * FRAMES_PER_SECOND).astype(np.int64)
                frames[name][row, nearest[(nearest >= 0) & (nearest < count)]] = 1
        return {"spectrum": stacked, **frames}

    def losses(self, batch: Batch, progress: float) -> Iterator[Losses | None]:  # noqa: ARG002 - the same all along
        """Of beats and downbeats."""
        logits = self.network(batch["spectrum"])
        weights = {"beat": self.recipe.beat_weight, "downbeat": self.recipe.downbeat_weight}
        terms = {
            name: shift_tolerant_loss(logits[name].float(), batch[name], batch["mask"], weight)
            for name, weight in weights.items()
        }
        yield {"loss": terms["beat"] + terms["downbeat"], **terms}

    def validate(self) -> Validation:
        """F-measures of beats and downbeats within ±70 ms, means over the held-out clips; and what they miss.

        Of two clips the probabilities of beat (top) and downbeat over time, above those that would be right.
        """
        scores: dict[str, list[float]] = {"beat_f": [], "downbeat_f": []}
        samples: dict[str, npt.NDArray[np.float32]] = {}
        for index in range(len(self.held_out)):
            logits = self._logits(index)
            picked = pick_beats(*(value.numpy() for value in logits))
            for name, mine, true in zip(scores, picked, self.held_times[index], strict=True):
                scores[name].append(f_measure(np.asarray(mine) / FRAMES_PER_SECOND, true))
            if index < _SHOWN:
                samples[f"clip{index}/beats"] = self._picture(torch.stack(logits).sigmoid().numpy(), index)
        figures = {name: float(np.mean(values)) for name, values in scores.items()}
        return Validation({**figures, "missed": 1 - float(np.mean(list(figures.values())))}, samples)

    def _picture(self, probabilities: npt.NDArray[np.float32], index: int) -> npt.NDArray[np.float32]:
        true = np.zeros_like(probabilities)
        for row, moments in enumerate(self.held_times[index]):
            true[row, np.minimum(np.round(moments * FRAMES_PER_SECOND).astype(int), true.shape[1] - 1)] = 1
        return np.repeat(np.concatenate([true[::-1], probabilities[::-1]]), 16, axis=0)

    def _logits(self, index: int) -> tuple[Tensor, Tensor]:
        """Beat and downbeat logits (frames,) of a whole held-out clip."""
        spectrum = plain_excerpt(self.held_out.wave(index), self.held_out.spec.sample_rate)
        shown = torch.zeros_like(spectrum)
        shown[:, : self.bins] = compress(spectrum[:, : self.bins])
        device = next(self.modules.parameters()).device
        logits = self.network(shown[None].to(device))
        return logits["beat"][0].float().cpu(), logits["downbeat"][0].float().cpu()

    def export(self, folder: Path) -> None:
        """Writes the folder that `BeatTracker.from_pretrained` loads."""
        save_network(self.network, self.recipe.network, folder / FOLDER)


def make_task(setup: Setup) -> BeatTask:
    """The training of a new network, or of that of the run or beat model in `init`.

    Raises:
        CheckpointError: no beat model there.
        InvalidInputError: one of other sizes than the recipe's.
    """
    recipe = setup.recipe_of(RECIPES)
    if setup.init is None:
        return BeatTask(recipe, *split(setup.store))
    init = setup.init
    network, config = load_network(init / FOLDER if (init / FOLDER).is_dir() else init)
    if config != recipe.network:
        raise InvalidInputError(f"the beat model in {init} has other sizes than the recipe: {config}")
    return BeatTask(recipe, *split(setup.store), network=network)


def _beat_times(store: ClipStore) -> list[tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]]:
    """Beats and downbeats of every clip in seconds.

    Raises:
        DataError: clips whose beats the corpus does not say.
    """
    pairs = zip(store.attribute("beats"), store.attribute("downbeats"), strict=True)
    try:
        return [(np.asarray(beats, np.float64), np.asarray(downbeats, np.float64)) for beats, downbeats in pairs]
    except (TypeError, ValueError):
        raise DataError("beats and downbeats must be lists of seconds") from None


def f_measure(estimated: npt.NDArray[np.float64], true: npt.NDArray[np.float64], window: float = WINDOW) -> float:
    """F-measure of moments in ascending seconds, each matched to at most one within ±`window`; 1 where there are none.

    Dixon 2007 (JNMR 36(1)). Taking matches in the order of time finds the most there can be.
    """
    if not len(estimated) and not len(true):
        return 1.0
    hits = i = j = 0
    while i < len(estimated) and j < len(true):
        distance = estimated[i] - true[j]
        if abs(distance) <= window:
            hits, i, j = hits + 1, i + 1, j + 1
        elif distance < 0:
            i += 1
        else:
            j += 1
    return 2 * hits / (len(estimated) + len(true))
