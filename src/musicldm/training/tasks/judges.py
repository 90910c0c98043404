"""Judges: a small classifier learns a composed corpus' genre, drums, lead and quality from crops of log-mels.

Crops are coloured so that a codec's traces do not change a verdict; where there is a model, a share of them has gone
through its VAE and vocoder.
"""

from __future__ import annotations

import copy
import os
import platform
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from diffusers import AutoencoderKL
from torch import Tensor, nn
from transformers import SpeechT5HifiGan

from musicldm.audio.mel import MelSpec, log_mel
from musicldm.data.arrays import Sharded
from musicldm.data.store import ClipRow, ClipStore
from musicldm.errors import InvalidInputError
from musicldm.events import Listener, Progress
from musicldm.listeners.judges import HEADS, Judges, build_net, classes_of, labels_of
from musicldm.model.vae import Vae
from musicldm.model.vocoder import Vocoder, vocoder_of
from musicldm.training.loop.task import Batch, Losses, Schedule, Turn, Validation
from musicldm.training.setup import Setup

FOLDER = "judges"
_AT_ONCE = 8
"""Clips that go through the codec, or through the judges, together."""

Mels = npt.NDArray[np.float16] | Sharded


@dataclass(frozen=True)
class JudgeRecipe:
    """Sizes and settings of judges' training; the defaults make the shipped ones.

    Args:
        channels: of the strided convolutions.
        crop_frames: frames of a training crop.
        reconstructed: share of crops that have gone through the model's VAE and vocoder, where there is a model.
        reconstructions: how many training clips are sent through them for that.
        held_out: share of the clips that is drawn for validation, at most `held_out_most` of them.
    """

    channels: tuple[int, ...] = (24, 48, 96, 192)
    crop_frames: int = 512
    batch_size: int = 32
    learning_rate: float = 2e-3
    weight_decay: float = 0.02
    label_smoothing: float = 0.05
    reconstructed: float = 0.3
    reconstructions: int = 600
    held_out: float = 0.1
    held_out_most: int = 1000
    schedule: Schedule = Schedule(decay=1.0)  # noqa: RUF009 - frozen

    def __post_init__(self) -> None:
        if self.batch_size < 2:
            raise InvalidInputError(f"batch_size is {self.batch_size}: judges need at least 2, to normalise over them")
        for name in ("reconstructed", "held_out"):
            if not 0 <= getattr(self, name) <= 1:
                raise InvalidInputError(f"{name} is {getattr(self, name)}: valid is 0 to 1")


RECIPES: Mapping[str, JudgeRecipe] = {"default": JudgeRecipe()}


@dataclass(frozen=True)
class Reconstructions:
    """Log-mels (M, frames, bins) as a model's VAE and vocoder leave them, and the clip that each was made from."""

    mels: npt.NDArray[np.float16]
    clips: Sequence[int]


def split(rows: Sequence[ClipRow], held_out: float, most: int | None = None) -> tuple[list[int], list[int]]:
    """Indices of the training and of the held-out clips, a share of them drawn, always the same ones.

    Raises:
        InvalidInputError: the share leaves nothing to train on or to test.
    """
    order = np.random.default_rng(0).permutation(len(rows)).tolist()
    count = round(held_out * len(rows))
    if not 0 < count < len(rows):
        raise InvalidInputError(f"held-out share {held_out} of {len(rows)} clips leaves nothing to train on or to test")
    return sorted(order[count:]), sorted(order[:count])[:most]


def colour(mel: Tensor, spec: MelSpec, generator: torch.Generator) -> Tensor:
    """Log-mels (B, T, bins) as another codec, level and room would give them, with bands and moments masked.

    Level within ±1 neper, a smooth equaliser of 0.25 nats, noise and blur such as an autoencoder leaves, masks of up
    to 48 frames and 8 bins filled with the clip's mean. It all stays far smaller than what the named degradations do.
    """
    b, t, f = mel.shape

    def uniform(low: float, high: float, *shape: int) -> Tensor:
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


def _bands(batch: int, size: int, widest: int, generator: torch.Generator) -> Tensor:
    """(batch, size) bool: in each row one run of 0 to `widest` true values."""
    width = torch.randint(0, min(widest, size // 4) + 1, (batch, 1), generator=generator)
    start = torch.randint(0, size, (batch, 1), generator=generator)
    index = torch.arange(size)[None]
    return (index >= start) & (index < start + width)


class JudgeTask:
    """Trains the net on crops of clips whose attributes are known."""

    name = "judges"
    ema: tuple[str, ...] = ()
    """None: batch normalisation's own averages belong to the weights as they are."""
    goal = "missed"
    compiled = ("net",)

    def __init__(
        self,
        recipe: JudgeRecipe,
        train: ClipStore,
        held_out: ClipStore,
        *,
        reconstructions: Reconstructions | None = None,
        held_out_reconstructions: Reconstructions | None = None,
        judges: Judges | None = None,
    ) -> None:
        """The task.

        Args:
            recipe: sizes and settings.
            train: clips to learn from.
            held_out: clips to measure on.
            reconstructions: of clips of `train`.
            held_out_reconstructions: of clips of `held_out`; they are measured too.
            judges: to go on from, with the same classes; new ones where None.
        """
        self.recipe, self.train, self.held_out, self.spec = recipe, train, held_out, train.spec
        self.reconstructions, self.held_out_reconstructions = reconstructions, held_out_reconstructions
        self.batch_size, self.sample_rate, self.schedule = recipe.batch_size, train.spec.sample_rate, recipe.schedule
        self.classes = classes_of([*train.rows, *held_out.rows])
        self.targets = self._targets(train.rows)
        net = judges.net if judges is not None else build_net(self.classes, recipe.channels, self.spec)
        self.net = net.requires_grad_(True)
        self.modules = nn.ModuleDict({"net": net})
        self.turns: tuple[Turn, ...] = (
            Turn("generator", ("net",), recipe.learning_rate, weight_decay=recipe.weight_decay, max_grad_norm=2.0),
        )

    def _targets(self, rows: Sequence[ClipRow]) -> dict[str, Tensor]:
        """The class (N,) of each row for each head."""
        labels = [labels_of(row) for row in rows]
        return {head: torch.tensor([self.classes[head].index(label[head]) for label in labels]) for head in HEADS}

    def __len__(self) -> int:
        return len(self.train)

    def batch(self, clips: npt.NDArray[np.int64], rng: np.random.Generator) -> Batch:
        """`mel` (B, crop_frames, bins), coloured, and the class (B,) of each head."""
        crops, rows = [], []
        for clip in clips.tolist():
            mels, index, row = self._drawn(clip, rng)
            start = int(rng.integers(max(mels.shape[1] - self.recipe.crop_frames, 0) + 1))
            crops.append(np.asarray(mels[index, start : start + self.recipe.crop_frames], dtype=np.float32))
            rows.append(row)
        generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
        mel = colour(torch.from_numpy(np.stack(crops)), self.spec, generator)
        return {"mel": mel, **{head: target[rows] for head, target in self.targets.items()}}

    def _drawn(self, clip: int, rng: np.random.Generator) -> tuple[Mels, int, int]:
        """Log-mels, an index in them, and the clip it is of: this one, or by chance any reconstruction."""
        made = self.reconstructions
        if made is None or rng.random() >= self.recipe.reconstructed:
            return self.train.mels, clip, clip
        index = int(rng.integers(len(made.clips)))
        return made.mels, index, made.clips[index]

    def losses(self, batch: Batch, progress: float) -> Iterator[Losses | None]:  # noqa: ARG002 - the same all along
        """Cross-entropy of each head, and their sum."""
        logits = self.net(batch["mel"])
        smoothing = self.recipe.label_smoothing
        terms = {
            head: nn.functional.cross_entropy(logits[head].float(), batch[head], label_smoothing=smoothing)
            for head in HEADS
        }
        yield {"loss": torch.stack(list(terms.values())).sum(), **terms}

    def validate(self) -> Validation:
        """Accuracy of each head on the held-out clips, and what they miss on average."""
        figures = self._accuracies(self.held_out.mels, self._targets(self.held_out.rows))
        return Validation({**figures, "missed": 1 - float(np.mean(list(figures.values())))})

    @torch.no_grad()
    def _accuracies(self, mels: Mels, targets: Mapping[str, Tensor]) -> dict[str, float]:
        """Share of log-mels whose likeliest class is the true one, for each head."""
        device = next(self.net.parameters()).device
        right = dict.fromkeys(HEADS, 0)
        for start in range(0, len(mels), _AT_ONCE):
            chosen = list(range(start, min(start + _AT_ONCE, len(mels))))
            logits = self.net(torch.from_numpy(np.asarray(mels[chosen], dtype=np.float32)).to(device))
            for head in HEADS:
                right[head] += int((logits[head].argmax(dim=1).cpu() == targets[head][chosen]).sum())
        return {head: count / len(mels) for head, count in right.items()}

    def export(self, folder: Path) -> None:
        """Writes the folder that `Judges.load` reads, with a card of what they were trained on and how well they do."""
        net = copy.deepcopy(self.net).cpu()
        Judges(net, self.classes, self.recipe.channels, self.spec, self._card()).save(folder / FOLDER)

    def _card(self) -> dict[str, Any]:
        made, held = self.reconstructions, self.held_out_reconstructions
        card: dict[str, Any] = {
            "held_out": self._accuracies(self.held_out.mels, self._targets(self.held_out.rows)),
            "tempi": tempo_ranges(self.train.rows),
            "clips": {"train": len(self.train), "held_out": len(self.held_out)},
            "reconstructions": None if made is None else {"clips": len(made.clips)},
            "data": self.train.folder.name,
            "recipe": asdict(self.recipe),
            "date": datetime.now(UTC).date().isoformat(),
            "torch": torch.__version__,
            "machine": f"{platform.machine()}, {torch.get_num_threads()} of {os.cpu_count()} cores",
        }
        if held is not None:
            rows = [self.held_out.rows[clip] for clip in held.clips]
            card["held_out_reconstructed"] = self._accuracies(held.mels, self._targets(rows))
        return card


def make_task(setup: Setup) -> JudgeTask:
    """The training of new judges, or of those in `init`; with a `model`, also on what its VAE and vocoder leave.

    Raises:
        InvalidInputError: too few clips, judges of other classes, or a model for other log-mels.
        DataError: clips whose attributes the data do not say.
        CheckpointError: a model folder that lacks a part, or a folder without judges.
    """
    recipe, store = setup.recipe_of(RECIPES), setup.store
    setup.check_mels()
    kept, held = split(store.rows, recipe.held_out, recipe.held_out_most)
    train, held_out = store.part(kept), store.part(held)
    judges = None if setup.init is None else _judges_of(setup.init, store)
    made = held_made = None
    if setup.model is not None:
        vae = Vae(setup.load_model(AutoencoderKL, "vae").to(setup.device).eval())
        vocoder = vocoder_of(setup.load_model(SpeechT5HifiGan, "vocoder").to(setup.device).eval())
        size = min(recipe.reconstructions, len(train))
        chosen = sorted(np.random.default_rng(0).choice(len(train), size=size, replace=False).tolist())
        made = reconstruct(train, chosen, vae, vocoder, setup.listen)
        few = list(range(min(max(1, size // 4), len(held_out))))
        held_made = reconstruct(held_out, few, vae, vocoder, setup.listen)
    return JudgeTask(recipe, train, held_out, reconstructions=made, held_out_reconstructions=held_made, judges=judges)


def _judges_of(folder: Path, store: ClipStore) -> Judges:
    """The judges of a run or judges' folder, which must have the classes and log-mels of the data."""
    judges = Judges.load(folder / FOLDER if (folder / FOLDER).is_dir() else folder)
    if judges.classes != classes_of(store.rows) or judges.spec != store.spec:
        raise InvalidInputError(f"the judges in {folder} know other classes or log-mels than {store.folder} has")
    return judges


@torch.no_grad()
def reconstruct(
    store: ClipStore, clips: Sequence[int], vae: Vae, vocoder: Vocoder, listen: Listener
) -> Reconstructions:
    """Log-mels of clips as they are after VAE and vocoder, a few at a time to bound the memory."""
    parts = []
    for start in range(0, len(clips), _AT_ONCE):
        mels = np.asarray(store.mels[list(clips[start : start + _AT_ONCE])], dtype=np.float32)
        waves = vocoder(vae.decode(vae.encode(torch.from_numpy(mels))[0])).float()
        waves = waves[:, : mels.shape[1] * store.spec.hop_length]
        parts.append(log_mel(waves, store.spec).cpu().numpy().astype(np.float16))
        listen(Progress(min(start + _AT_ONCE, len(clips)), len(clips), "reconstructions"))
    return Reconstructions(np.concatenate(parts), tuple(clips))


def accuracies(judges: Judges, mels: Mels, rows: Sequence[ClipRow]) -> dict[str, float]:
    """Share of clips (0 to 1) whose likeliest class is the true one, for each head."""
    verdict = judges(mels)
    labels = [labels_of(row) for row in rows]
    return {
        head: float(np.mean([judged == label[head] for judged, label in zip(verdict.best(head), labels, strict=True)]))
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
