"""`musicldm prepare`: any folder of music to training data."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any, cast

import typer

from musicldm.cli.display import progress_bar
from musicldm.errors import InvalidInputError

_Workers = Annotated[int | None, typer.Option(help="Processes.", show_default="one a core")]
_Beats = Annotated[
    str | None,
    typer.Option(
        metavar="auto|model|metadata|none",
        help="Whose beats: auto tracks what has none.",
        show_default="auto, where the extra beats is installed",
    ),
]


def prepare(
    src: Annotated[Path, typer.Argument(help="Folder of music in any of the formats of docs/data.md, or a tar.")],
    out: Annotated[Path, typer.Option(help="Folder for the prepared data; one that is there is brought up to date.")],
    model: Annotated[
        str | None, typer.Option(help="Model whose VAE and CLAP give latents and embeddings, for train ldm.")
    ] = None,
    normalize: Annotated[str, typer.Option(metavar="peak|loudness|none", show_default=True)] = "peak",
    beats: _Beats = None,
    seconds: Annotated[float, typer.Option(help="Length of a clip.", show_default=True)] = 10.24,
    sample_rate: Annotated[int, typer.Option(help="Hz.", show_default=True)] = 16000,
    mel_bins: Annotated[int, typer.Option(help="Of the log-mels.", show_default=True)] = 64,
    hifi_rate: Annotated[
        int | None, typer.Option(help="Keep the sound at this rate in Hz too, for train decoder.")
    ] = None,
    channels: Annotated[int, typer.Option(help="Of the sound at --hifi-rate: 1 or 2.", show_default=True)] = 1,
    workers: _Workers = None,
    engine: Annotated[str, typer.Option(metavar="local|ray", show_default=True)] = "local",
    address: Annotated[str | None, typer.Option(help="Of a Ray cluster; without one it is started here.")] = None,
    device: Annotated[str, typer.Option(metavar="auto|cpu|cuda|mps", help="Of --model.", show_default=True)] = "auto",
    mixed_precision: Annotated[
        str, typer.Option(metavar="no|bf16|fp16", help="Of the VAE in --model.", show_default=True)
    ] = "no",
) -> None:
    """Prepare music to train on: clips, log-mels, latents, embeddings; only what is new or changed."""
    from musicldm.audio import MelSpec
    from musicldm.checkpoints.resolve import parts_folder
    from musicldm.data.engines import Engine
    from musicldm.data.manifest import REPORT, HifiSpec, PrepareSettings
    from musicldm.data.prepare import prepare as prepare_folder

    spec = MelSpec(sample_rate=sample_rate, n_mels=mel_bins, f_max=min(MelSpec.f_max, sample_rate / 2))
    if hifi_rate is None and channels != 1:
        raise InvalidInputError(f"--channels {channels} is of the sound at --hifi-rate: give that too")
    hifi = None if hifi_rate is None else HifiSpec(hifi_rate, channels)
    settings = PrepareSettings(spec, seconds, cast(Any, normalize), cast(Any, beats or _default_beats()), hifi)
    engine_here = Engine(cast(Any, engine), workers, address)
    with progress_bar("Looking") as advance:
        made = prepare_folder(
            src,
            out,
            settings,
            model=None if model is None else parts_folder(model),
            device=device,
            mixed_precision=mixed_precision,
            engine=engine_here,
            progress=lambda what, done, total: advance(done, total, what),
        )
    print(f"{made.clips} clips, {made.hours:.2f} h in {out}")
    if made.left_out:
        reasons = ", ".join(f"{count} {reason}" for reason, count in sorted(made.left_out.items()))
        print(f"musicldm: left out: {reasons}; see {out / REPORT}", file=sys.stderr)


def _default_beats() -> str:
    """Tracked beats where that is possible; else those that the metadata have, with a word to the user."""
    from musicldm.data.beat_network import missing_package

    if missing_package() is None:
        return "auto"
    print(
        "musicldm: beats are not tracked: that needs the extra beats and beat-this, see docs/beats.md", file=sys.stderr
    )
    return "metadata"
