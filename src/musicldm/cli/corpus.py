"""`musicldm corpus`: composes music with exact captions to train on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from musicldm.cli import options
from musicldm.cli.display import listening
from musicldm.events import Progress


def corpus(
    out: Annotated[
        Path, typer.Argument(help="Folder for the clips and metadata.jsonl; an unfinished one is finished.")
    ],
    clips: Annotated[int, typer.Option(help="How many.", show_default=True)] = 10000,
    seed: Annotated[int, options.seed("Same seed, same clips.")] = 0,
    sample_rate: Annotated[int, typer.Option(help="Hz, 8000 to 48000.", show_default=True)] = 16000,
    channels: Annotated[int, typer.Option(metavar="1|2", help="Mono or stereo.", show_default=True)] = 1,
    stems: Annotated[bool, typer.Option("--stems", help="Also write the parts one by one.")] = False,
    seconds: Annotated[float, options.clip_seconds()] = 10.24,
    workers: Annotated[int | None, options.workers("one a core")] = None,
    audio_format: Annotated[str, typer.Option("--format", metavar="flac|wav", show_default=True)] = "flac",
    genre: Annotated[
        list[str] | None,
        typer.Option(help="A genre to compose; may be given several times.", show_default="all"),
    ] = None,
    soundfont: Annotated[
        list[Path] | None,
        typer.Option(help="An .sf2 or .sf3 file; may be given several times.", show_default="the system's MIT ones"),
    ] = None,
) -> None:
    """Compose a corpus: clips of music with their truth and captions."""
    from musicldm.corpus.build import build_corpus

    with listening("Composing") as listen:
        built = build_corpus(
            out,
            clips=clips,
            seed=seed,
            seconds=seconds,
            sample_rate=sample_rate,
            channels=channels,
            stems=stems,
            workers=workers,
            audio_format=audio_format,
            soundfonts=soundfont,
            genres=genre or (),
            progress=lambda done, total: listen(Progress(done, total, "Composing")),
        )
    new = "" if built.made == built.clips else f", {built.made or 'none'} of them new"
    print(f"{built.clips} clips in {out}{new}")
