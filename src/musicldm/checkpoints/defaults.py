"""The generation settings that belong to a checkpoint: generation_config.json in its folder."""

from __future__ import annotations

import json
import math
import os
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from musicldm.errors import CheckpointError, InvalidInputError

FILE_NAME = "generation_config.json"


@dataclass(frozen=True)
class GenerationDefaults:
    """What a call of the pipeline uses where the caller says nothing.

    Args:
        num_inference_steps: denoising steps, at least 1.
        guidance_scale: weight of classifier-free guidance; 1 or less switches it off.
        audio_length_in_s: length of a clip in seconds; None derives it from the UNet's own sample size.
        scheduler: short name of the scheduler; None keeps the one in the checkpoint's scheduler folder.
        guidance_interval: from which to which level of noise guidance is on, of 0 (clean) to 1 (noise); None is always.

    Raises:
        InvalidInputError: a value outside its range.
    """

    num_inference_steps: int = 200
    guidance_scale: float = 2.0
    audio_length_in_s: float | None = None
    scheduler: str | None = None
    guidance_interval: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        steps = self.num_inference_steps
        if not isinstance(steps, int) or isinstance(steps, bool) or steps < 1:
            raise InvalidInputError(f"num_inference_steps is {steps!r}: it must be an integer of at least 1")
        if not _is_finite(self.guidance_scale):
            raise InvalidInputError(f"guidance_scale is {self.guidance_scale!r}: it must be a finite number")
        if self.guidance_interval is not None:
            object.__setattr__(self, "guidance_interval", check_interval(self.guidance_interval))
        length = self.audio_length_in_s
        if length is not None and not (_is_finite(length) and length > 0):
            raise InvalidInputError(f"audio_length_in_s is {length!r}: it must be a finite number above 0")
        if self.scheduler is not None and not isinstance(self.scheduler, str):
            raise InvalidInputError(f"scheduler is {self.scheduler!r}: it must be a short name")

    @classmethod
    def load(cls, folder: str | os.PathLike[str]) -> GenerationDefaults:
        """The settings in a model folder; upstream's where the folder says nothing.

        Raises:
            CheckpointError: the file is no JSON object, or holds an unknown key or a value outside its range.
        """
        path = Path(folder) / FILE_NAME
        if not path.is_file():
            return cls()
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise CheckpointError(f"{path}: not valid JSON ({error})") from error
        if not isinstance(values, dict):
            raise CheckpointError(f"{path}: a JSON object is expected, not {type(values).__name__}")
        known = [field.name for field in fields(cls)]
        unknown = sorted(set(values) - set(known))
        if unknown:
            raise CheckpointError(f"{path}: unknown keys {', '.join(unknown)}; valid are {', '.join(known)}")
        try:
            return cls(**values)
        except InvalidInputError as error:
            raise CheckpointError(f"{path}: {error}") from error

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Writes generation_config.json into an existing folder; what is None is left out."""
        values: dict[str, Any] = {key: value for key, value in asdict(self).items() if value is not None}
        (Path(folder) / FILE_NAME).write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")


def check_interval(value: object) -> tuple[float, float]:
    """An interval of noise levels: two numbers, 0 ≤ low < high ≤ 1.

    Raises:
        InvalidInputError: anything else.
    """
    if isinstance(value, (list, tuple)) and len(value) == 2 and all(map(_is_finite, value)):
        low, high = map(float, value)
        if 0 <= low < high <= 1:
            return low, high
    raise InvalidInputError(
        f"guidance_interval is {value!r}: it must be two numbers from 0 (clean) to 1 (noise), the lower one first"
    )


def _is_finite(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
