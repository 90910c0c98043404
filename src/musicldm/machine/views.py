"""A second module of the same weights: its parts and settings are exchanged while other threads use the first."""

from __future__ import annotations

from functools import partial
from types import MethodType
from typing import TypeVar

from torch import nn

Module = TypeVar("Module", bound=nn.Module)


def second_view(module: Module) -> Module:
    """A module of the same class with the same weights, submodules and hooks; what is set on it changes it alone.

    Of a compiled module it is one that is not compiled, since its parts may differ.
    """
    original: Module = getattr(module, "_orig_mod", module)
    view = object.__new__(type(original))
    vars(view).update(vars(original))
    view._modules = dict(original._modules)
    view._compiled_call_impl = None
    for name in {"forward", "_old_forward"} & vars(original).keys():  # of accelerate's hooks, which bind their module
        bound = vars(original)[name]
        if isinstance(bound, MethodType) and bound.__self__ is original:
            vars(view)[name] = MethodType(bound.__func__, view)
        elif isinstance(bound, partial) and bound.args == (original,):
            vars(view)[name] = partial(bound.func, view)
    return view
