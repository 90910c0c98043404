"""What a model folder says of the log-mels that its parts take, read from its configurations alone.

Data are prepared and trainings run by these numbers; two that disagree are an error before any work.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from musicldm.audio.mel import MelSpec
from musicldm.errors import CheckpointError, InvalidInputError

MEL_KEY = "mel"
"""Where a vocoder's configuration keeps what its class has no field for: FFT, window, edges and floor."""
_NAMES = {
    "sample_rate": "a sample rate of {} Hz",
    "hop_length": "a hop of {} samples",
    "n_mels": "{} mel bins",
    "n_fft": "an FFT of {} samples",
    "win_length": "a window of {} samples",
    "f_min": "a lowest frequency of {} Hz",
    "f_max": "a top frequency of {} Hz",
    "floor": "a floor of {}",
}
_BESIDE_CONFIGURATION = ("n_fft", "win_length", "f_min", "f_max", "floor")


@dataclass(frozen=True)
class ModelMels:
    """The log-mels that the parts of a model folder take.

    Attributes:
        folder: of the model; None where there is none, and nothing is known.
        known: fields of `MelSpec` that its vocoder says; empty without a vocoder.
        vae_scale: mel frames and bins to one of the VAE's latents; None without a VAE.
    """

    folder: Path | None = None
    known: Mapping[str, float] = field(default_factory=dict)
    vae_scale: int | None = None

    @classmethod
    def of_folder(cls, folder: Path) -> ModelMels:
        """Reads `vocoder/config.json` and `vae/config.json`, where they are.

        Raises:
            CheckpointError: one that is no configuration.
        """
        vocoder, vae = read_config(folder, "vocoder"), read_config(folder, "vae")
        try:
            known = dict(vocoder.get(MEL_KEY, {}))
            for key, name in (("sampling_rate", "sample_rate"), ("model_in_dim", "n_mels")):
                if key in vocoder:
                    known[name] = vocoder[key]
            if "upsample_rates" in vocoder:
                known["hop_length"] = math.prod(vocoder["upsample_rates"])
            scale = 2 ** (len(vae["block_out_channels"]) - 1) if "block_out_channels" in vae else None
        except (TypeError, ValueError) as error:
            raise CheckpointError(f"the configurations in {folder} are damaged: {error}") from None
        return cls(folder, {name: value for name, value in known.items() if name in _NAMES}, scale)

    def spec(self, **given: float | None) -> MelSpec:
        """Log-mels for this model: its own numbers where it says them, else those given, else the published ones.

        Args:
            given: fields of `MelSpec`; None is not given.

        Raises:
            InvalidInputError: a given number that is not the model's, or out of range.
        """
        wanted = {name: value for name, value in given.items() if value is not None}
        for name, value in wanted.items():
            if self.known.get(name, value) != value:
                raise InvalidInputError(
                    f"{_NAMES[name].format(value)} is asked for, and the model in {self.folder} has "
                    f"{_NAMES[name].format(self.known[name])}: leave it out, or choose another model"
                )
        return mel_spec(**{**wanted, **self.known})

    def check(self, spec: MelSpec) -> None:
        """Nothing where data of these log-mels are for the model.

        Raises:
            InvalidInputError: they are not.
        """
        has = asdict(spec)
        for name, value in self.known.items():
            if has[name] != value:
                raise InvalidInputError(
                    f"the data have {_NAMES[name].format(has[name])}, and the model in {self.folder} has "
                    f"{_NAMES[name].format(value)}: prepare the data with --model {self.folder}, or choose another"
                )
        if self.vae_scale is not None and spec.n_mels % self.vae_scale:
            raise InvalidInputError(
                f"the data have {spec.n_mels} mel bins, and the VAE in {self.folder} takes multiples of "
                f"{self.vae_scale}: prepare the data with other --mel-bins"
            )


def mel_spec(**given: float) -> MelSpec:
    """Log-mels of these numbers, the others as published: a window as long as the FFT, frequencies up to 8 kHz.

    Raises:
        InvalidInputError: a number out of range.
    """
    values: dict[str, Any] = dict(given)
    values.setdefault("win_length", values.get("n_fft", MelSpec.n_fft))
    values.setdefault("f_max", min(MelSpec.f_max, values.get("sample_rate", MelSpec.sample_rate) / 2))
    return MelSpec(**values)


def beside_configuration(spec: MelSpec) -> dict[str, float]:
    """What a vocoder's configuration is to keep of its log-mels under `MEL_KEY`."""
    return {entry.name: getattr(spec, entry.name) for entry in fields(spec) if entry.name in _BESIDE_CONFIGURATION}


def read_config(folder: Path, part: str) -> dict[str, Any]:
    """`config.json` of a part of a model folder; empty where there is none.

    Raises:
        CheckpointError: it is no JSON object.
    """
    path = folder / part / "config.json"
    if not path.is_file():
        return {}
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, dict):
        raise CheckpointError(f"{path} is no configuration")
    return content
