"""`musicldm generate`: prompts to files of music, best first."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from inspect import Parameter, Signature
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from musicldm.cli import options
from musicldm.cli.display import listening, show_table, silence_libraries
from musicldm.cli.startup import loading_for_good
from musicldm.generation.settings import FILES, MACHINE, MUSIC, NOVELTY, Settings

if TYPE_CHECKING:
    from musicldm.generation.generate import GenerationRequest
    from musicldm.generation.naming import Target

_Prompts = Annotated[list[str] | None, typer.Argument(help="What it should sound like; several make one piece each.")]
_PromptsFile = Annotated[
    Path | None,
    typer.Option(
        help="A text file with a prompt a line; - is standard input.", rich_help_panel=MUSIC, show_default=False
    ),
]
_FromFile = Annotated[
    Path | None,
    typer.Option(
        help="Repeat a file of musicldm; other options override.",
        rich_help_panel=MUSIC,
        metavar="FILE",
        show_default=False,
    ),
]
_Out = Annotated[
    str | None,
    typer.Option(
        "-o",
        "--out",
        help="Where to write.",
        rich_help_panel=FILES,
        metavar="FILE|DIR",
        show_default="here, named by date and prompt",
    ),
]
_Json = Annotated[bool, options.as_json("Print what was made as JSON.", FILES)]


def command_of(kind: type[Settings]) -> Callable[..., None]:
    """The command for a declaration of settings: each of them is an option."""

    def generate(**arguments: Any) -> None:
        """Make music from text."""
        own = {name: arguments.pop(name) for name in ("prompts", "prompts_file", "from_file", "out", "as_json")}
        _generate(kind, arguments, **own)

    signature = Signature(_parameters(kind))
    generate.__signature__ = signature  # type: ignore[attr-defined]
    generate.__annotations__ = {name: parameter.annotation for name, parameter in signature.parameters.items()}
    return generate


def _parameters(kind: type[Settings]) -> list[Parameter]:
    return [
        options.keyword("prompts", _Prompts),
        *options.parameters(kind, MUSIC),
        options.keyword("prompts_file", _PromptsFile),
        options.keyword("from_file", _FromFile),
        *options.parameters(kind, MACHINE),
        options.keyword("out", _Out),
        *options.parameters(kind, FILES),
        options.keyword("as_json", _Json, False),
        *options.parameters(kind, NOVELTY),
    ]


def _generate(
    kind: type[Settings],
    given: dict[str, Any],
    *,
    prompts: Sequence[str] | None,
    prompts_file: Path | None,
    from_file: Path | None,
    out: str | None,
    as_json: bool,
) -> None:
    with loading_for_good():
        from musicldm.files import read_lines
        from musicldm.generation.generate import GenerationRequest
        from musicldm.generation.naming import Target
        from musicldm.generation.tags import StoredTake

    stored = StoredTake.read(from_file, kind) if from_file else None
    texts = [*(prompts or ()), *(read_lines(prompts_file, "prompt") if prompts_file else ())]
    request = GenerationRequest.of(texts, given, stored, kind)
    fallback = from_file.suffix.lower().removeprefix(".") if from_file else "wav"
    is_folder = out is not None and out.endswith(("/", os.sep))
    target = Target.of(None if out is None else Path(out), is_folder, request.settings.audio_format, fallback)
    made = _make(request, target)
    if as_json:
        print(json.dumps({"files": made}, indent=2, ensure_ascii=False))
    else:
        _show(made)


def _make(request: GenerationRequest, target: Target) -> list[dict[str, Any]]:
    """Makes and writes all takes; gives the tags of each file, with its `file`, in the order made."""
    from musicldm.generation.generate import Loaded, generate

    made = []
    with listening("Loading the model") as listen:
        with loading_for_good():
            silence_libraries()
            loaded = Loaded.of(request.settings)
        for take in generate(request, loaded, listen=listen):
            path = target.write(take.prompt, take.encode(target.audio_format))
            made.append({"file": str(path), "seconds": take.seconds, **take.tags})
    return made


def _show(made: Sequence[dict[str, Any]]) -> None:
    heads = ["file", "seed", "score", "length"]
    rows = [
        [
            take["file"],
            str(take["seed"]),
            "-" if take["score"] is None else f"{take['score']:.3f}",
            f"{take['seconds']:.2f} s",
        ]
        for take in made
    ]
    if any("novelty" in take for take in made):
        heads += ["similarity", "verdict"]
        for row, take in zip(rows, made, strict=True):
            row += [f"{take['novelty']['similarity']:.3f}", take["novelty"]["verdict"]]
    show_table(heads, rows, numbers=("seed", "score", "length", "similarity"))


generate = command_of(Settings)
