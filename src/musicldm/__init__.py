"""Text to music by latent diffusion. Importing this package loads no torch; its parts load on first use."""

import importlib
from typing import TYPE_CHECKING, Any

from musicldm.errors import (
    CheckpointError,
    DataError,
    InvalidInputError,
    MissingDependencyError,
    MusicLDMError,
    TrainingError,
)

if TYPE_CHECKING:
    from musicldm.pipeline import MusicLDMOutput, MusicLDMPipeline

__version__ = "0.1.0"

_LAZY = {"MusicLDMPipeline": "musicldm.pipeline", "MusicLDMOutput": "musicldm.pipeline"}

__all__ = [
    "CheckpointError",
    "DataError",
    "InvalidInputError",
    "MissingDependencyError",
    "MusicLDMError",
    "MusicLDMOutput",
    "MusicLDMPipeline",
    "TrainingError",
    "__version__",
]


def __dir__() -> list[str]:
    return __all__


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(importlib.import_module(_LAZY[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
