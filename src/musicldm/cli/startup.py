"""A quick start: what is imported once and stays is not searched for garbage, and what nobody asks for not imported."""

from __future__ import annotations

import gc
import importlib
import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

_SELDOM: tuple[str, ...] = ("scipy.stats", "numpy.f2py")
"""Imported for one option of diffusers' schedulers, and by all of SciPy for the sake of its name: a tenth of what all
imports take (`benchmarks/speed/cold_start.py`)."""


@contextmanager
def loading_for_good() -> Iterator[None]:
    """While it lasts nothing is collected, and what was made by its end never will be.

    The libraries of a model make some hundred thousand objects that stay. To look through them again and again as they
    grow, and once more when the process ends, is a good part of a cold start.
    """
    for name in _SELDOM:
        _defer(name)
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if collecting:
            gc.enable()


class _Deferred(ModuleType):
    """Stands for a module until something is read from it."""

    def __getattr__(self, name: str) -> Any:
        if sys.modules.get(self.__name__) is self:
            del sys.modules[self.__name__]
        return getattr(importlib.import_module(self.__name__), name)


def _defer(name: str) -> None:
    """Lets `import name`, of a package's module, wait until the module is used, if it is not there yet.

    The LazyLoader of the standard library loads at the import statement already, which asks for `__spec__`.
    """
    package, _, own_name = name.rpartition(".")
    if name in sys.modules or importlib.util.find_spec(package) is None:
        return
    spec = importlib.util.find_spec(name)
    if spec is None:
        return
    module = importlib.util.module_from_spec(spec)
    module.__class__ = _Deferred
    sys.modules[name] = module
    setattr(sys.modules[package], own_name, module)
