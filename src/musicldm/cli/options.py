"""Options that several commands have, and options made of declared settings: each is spelled once."""

from __future__ import annotations

from inspect import Parameter
from pathlib import Path
from typing import Annotated, Any

import typer

from musicldm.declaration import Declared, declared
from musicldm.generation.settings import DEVICES, Settings

_OWN = "the model's own"
_TYPES = {"integer": int, "number": float, "switch": bool}


def device(help_text: str | None = None, panel: str | None = None) -> Any:
    """`--device`: where to compute."""
    return typer.Option(metavar="|".join(DEVICES), help=help_text, show_default=True, rich_help_panel=panel)


def mixed_precision(help_text: str | None = None, panel: str | None = None) -> Any:
    """`--mixed-precision`: in which precision matrices are multiplied."""
    return typer.Option(metavar="no|bf16|fp16", help=help_text, show_default=True, rich_help_panel=panel)


def seed(help_text: str = "Of every random draw.") -> Any:
    """`--seed` of what is not music."""
    return typer.Option(help=help_text, show_default=True)


def workers(default: str | bool = True, panel: str | None = None) -> Any:
    """`--workers`: how many processes."""
    return typer.Option(help="Processes.", show_default=default, rich_help_panel=panel)


def engine(panel: str | None = None) -> Any:
    """`--engine` of work in many processes."""
    return typer.Option(metavar="local|ray", show_default=True, rich_help_panel=panel)


def address(panel: str | None = None) -> Any:
    """`--address` of a Ray cluster."""
    return typer.Option(help="Of a Ray cluster; without one it is started here.", rich_help_panel=panel)


def as_json(help_text: str, panel: str | None = None) -> Any:
    """`--json`: for programs."""
    return typer.Option("--json", help=help_text, rich_help_panel=panel)


def clip_seconds() -> Any:
    """`--seconds` of what becomes a clip."""
    return typer.Option(help="Length of a clip.", show_default=True)


Files = Annotated[list[Path], typer.Argument(metavar="FILE...", help="Files of music.")]


def parameters(kind: type[Settings], panel: str) -> list[Parameter]:
    """The options of the settings of a panel, in order; None where the user says nothing."""
    return [_parameter(entry) for entry in declared(kind) if entry.setting.panel == panel]


def _parameter(entry: Declared) -> Parameter:
    known = entry.setting
    shown = known.shown if known.shown is not None else _default(entry)
    choices = None if known.choices is None else "|".join(known.choices)
    option = typer.Option(
        *known.flags,
        help=known.help,
        rich_help_panel=known.panel,
        metavar=known.metavar or choices,
        show_default=shown or False,
    )
    return keyword(entry.name, Annotated[_TYPES.get(entry.kind, str) | None, option])


def _default(entry: Declared) -> str:
    if entry.setting.of_model:
        return _OWN
    return f"{entry.default:g}" if isinstance(entry.default, float) else str(entry.default or "")


def keyword(name: str, annotation: Any, default: object = None) -> Parameter:
    """A parameter of a command."""
    return Parameter(name, Parameter.KEYWORD_ONLY, default=default, annotation=annotation)
