"""What a file of music says about itself, and how it is read back."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from musicldm import __version__
from musicldm.errors import DataError, InvalidInputError
from musicldm.files import sha256
from musicldm.generation.settings import Settings


@dataclass(frozen=True)
class StoredTake:
    """What a file remembers of how it was made.

    Args:
        prompt: the text.
        seed: of the wave.
        batch: the seeds it was computed with, in order.
        position: its own among them; the tag is called `place`.
        model_hash: of the model that made it; None where the file does not say.
        settings: by name, checked; those that an earlier version did not have are left out.
    """

    prompt: str
    seed: int
    batch: tuple[int, ...]
    position: int
    model_hash: str | None
    settings: Mapping[str, object]

    @classmethod
    def read(cls, path: Path, kind: type[Settings] = Settings) -> StoredTake:
        """From a file that `musicldm generate` wrote.

        Raises:
            DataError: no such file, none of musicldm's settings in it, or settings that no version writes.
        """
        tags = read_tags(path)
        batch = tags["batch"]
        position = tags.get("place", batch.index(tags["seed"]))
        if not all(map(_is_seed, batch)) or not (_is_seed(position) and position < len(batch)):
            raise DataError(f"{path}: batch {batch} and place {position}: seeds and a place among them are expected")
        known_hash = tags.get("model_hash")
        try:
            settings = kind.remembered(tags)
        except InvalidInputError as error:
            raise DataError(f"{path}: {error}") from error
        return cls(
            tags["prompt"],
            tags["seed"],
            tuple(batch),
            position,
            known_hash if isinstance(known_hash, str) else None,
            settings,
        )


def _is_seed(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def read_tags(path: Path) -> dict[str, Any]:
    """The settings in a file that `musicldm generate` wrote, as they stand there.

    Raises:
        DataError: no such file, or none of musicldm's settings in it.
    """
    from musicldm.audio.writing import read_settings

    tags = read_settings(path)
    prompt, seed, batch = (tags.get(key) for key in ("prompt", "seed", "batch"))
    if not (isinstance(prompt, str) and _is_seed(seed) and isinstance(batch, list) and seed in batch):
        raise DataError(f"{path}: no musicldm settings in this file")
    return tags


def describe_run(settings: Settings, prompt: str, hash_of_model: str, sample_rate: int) -> dict[str, Any]:
    """What every file of a prompt says about itself; JSON can hold it."""
    return {
        "musicldm": __version__,
        "ai_generated": True,
        "notice": "AI-generated music, made by musicldm",
        "created": datetime.now().astimezone().isoformat(timespec="seconds"),
        "prompt": prompt,
        **settings.tags(),
        "model_hash": hash_of_model,
        "sample_rate": sample_rate,
        "versions": {name: version(name) for name in ("torch", "diffusers", "transformers")},
    }


def model_hash(folder: Path, lora: str | None = None) -> str:
    """What tells a model's files, and those of its LoRA, from any others.

    SHA-256 of the model's list of hashes, as SHA256SUMS or made here, and of the LoRA's file.
    """
    from musicldm.model import checksums
    from musicldm.model.lora import lora_file

    if lora is not None:
        return f"{model_hash(folder)}+lora:{sha256(lora_file(Path(lora)))}"
    listed = folder / checksums.FILE_NAME
    if listed.is_file():
        return f"sha256:{sha256(listed)}"
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    kept = [name for name in names if not name.startswith(".")]
    text = "".join(f"{sha256(folder / name)}  {name}\n" for name in kept)
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"
