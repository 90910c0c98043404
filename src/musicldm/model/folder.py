"""A model's name to its folder: "default", a folder, or a hub id; and whether a folder is a MusicLDM."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from musicldm.errors import CheckpointError, DataError, InvalidInputError
from musicldm.model import checksums
from musicldm.model.hub import is_hub_id

DEFAULT = "default"
DEFAULT_FOLDER = Path(__file__).resolve().parent.parent / "shipped" / "default"
PIPELINE_CLASS = "MusicLDMPipeline"
INDEX = "model_index.json"

COMPONENTS = {
    "vae": "config.json",
    "text_encoder": "config.json",
    "tokenizer": "tokenizer_config.json",
    "unet": "config.json",
    "scheduler": "scheduler_config.json",
    "vocoder": "config.json",
}
"""The parts a MusicLDM cannot do without, each with the file that its folder must hold."""

OPTIONAL = ("feature_extractor",)
WEIGHTED = ("vae", "text_encoder", "unet", "vocoder")
_BESIDE_A_MODEL = re.compile(r"\.(?!musicldm$)|README\.md$|LICEN[CS]E", re.IGNORECASE)
_WEIGHT_SUFFIXES = (".safetensors", ".bin")


def resolve(
    model: str | os.PathLike[str],
    *,
    download: Callable[[str], str | os.PathLike[str]] | None = None,
    verify: bool = True,
    passed: frozenset[str] = frozenset(),
) -> Path:
    """A model's name to a checked folder.

    Args:
        model: "default", a folder, or a hub id `owner/name`.
        download: fetches a hub id and gives its local folder; None where only folders are wanted.
        verify: whether the files are compared with SHA256SUMS where the folder has it.
        passed: components that the caller brings itself, so that the folder need not hold them.

    Raises:
        CheckpointError: no such model, no MusicLDM, or a file that is missing or corrupt.
    """
    name = os.fspath(model)
    if name == DEFAULT:
        if not (DEFAULT_FOLDER / INDEX).is_file():
            raise CheckpointError(
                "the default model is not part of this installation of musicldm: "
                "install a released package, or name a model folder or a hub id such as ucsd-reach/musicldm"
            )
        path, fetched = DEFAULT_FOLDER, False
    elif name and Path(name).is_dir():
        path, fetched = Path(name), False
    elif download is not None and is_hub_id(name):
        path, fetched = Path(download(name)), True
    else:
        raise CheckpointError(
            f"no model {name!r}: choose {DEFAULT!r}, an existing model folder, or a hub id owner/name"
        )
    validate(path, passed)
    if verify:
        checksums.verify(path, partial=fetched)
    for component in (*COMPONENTS, *OPTIONAL):
        if component not in passed and (path / component).is_dir():
            _check_readable(path / component)
    return path


def parts_folder(model: str | os.PathLike[str]) -> Path:
    """Where a training finds parts: a folder as it is, which need not hold a whole model, else that of the name.

    Raises:
        CheckpointError: no such folder, and no such model.
    """
    return Path(model) if Path(model).is_dir() else resolve(model)


def read_index(folder: Path) -> dict[str, Any]:
    """model_index.json of a folder.

    Raises:
        CheckpointError: there is none, or it is no JSON object.
    """
    path = folder / INDEX
    if not path.is_file():
        raise CheckpointError(f"{folder} is not a MusicLDM: it has no {INDEX}")
    index = _read_json(path)
    if not isinstance(index, dict):
        raise CheckpointError(f"{path}: a JSON object is expected, not {type(index).__name__}")
    return index


def check_save_folder(folder: Path) -> None:
    """Nothing if a model may be saved into a folder: one that is new, empty, or holds a MusicLDM already.

    Hidden files, a card and a licence may be there too, as in a fresh clone of a repository.

    Raises:
        InvalidInputError: it is a file.
        DataError: it holds other things than a model.
    """
    if folder.exists() and not folder.is_dir():
        raise InvalidInputError(f"{str(folder)!r} is a file: a folder is expected")
    if not folder.is_dir() or _is_ours(folder):
        return
    foreign = sorted(path.name for path in folder.iterdir() if not _BESIDE_A_MODEL.match(path.name))
    if foreign:
        raise DataError(f"{folder} holds {foreign[0]} and is not a MusicLDM: choose another folder")


def _is_ours(folder: Path) -> bool:
    try:
        return bool(read_index(folder).get("_class_name") == PIPELINE_CLASS)
    except CheckpointError:
        return False


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise CheckpointError(f"{path}: not valid JSON ({error})") from error


def validate(folder: Path, passed: frozenset[str] = frozenset()) -> None:
    """Checks that a folder is a MusicLDM and has all its parts, without opening them.

    Raises:
        CheckpointError: another pipeline's folder, or a part that is missing.
    """
    index = read_index(folder)
    kind = index.get("_class_name")
    if kind != PIPELINE_CLASS:
        raise CheckpointError(f"{folder} is not a MusicLDM: its {INDEX} says {kind!r}, not {PIPELINE_CLASS!r}")
    for component, config in COMPONENTS.items():
        if component in passed:
            continue
        entry = index.get(component)
        if not isinstance(entry, list) or len(entry) != 2 or None in entry:
            raise CheckpointError(f"{folder / INDEX}: it names no {component}, and a MusicLDM needs one")
        if not (folder / component / config).is_file():
            raise CheckpointError(f"{folder / component / config}: the file is missing")
        if component in WEIGHTED and not any(
            path.suffix in _WEIGHT_SUFFIXES for path in (folder / component).iterdir()
        ):
            raise CheckpointError(f"{folder / component}: no weights there (*.safetensors or *.bin)")


def _check_readable(folder: Path) -> None:
    """Checks that a part's JSON can be read and that its weights have their whole length.

    The libraries that load them do not name the file, and some raise errors of no kind of their own.
    """
    for path in sorted(folder.iterdir()):
        if path.suffix == ".json":
            _read_json(path)
        elif path.suffix == ".safetensors":
            try:
                with safe_open(path, framework="numpy"):
                    pass
            except (SafetensorError, OSError) as error:
                raise CheckpointError(f"{path}: not a whole safetensors file ({error})") from error
