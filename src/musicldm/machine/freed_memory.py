"""How a training on a CPU holds memory between its steps."""

from __future__ import annotations

import ctypes
import sys

_TRIM_THRESHOLD, _MMAP_MAX = -1, -4
"""Options of glibc's mallopt(3)."""


def keep_freed_memory() -> bool:
    """Lets this process keep what a step frees for the next one, where the allocator is glibc's; whether it is.

    Otherwise gradients and activations are fresh pages of the system at each step, which has to clear them first. Each
    needs what the one before needed, so that after a few steps nothing is asked for any more.
    """
    set_option = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if set_option is None:
        return False
    return bool(set_option(_MMAP_MAX, 0)) and bool(set_option(_TRIM_THRESHOLD, -1))
