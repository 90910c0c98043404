"""The generation settings that belong to a checkpoint: generation_config.json in its folder."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from musicldm.declaration import as_argument, check_all, finite, setting
from musicldm.errors import CheckpointError, InvalidInputError, unknown_choice
from musicldm.files import write_whole

FILE_NAME = "generation_config.json"
_PUBLISHED_PRESETS: Mapping[str, Mapping[str, Any]] = {
    "draft": {"scheduler": "dpmsolver++", "num_inference_steps": 20},
    "best": {},
}


def take_interval(value: Any) -> tuple[float, float]:
    """An interval of noise levels, 0 ≤ low < high ≤ 1, from two numbers or a text such as "0.2,0.9".

    Raises:
        ValueError, TypeError: anything else.
    """
    if isinstance(value, str):
        value = [float(part) for part in value.split(",")]
    if not isinstance(value, list | tuple):
        raise TypeError
    low, high = (float(finite(level)) for level in value)
    if not 0 <= low < high <= 1:
        raise ValueError
    return low, high


@dataclass(frozen=True)
class GenerationDefaults:
    """What a call of the pipeline uses where the caller says nothing.

    Args:
        num_inference_steps: denoising steps, at least 1.
        guidance_scale: weight of classifier-free guidance; 1 or less switches it off.
        audio_length_in_s: length of a clip in seconds; None derives it from the UNet's own sample size.
        scheduler: short name of the scheduler; None keeps the one in the checkpoint's scheduler folder.
        guidance_interval: from which to which level of noise guidance is on, of 0 (clean) to 1 (noise); None is always.
        cache_interval: steps from one whole evaluation of the UNet to the next (DeepCache, arXiv 2312.00858); 1 reuses
            nothing.
        presets: other settings by name ("draft", "best"), as what they have other than these; "default" is these.

    Raises:
        InvalidInputError: a value outside its range.
    """

    num_inference_steps: int = setting(200, at_least=1)
    guidance_scale: float = setting(2.0)
    audio_length_in_s: float | None = setting(None, above=0, unit="s")
    scheduler: str | None = setting(None, words="a short name")
    guidance_interval: tuple[float, float] | None = setting(
        None, take=take_interval, words="two numbers from 0 (clean) to 1 (noise), the lower one first, as in 0.2,0.9"
    )
    cache_interval: int = setting(1, at_least=1)
    presets: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_all(self, as_argument)
        self._check_presets()

    def _check_presets(self) -> None:
        known = [entry.name for entry in fields(self) if entry.name != "presets"]
        for name, values in self.presets.items():
            if name == "default" or not isinstance(values, Mapping):
                raise InvalidInputError(
                    f"presets has {name!r}: {values!r}; valid are other names, and settings as values"
                )
            unknown = sorted(set(values) - set(known))
            if unknown:
                raise InvalidInputError(
                    f"preset {name}: unknown keys {', '.join(unknown)}; valid are {', '.join(known)}"
                )
            self.preset(name)

    def preset(self, name: str) -> GenerationDefaults:
        """The settings under a preset: "default" for these, or one of `presets`.

        Raises:
            InvalidInputError: this checkpoint has no such preset.
        """
        if name != "default" and name not in self.presets:
            raise unknown_choice("preset", name, ("default", *self.presets))
        return replace(self, presets={}, **self.presets.get(name, {}))

    def changed(self, **given: Any) -> GenerationDefaults:
        """These settings with others in their places; None changes nothing.

        Raises:
            InvalidInputError: a value outside its range.
        """
        return replace(self, **{name: value for name, value in given.items() if value is not None})

    @classmethod
    def load(cls, folder: str | os.PathLike[str]) -> GenerationDefaults:
        """The settings in a model folder; upstream's where the folder says nothing.

        Raises:
            CheckpointError: the file is no JSON object, or holds an unknown key or a value outside its range.
        """
        path = Path(folder) / FILE_NAME
        if not path.is_file():
            return cls(presets=_PUBLISHED_PRESETS)
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
        """Writes generation_config.json into an existing folder; what changes nothing is left out."""
        said = ("num_inference_steps", "guidance_scale")
        without = asdict(GenerationDefaults())
        values = {key: value for key, value in asdict(self).items() if key in said or value != without[key]}
        write_whole(Path(folder) / FILE_NAME, json.dumps(values, indent=2) + "\n")
