"""A quick start: what is imported once and stays is not searched for garbage."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def loading_for_good() -> Iterator[None]:
    """While it lasts nothing is collected, and what was made by its end never will be.

    The libraries of a model make some hundred thousand objects that stay. To look through them again and again as they
    grow, and once more when the process ends, is a good part of a cold start.
    """
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if collecting:
            gc.enable()
