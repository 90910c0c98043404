"""`musicldm train`: one part of a model on a corpus."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def train(
    part: Annotated[
        str, typer.Argument(metavar="vae|vocoder|clap|ldm|beats", help="Which part of the model, or the beat tracker.")
    ],
    data: Annotated[Path, typer.Option(help="Corpus folder, with metadata.jsonl.")],
    out: Annotated[Path, typer.Option(help="Folder of the run: checkpoint, log, samples and the trained part.")],
    recipe: Annotated[str, typer.Option(help="Sizes and settings by name.", show_default=True)] = "default",
    minutes: Annotated[float | None, typer.Option(help="End after this time in all; or give --steps.")] = None,
    steps: Annotated[int | None, typer.Option(help="End after this many steps in all.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the checkpoint in --out.")] = False,
    init: Annotated[Path | None, typer.Option(metavar="MODEL", help="Start from this model's weights.")] = None,
    model: Annotated[
        Path | None,
        typer.Option(metavar="MODEL", help="Model with the parts that this one builds on: ldm needs vae and CLAP."),
    ] = None,
    device: Annotated[str, typer.Option(metavar="auto|cpu|cuda|mps", show_default=True)] = "auto",
    mixed_precision: Annotated[str, typer.Option(metavar="no|bf16|fp16", show_default=True)] = "no",
    seed: Annotated[int, typer.Option(help="Of every random draw.", show_default=True)] = 0,
) -> None:
    """Train one part of a model; a run that was stopped goes on with --resume."""
    from musicldm.training.run import train as train_part

    train_part(
        part,
        data=data,
        out=out,
        recipe=recipe,
        minutes=minutes,
        steps=steps,
        resume=resume,
        init=init,
        model=model,
        device=device,
        mixed_precision=mixed_precision,
        seed=seed,
    )
