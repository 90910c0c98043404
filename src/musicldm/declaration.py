"""A setting is declared once, at a field of a dataclass: what it may be, how a person says it, and who gets it.

From the declaration come the check of a value and its error, the option of the command line, the tag in a file, the
argument of the pipeline, and what a page or an API shows (`describe`).
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cache
from types import NoneType
from typing import Any, Literal, get_args, get_type_hints

from musicldm.errors import InvalidInputError, unknown_choice

Kind = Literal["integer", "number", "text", "switch", "other"]
_KINDS: dict[type, Kind] = {int: "integer", float: "number", str: "text", bool: "switch"}


@dataclass(frozen=True)
class Setting:
    """What is known of a setting.

    Args:
        help: a sentence for a person.
        unit: "s", "Hz"; empty without.
        at_least: smallest valid number.
        above: what a number must exceed.
        at_most: largest valid number.
        choices: valid texts; anything goes where None.
        names: texts that are of use, in order, where other texts are valid too; called when a person asks, since what
            knows them may take long to import.
        take: from a value as it came to the value that is kept, in place of the checks of type and range. It raises
            ValueError or TypeError, or InvalidInputError where it has better words.
        words: what a value must be, where `take` or the type does not say it.
        panel: group of settings that it is shown in.
        flags: names on the command line; from the field's name where empty.
        metavar: what stands for the value in help.
        shown: the default as help shows it; "" shows none, None shows the field's own.
        argument: name of the pipeline's argument that it becomes; None if it becomes none.
        of_model: field of a model's own settings that decides where it is None; "" if none does.
        stored: whether a file remembers it.
        loads: whether another value needs the model to be loaded anew.
    """

    help: str = ""
    unit: str = ""
    at_least: float | None = None
    above: float | None = None
    at_most: float | None = None
    choices: tuple[str, ...] | None = None
    names: Callable[[], Sequence[str]] | None = None
    take: Callable[[Any], object] | None = None
    words: str = ""
    panel: str = ""
    flags: tuple[str, ...] = ()
    metavar: str | None = None
    shown: str | None = None
    argument: str | None = None
    of_model: str = ""
    stored: bool = True
    loads: bool = False


@dataclass(frozen=True)
class Declared:
    """A field with its setting.

    Args:
        name: of the field.
        kind: of its values.
        default: the field's own.
        may_be_none: whether None is a value, which leaves it open.
        setting: what is known of it.
    """

    name: str
    kind: Kind
    default: object
    may_be_none: bool
    setting: Setting


def setting(default: Any, /, **known: Any) -> Any:
    """A field of a dataclass with its `Setting`, made of the arguments."""
    return field(default=default, metadata={"setting": Setting(**known)})


def left_to(owner: type, name: str, /, **known: Any) -> Any:
    """A field that may be None, to leave it to the field `name` of `owner`; valid is what is valid there."""
    ranges = _setting_of(owner, name)
    more = {"argument": name, "of_model": name, **known}
    return field(default=None, metadata={"setting": replace(ranges, **more)})


def _setting_of(owner: type, name: str) -> Setting:
    return next(entry.setting for entry in declared(owner) if entry.name == name)


def declared(owner: type[Any]) -> tuple[Declared, ...]:
    """The fields of a dataclass that are settings, in order."""
    remembered: Callable[[Any], tuple[Declared, ...]] = _declared
    return remembered(owner)


@cache
def _declared(owner: type[Any]) -> tuple[Declared, ...]:
    hints = get_type_hints(owner)
    made = []
    for entry in fields(owner):
        if "setting" in entry.metadata:
            types = set(get_args(hints[entry.name])) or {hints[entry.name]}
            kinds = types - {NoneType}
            kind = _KINDS.get(next(iter(kinds)), "other") if len(kinds) == 1 else "other"
            made.append(Declared(entry.name, kind, entry.default, NoneType in types, entry.metadata["setting"]))
    return tuple(made)


def as_argument(name: str, value: object) -> str:
    """A value in an error about an argument in Python: `num_inference_steps is 0`."""
    return f"{name} is {value!r}"


def as_words(name: str, value: object) -> str:
    """A value in an error about what a person asked for: `lora scale 0.5`."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return f"{name.replace('_', ' ')} {f'{value:g}' if isinstance(value, float) and is_number else repr(value)}"


Naming = Callable[[str, object], str]


def check(entry: Declared, value: object, naming: Naming) -> object:
    """The value as it is kept.

    Args:
        entry: what the value is of.
        value: as it came, from Python, JSON or the command line.
        naming: name and value to the start of the error.

    Raises:
        InvalidInputError: a value of another type or outside the range.
    """
    if value is None and entry.may_be_none:
        return None
    known = entry.setting
    if known.choices is not None:
        if value not in known.choices:
            raise unknown_choice(entry.name.replace("_", " "), value, known.choices)
        return value
    try:
        return _in_range(known, (known.take or _TAKES[entry.kind])(value))
    except InvalidInputError:
        raise
    except (TypeError, ValueError, OverflowError):
        raise InvalidInputError(f"{naming(entry.name, value)}: it must be {valid(entry)}") from None


def check_all(values: Any, naming: Naming) -> None:
    """Checks the settings of a frozen dataclass when it is made, and keeps what `check` gives.

    Raises:
        InvalidInputError: see `check`.
    """
    for entry in declared(type(values)):
        object.__setattr__(values, entry.name, check(entry, getattr(values, entry.name), naming))


def valid(entry: Declared) -> str:
    """What a value must be, in words."""
    names: dict[Kind, str] = {"integer": "an integer", "number": "a finite number", "text": "a text"}
    return entry.setting.words or names.get(entry.kind, "true or false") + _range(entry.setting)


def describe(owner: type, defaults: object = None) -> list[dict[str, object]]:
    """The settings of a dataclass as plain data, for a page or an API.

    Args:
        owner: the dataclass.
        defaults: the model's own settings, where they are known; its values stand for what is left to it.

    Returns:
        For each `name`, `kind`, `unit`, `minimum`, `above`, `maximum`, `choices` (the only valid texts), `names` (some
        of the valid ones), `help`, `panel` and `default`; None where there is no such thing.
    """
    made = []
    for entry in declared(owner):
        known, default = entry.setting, entry.default
        if known.of_model and defaults is not None:
            default = getattr(defaults, known.of_model)
        about: dict[str, object] = {
            "name": entry.name,
            "kind": entry.kind,
            "unit": known.unit or None,
            "minimum": known.at_least,
        }
        about |= {"above": known.above, "maximum": known.at_most, "help": known.help, "panel": known.panel}
        about |= {"choices": None if known.choices is None else list(known.choices)}
        about |= {"names": None if known.names is None else list(known.names()), "default": _plain(default)}
        made.append(about)
    return made


def _plain(value: object) -> object:
    """As JSON would give it back."""
    return list(value) if isinstance(value, tuple) else value


def _in_range(known: Setting, value: object) -> object:
    if isinstance(value, int | float) and not isinstance(value, bool):
        low = -math.inf if known.at_least is None else known.at_least
        high = math.inf if known.at_most is None else known.at_most
        if not low <= value <= high or (known.above is not None and value <= known.above):
            raise ValueError
    return value


def _range(known: Setting) -> str:
    if known.above is not None:
        return f" above {known.above:g}"
    if known.at_least is None:
        return ""
    return (
        f" of at least {known.at_least:g}"
        if known.at_most is None
        else f" from {known.at_least:g} to {known.at_most:g}"
    )


def whole(value: Any) -> int:
    """An integer of Python or NumPy; TypeError for anything else."""
    if isinstance(value, bool):
        raise TypeError
    return operator.index(value)


def finite(value: Any) -> float:
    """A finite real number as it is, one of NumPy as a float; TypeError or ValueError for anything else."""
    if isinstance(value, bool | str | bytes):
        raise TypeError
    if not math.isfinite(float(value)):
        raise ValueError
    return value if isinstance(value, int | float) else float(value)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _switch(value: object) -> bool:
    if not isinstance(value, bool):
        raise TypeError
    return value


_TAKES: dict[Kind, Callable[[Any], object]] = {"integer": whole, "number": finite, "text": _text, "switch": _switch}
