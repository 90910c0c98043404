"""What decides a piece of music: the choices of a run, the seeds of its batches, and how a file remembers both."""

from __future__ import annotations

import hashlib
import math
import secrets
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from datetime import datetime
from importlib.metadata import version
from itertools import groupby
from pathlib import Path
from typing import Any

from musicldm import __version__
from musicldm.audio.levels import check_loudness
from musicldm.audio.writing import read_settings
from musicldm.errors import DataError, InvalidInputError, unknown_choice
from musicldm.files import sha256
from musicldm.model.settings import check_interval

DEVICES = ("auto", "cpu", "cuda", "mps")
ENGINES = ("torch", "openvino")
DTYPES = ("auto", "float32", "bfloat16", "float16", "int8")
BATCH = 8
"""Waves that are made at once where nothing was measured."""
SEED_LIMIT = 2**63
_FRESH_SEED_LIMIT = 2**32


_PRESET_DECIDES = ("duration", "steps", "guidance", "guidance_interval", "cache_interval", "scheduler")


@dataclass(frozen=True)
class Choices:
    """The arguments of a run but for prompts and seeds; None leaves a value to the model.

    Args:
        model: "default", a folder, or a hub id.
        device: one of `DEVICES`.
        engine: one of `ENGINES`.
        dtype: one of `DTYPES`; "auto" is what is fast on the machine.
        negative_prompt: what it should not sound like.
        duration: seconds.
        preset: which of the model's own settings fill in what is None.
        steps: denoising steps.
        guidance: weight of the prompt.
        guidance_interval: levels of noise between which it is on: "0.2,0.8", or two numbers.
        cache_interval: steps from one whole evaluation of the UNet to the next.
        scheduler: short name.
        loudness: "peak" or LUFS.
        lora: file or folder of a LoRA for the model's UNet.
        lora_scale: how much of it.

    Raises:
        InvalidInputError: a value outside its range, as far as that can be said without the model.
    """

    model: str = "default"
    device: str = "auto"
    engine: str = "torch"
    dtype: str = "auto"
    negative_prompt: str | None = None
    duration: float | None = None
    preset: str = "default"
    steps: int | None = None
    guidance: float | None = None
    guidance_interval: str | tuple[float, float] | None = None
    cache_interval: int | None = None
    scheduler: str | None = None
    loudness: str | float = "peak"
    lora: str | None = None
    lora_scale: float = 1.0

    def __post_init__(self) -> None:
        if self.device not in DEVICES:
            raise unknown_choice("device", self.device, DEVICES)
        if self.engine not in ENGINES:
            raise unknown_choice("engine", self.engine, ENGINES)
        if self.engine == "openvino" and (self.device not in ("auto", "cpu") or self.dtype == "float16"):
            raise InvalidInputError(
                f"engine openvino with {self.device} and {self.dtype}: valid are cpu, and float32, bfloat16 or int8"
            )
        if self.engine != "openvino" and self.dtype == "int8":
            raise InvalidInputError(f"dtype int8 with engine {self.engine}: only engine openvino computes with int8")
        if self.dtype not in DTYPES:
            raise unknown_choice("dtype", self.dtype, DTYPES)
        if self.duration is not None and not (math.isfinite(self.duration) and self.duration > 0):
            raise InvalidInputError(f"duration {self.duration:g}: it must be a number of seconds above 0")
        if self.steps is not None and self.steps < 1:
            raise InvalidInputError(f"steps {self.steps}: it must be at least 1")
        if self.guidance is not None and not math.isfinite(self.guidance):
            raise InvalidInputError(f"guidance {self.guidance:g}: it must be a finite number")
        if self.guidance_interval is not None:
            object.__setattr__(self, "guidance_interval", _interval(self.guidance_interval))
        if self.cache_interval is not None and self.cache_interval < 1:
            raise InvalidInputError(f"cache interval {self.cache_interval}: it must be at least 1")
        if not math.isfinite(self.lora_scale):
            raise InvalidInputError(f"lora scale {self.lora_scale:g}: it must be a finite number")
        object.__setattr__(self, "loudness", check_loudness(self.loudness))

    @classmethod
    def of(cls, given: Mapping[str, Any], stored: Mapping[str, Any]) -> Choices:
        """From what the user gave (None where nothing), else from a file's settings, else the defaults.

        A preset takes the place of what the file says of the same settings.
        """
        names = [field.name for field in fields(cls)]
        if given.get("preset") is not None:
            stored = {name: value for name, value in stored.items() if name not in _PRESET_DECIDES}
        chosen = {name: given[name] if given.get(name) is not None else stored.get(name) for name in names}
        return cls(**{name: value for name, value in chosen.items() if value is not None})

    def settled(self, pipeline: Any) -> Choices:
        """With the values that the model decides filled in."""
        from musicldm.sampling.schedulers import short_name

        defaults = pipeline.generation_defaults.preset(self.preset)
        folder = Path(self.model)
        return replace(
            self,
            model=str(folder.resolve()) if self.model != "default" and folder.is_dir() else self.model,
            device=pipeline.device.type,
            dtype=str(pipeline.compute_dtype).removeprefix("torch."),
            duration=self.duration or defaults.audio_length_in_s or pipeline.geometry.trained_seconds,
            steps=self.steps or defaults.num_inference_steps,
            guidance=defaults.guidance_scale if self.guidance is None else self.guidance,
            guidance_interval=self.guidance_interval or defaults.guidance_interval,
            cache_interval=self.cache_interval or defaults.cache_interval,
            scheduler=self.scheduler or short_name(pipeline.scheduler),
            lora=None if self.lora is None else str(Path(self.lora).resolve()),
        )


def _interval(value: object) -> tuple[float, float]:
    """Two levels of noise, as words of the command line or as a file's settings have them."""
    if isinstance(value, str):
        try:
            return check_interval([float(part) for part in value.split(",")])
        except ValueError:  # no numbers, or none that are an interval
            raise InvalidInputError(
                f"guidance interval {value!r}: it must be two numbers from 0 (clean) to 1 (noise), as in 0.2,0.9"
            ) from None
    return check_interval(value)


@dataclass(frozen=True)
class Row:
    """One wave to make.

    Args:
        piece: which of the prompts it is for, counted from 0; the same text twice makes two pieces.
        prompt: the text.
        seed: of the wave.
        kept: whether it is written; one that is not only fills a batch that is computed again.
    """

    piece: int
    prompt: str
    seed: int
    kept: bool = True


Batch = tuple[Row, ...]
"""Waves that are computed together. A wave is the same to the sample only at the same place of a batch as large."""


def make_rows(prompts: Sequence[str], n: int | None, seed: int | None, stored: Mapping[str, Any]) -> list[Row]:
    """The waves to make for prompts, each from the same seeds, in the order of the prompts.

    Those of a file's batch where neither n nor seed is given.

    Args:
        prompts: texts; none takes the stored one.
        n: waves for each prompt; 1 where None.
        seed: the first one; -1 draws it.
        stored: a file's settings, or empty.

    Raises:
        InvalidInputError: no prompt, or n or seed outside its range.
    """
    prompts = list(prompts) or ([stored["prompt"]] if stored else [])
    if not prompts:
        raise InvalidInputError('no prompt: give at least one, as in musicldm generate "calm piano", or --prompts-file')
    if stored and n is None and seed is None:
        place = stored.get("place", stored["batch"].index(stored["seed"]))
        return [
            Row(piece, prompt, one, index == place)
            for piece, prompt in enumerate(prompts)
            for index, one in enumerate(stored["batch"])
        ]
    n = 1 if n is None else n
    if n < 1:
        raise InvalidInputError(f"n {n}: it must be at least 1")
    seed = stored.get("seed", -1) if seed is None else seed
    if not -1 <= seed < SEED_LIMIT - n:
        raise InvalidInputError(f"seed {seed}: valid is -1 (random) or 0 to {SEED_LIMIT - n - 1}")
    first = secrets.randbelow(_FRESH_SEED_LIMIT - n) if seed == -1 else seed
    return [Row(piece, prompt, one) for piece, prompt in enumerate(prompts) for one in range(first, first + n)]


def in_batches(rows: Sequence[Row], size: int) -> list[Batch]:
    """Rows in batches of at most `size`; those of a file that is repeated stay in the batch it was computed in."""
    if any(not row.kept for row in rows):
        return [tuple(group) for _, group in groupby(rows, key=lambda row: row.piece)]
    return [tuple(rows[start : start + size]) for start in range(0, len(rows), size)]


def load_settings(path: Path) -> dict[str, Any]:
    """The settings in a file that `musicldm generate` wrote.

    Raises:
        DataError: no such file, or none of musicldm's settings in it.
    """
    settings = read_settings(path)
    prompt, seed, batch = (settings.get(key) for key in ("prompt", "seed", "batch"))
    if not (isinstance(prompt, str) and isinstance(seed, int) and isinstance(batch, list) and seed in batch):
        raise DataError(f"{path}: no musicldm settings in this file")
    return settings


def read_prompts(path: Path) -> list[str]:
    """The lines of a text file but for empty ones; of standard input where the path is "-".

    Raises:
        DataError: no such file, no text, or no line in it.
    """
    try:
        content = sys.stdin.buffer.read() if str(path) == "-" else path.read_bytes()
        text = content.decode("utf-8-sig")
    except OSError:
        if path.is_file():
            raise
        raise DataError(f"{path}: no such file of prompts") from None
    except UnicodeDecodeError:
        raise DataError(f"{path}: not a text file in UTF-8") from None
    prompts = [line.strip() for line in text.splitlines() if line.strip()]
    if not prompts:
        raise DataError(f"{path}: no prompt in it; one a line is expected")
    return prompts


def model_hash(folder: Path, lora: str | None = None) -> str:
    """What tells a model's files, and those of its LoRA, from any others.

    SHA-256 of the model's list of hashes, as SHA256SUMS or made here, and of the LoRA's file.
    """
    from musicldm.model import integrity
    from musicldm.model.lora import lora_file

    if lora is not None:
        return f"{model_hash(folder)}+lora:{sha256(lora_file(Path(lora)))}"
    listed = folder / integrity.FILE_NAME
    if listed.is_file():
        return f"sha256:{sha256(listed)}"
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    kept = [name for name in names if not name.startswith(".")]
    text = "".join(f"{sha256(folder / name)}  {name}\n" for name in kept)
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def describe_run(choices: Choices, prompt: str, hash_of_model: str, sample_rate: int) -> dict[str, Any]:
    """What every file of a prompt says about itself; JSON can hold it."""
    return {
        "musicldm": __version__,
        "ai_generated": True,
        "notice": "AI-generated music, made by musicldm",
        "created": datetime.now().astimezone().isoformat(timespec="seconds"),
        "prompt": prompt,
        **asdict(choices),
        "model_hash": hash_of_model,
        "sample_rate": sample_rate,
        "versions": {name: version(name) for name in ("torch", "diffusers", "transformers")},
    }
