"""Judges: a small classifier that hears genre, drums, lead family and sound quality in a log-mel of any length.

It is trained on corpus audio only and never sees the generator: its verdicts on generated music are independent of it.
Conventions: log-mels are (n, frames, bins) as `musicldm.audio.mel.log_mel` gives them; waves are (n, samples).
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from safetensors.torch import save_file
from torch import nn

from musicldm.audio.mel import MelSpec, log_mel
from musicldm.data.store import ClipRow
from musicldm.errors import CheckpointError, DataError, InvalidInputError, unknown_choice
from musicldm.files import whole, write_whole
from musicldm.listeners.tempo import ANY_MUSIC, TempoRange
from musicldm.model.checksums import verify, write_sums
from musicldm.model.weights import fill, read_tensors

DRUMS = ("without drums", "with drums")
HEADS = ("genre", "drums", "lead", "quality")
DEFAULT = "default"
DEFAULT_FOLDER = Path(__file__).resolve().parent.parent / "shipped" / "judges"
MIN_FRAMES = 32
_WEIGHTS, _CARD = "judges.safetensors", "judges.json"
# Mean and deviation of music's log-mels: only conditioning of the optimisation, batch norms do the rest.
_MEL_MEAN, _MEL_STD = -4.2, 2.6
# No tempo is ruled out, whatever the genre.
_BACKGROUND = replace(ANY_MUSIC, weight=0.03)


def labels_of(row: ClipRow) -> dict[str, str]:
    """What the judges should hear in a clip: one class name for each of `HEADS`.

    Raises:
        DataError: the clip's metadata lack a field.
    """
    try:
        drums = DRUMS[bool(row.fields["drums"])]
        return {
            "genre": str(row.fields["genre"]),
            "drums": drums,
            "lead": row.lead_family,
            "quality": str(row.fields["quality"]),
        }
    except KeyError as error:
        raise DataError(f"{row.source} has no field {error} in its metadata: it needs genre, drums, quality") from None


def classes_of(rows: Sequence[ClipRow]) -> dict[str, tuple[str, ...]]:
    """The class names of each head that occur in `rows`, sorted; drums always has both."""
    labels = [labels_of(row) for row in rows]
    found = {head: tuple(sorted({label[head] for label in labels})) for head in HEADS}
    return found | {"drums": DRUMS}


class _Residual(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.block = _convolution(channels, channels, stride=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """x: (B, C, T, F) → the same shape."""
        out: torch.Tensor = x + self.block(x)
        return out


def _convolution(
    inputs: int, outputs: int, *, stride: int | tuple[int, int], kernel: tuple[int, int] = (3, 3)
) -> nn.Sequential:
    padding = (kernel[0] // 2, kernel[1] // 2)
    convolution = nn.Conv2d(inputs, outputs, kernel, stride, padding, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(outputs), nn.ReLU(inplace=True))


class JudgeNet(nn.Module):
    """Log-mel (B, T, bins), T ≥ `MIN_FRAMES` → logits of each head (B, classes).

    The first convolution leaves 25 frames a second, which keeps the rest fast on a CPU; then strided ones, each with a
    residual one, and the mean and deviation over time of what they hear: pooled over time, any length will do.
    """

    def __init__(self, sizes: Mapping[str, int], channels: Sequence[int], n_mels: int, width: int = 256) -> None:
        super().__init__()
        stages: list[nn.Module] = [_convolution(1, channels[0], stride=(4, 2), kernel=(7, 5))]
        for inputs, outputs in itertools.pairwise(channels):
            stages += [_convolution(inputs, outputs, stride=2), _Residual(outputs)]
        self.stages = nn.Sequential(*stages)
        bins = n_mels
        for _ in channels:
            bins = (bins + 1) // 2
        self.mix = nn.Sequential(nn.Linear(channels[-1] * bins, width), nn.LayerNorm(width), nn.GELU())
        self.heads = nn.ModuleDict({head: nn.Linear(2 * width, size) for head, size in sizes.items()})

    def features(self, mel: torch.Tensor) -> torch.Tensor:
        """What the heads see of (B, T, bins): mean and deviation over time (B, 2 width)."""
        x = ((mel - _MEL_MEAN) / _MEL_STD)[:, None]
        x = self.stages(x.to(memory_format=torch.channels_last))
        x = self.mix(x.permute(0, 2, 1, 3).flatten(2))
        # The variance is kept off zero: its root has no gradient there.
        return torch.cat([x.mean(1), (x.var(1, unbiased=False) + 1e-5).sqrt()], dim=-1)

    def forward(self, mel: torch.Tensor) -> dict[str, torch.Tensor]:
        pooled = self.features(mel)
        return {head: layer(pooled) for head, layer in self.heads.items()}


@dataclass(frozen=True)
class JudgeVerdict:
    """What the judges heard in n sounds: `classes` of each head and `probabilities` (n, classes), rows adding to 1."""

    classes: Mapping[str, tuple[str, ...]]
    probabilities: Mapping[str, npt.NDArray[np.float32]]

    def best(self, head: str) -> list[str]:
        """The likeliest class of each sound."""
        names = self._names(head)
        return [names[index] for index in self.probabilities[head].argmax(axis=1)]

    def probability(self, head: str, name: str) -> npt.NDArray[np.float32]:
        """Probability (n,) of one class."""
        names = self._names(head)
        if name not in names:
            raise unknown_choice(head, name, names)
        return self.probabilities[head][:, names.index(name)]

    def _names(self, head: str) -> tuple[str, ...]:
        if head not in self.classes:
            raise unknown_choice("judge", head, self.classes)
        return self.classes[head]


class Judges:
    """A trained `JudgeNet` with its class names, its log-mel and its card (held-out accuracies, data, seed, date)."""

    def __init__(
        self,
        net: JudgeNet,
        classes: Mapping[str, tuple[str, ...]],
        channels: Sequence[int],
        spec: MelSpec | None = None,
        card: Mapping[str, Any] | None = None,
    ) -> None:
        self.net = net.eval()
        self.classes = dict(classes)
        self.channels = tuple(channels)
        self.spec = spec or MelSpec()
        self.card = dict(card or {})

    @torch.inference_mode()
    def __call__(self, sound: npt.ArrayLike, *, batch_size: int = 16) -> JudgeVerdict:
        """The verdict on log-mels (n, frames, bins), waves (n, samples) or one wave (samples,) in `spec.sample_rate`.

        Raises:
            InvalidInputError: another shape, no sound, less than a third of a second, or values that are not finite.
        """
        mels = self._mels(np.asarray(sound))
        found: dict[str, list[npt.NDArray[np.float32]]] = {head: [] for head in self.classes}
        self.net.eval()
        for start in range(0, len(mels), batch_size):
            logits = self.net(torch.from_numpy(np.array(mels[start : start + batch_size], dtype=np.float32)))
            for head, values in logits.items():
                found[head].append(values.softmax(-1).numpy())
        return JudgeVerdict(self.classes, {head: np.concatenate(parts) for head, parts in found.items()})

    @torch.inference_mode()
    def features(self, sound: npt.ArrayLike, *, batch_size: int = 16) -> npt.NDArray[np.float32]:
        """What the heads see of sound, given as to a call: (n, width) float32, of any norm."""
        mels = self._mels(np.asarray(sound))
        self.net.eval()
        parts = []
        for start in range(0, len(mels), batch_size):
            batch = torch.from_numpy(np.array(mels[start : start + batch_size], dtype=np.float32))
            parts.append(self.net.features(batch).numpy())
        return np.concatenate(parts)

    def tempo_prior(self, verdict: JudgeVerdict, index: int) -> tuple[TempoRange, ...]:
        """Where the tempo of sound `index` may lie by the genre that the judges hear in it, for `tempo_of`.

        Raises:
            InvalidInputError: the card of these judges holds no tempi.
        """
        ranges = self.card.get("tempi")
        if not ranges:
            raise InvalidInputError("these judges know no tempi of genres: their card has no 'tempi'")
        heard = verdict.probabilities["genre"][index]
        genres = zip(self.classes["genre"], heard.tolist(), strict=True)
        known = [TempoRange(ranges[genre][0], ranges[genre][1], weight) for genre, weight in genres]
        return (*known, _BACKGROUND)

    def _mels(self, sound: npt.NDArray[Any]) -> npt.NDArray[Any]:
        bins = self.spec.n_mels
        if sound.ndim not in (1, 2, 3) or sound.size == 0 or (sound.ndim == 3 and sound.shape[2] != bins):
            raise InvalidInputError(
                f"sound of shape {sound.shape}: judges hear log-mels (n, frames, {bins}), waves (n, samples) or one"
            )
        frames = sound.shape[1] if sound.ndim == 3 else self.spec.frames(sound.shape[-1])
        if frames < MIN_FRAMES:
            raise InvalidInputError(f"sound of shape {sound.shape} has {frames} frames: judges need {MIN_FRAMES}")
        if not np.isfinite(sound).all():
            raise InvalidInputError("the sound holds values that are not finite")
        if sound.ndim == 3:
            return sound
        return log_mel(torch.from_numpy(np.atleast_2d(sound).astype(np.float32)), self.spec).numpy()

    def save(self, folder: Path) -> None:
        """Writes `judges.safetensors` and `judges.json`, each whole or not there, and their hashes."""
        folder.mkdir(parents=True, exist_ok=True)
        head = {"classes": self.classes, "channels": self.channels, "mel": asdict(self.spec)}
        with whole(folder / _WEIGHTS) as part:
            save_file({name: value.contiguous() for name, value in self.net.state_dict().items()}, part)
        write_whole(folder / _CARD, json.dumps(head | {"card": self.card}, indent=2) + "\n")
        write_sums(folder)

    @classmethod
    def load(cls, folder: Path | str = DEFAULT) -> Judges:
        """The judges that `save` wrote, or those that ship.

        Raises:
            CheckpointError: a file is missing or has other bytes, or the two do not belong together.
        """
        folder = judges_folder(folder)
        verify(folder)
        for name in (_WEIGHTS, _CARD):
            if not (folder / name).is_file():
                raise CheckpointError(f"no judges in {folder}: {name} is missing (scripts/train_judges.py makes it)")
        try:
            stored = json.loads((folder / _CARD).read_text(encoding="utf-8"))
            classes = {head: tuple(names) for head, names in stored["classes"].items()}
            spec = MelSpec(**stored["mel"])
            net = build_net(classes, stored["channels"], spec)
        except (ValueError, KeyError, TypeError) as error:
            reason = str(error).splitlines()[0]
            raise CheckpointError(f"the judges in {folder} are damaged: {reason}") from error
        fill(net, read_tensors(folder / _WEIGHTS), str(folder / _WEIGHTS))
        return cls(net, classes, stored["channels"], spec, stored["card"])


def judges_folder(name: Path | str) -> Path:
    """The folder that a name stands for: "default" is that of the judges that ship with musicldm."""
    return DEFAULT_FOLDER if str(name) == DEFAULT else Path(name)


def build_net(classes: Mapping[str, Sequence[str]], channels: Sequence[int], spec: MelSpec) -> JudgeNet:
    """An untrained net for these classes."""
    return JudgeNet({head: len(names) for head, names in classes.items()}, channels, spec.n_mels)
