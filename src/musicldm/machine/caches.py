"""Where musicldm keeps what it can make again."""

from __future__ import annotations

import os
from pathlib import Path


def cache_folder() -> Path:
    """`musicldm` in the user's folder of caches: $XDG_CACHE_HOME, or ~/.cache. It need not exist."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "musicldm"
