"""`musicldm info`: what a file of music says about itself."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from musicldm.cli import options
from musicldm.cli.display import show_table


def info(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Files that musicldm generate wrote.")],
    as_json: Annotated[bool, options.as_json("Print it as JSON: an object, or a list for several files.")] = False,
) -> None:
    """Show the settings inside a file of music."""
    from musicldm.generation.tags import read_tags

    told = [{"file": str(file), **read_tags(file)} for file in files]
    if as_json:
        print(json.dumps(told[0] if len(told) == 1 else told, indent=2, ensure_ascii=False))
        return
    for settings in told:
        show_table(("setting", "value"), [(name, _text(value)) for name, value in settings.items()])


def _text(value: Any) -> str:
    """A value as one line."""
    if isinstance(value, dict):
        return ", ".join(f"{name} {_text(inner)}" for name, inner in value.items())
    if isinstance(value, list):
        return ", ".join(_text(inner) for inner in value)
    if value is None:
        return "-"
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else " ".join(str(value).split())
