"""`musicldm prepare`: any folder of music to training data."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any, cast

import typer

from musicldm.cli import options
from musicldm.cli.display import listening
from musicldm.errors import InvalidInputError

_MELS = "Log-mels"
_Workers = Annotated[int | None, options.workers("one a core")]
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
    seconds: Annotated[float, options.clip_seconds()] = 10.24,
    sample_rate: Annotated[
        int | None, typer.Option(help="Hz.", show_default="--model's, or 16000", rich_help_panel=_MELS)
    ] = None,
    mel_bins: Annotated[
        int | None, typer.Option(help="Of a frame.", show_default="--model's, or 64", rich_help_panel=_MELS)
    ] = None,
    hop: Annotated[
        int | None,
        typer.Option(help="Samples from frame to frame.", show_default="--model's, or 160", rich_help_panel=_MELS),
    ] = None,
    fft: Annotated[
        int | None,
        typer.Option(
            help="Samples of the Fourier transform and its window.",
            show_default="--model's, or 1024",
            rich_help_panel=_MELS,
        ),
    ] = None,
    top_frequency: Annotated[
        float | None,
        typer.Option(
            help="Hz, upper edge of the last bin.",
            show_default="--model's, or 8000, at most half the sample rate",
            rich_help_panel=_MELS,
        ),
    ] = None,
    hifi_rate: Annotated[
        int | None, typer.Option(help="Keep the sound at this rate in Hz too, for train decoder.")
    ] = None,
    channels: Annotated[int, typer.Option(help="Of the sound at --hifi-rate: 1 or 2.", show_default=True)] = 1,
    workers: _Workers = None,
    engine: Annotated[str, options.engine()] = "local",
    address: Annotated[str | None, options.address()] = None,
    device: Annotated[str, options.device("Of --model.")] = "auto",
    mixed_precision: Annotated[str, options.mixed_precision("Of the VAE in --model.")] = "no",
) -> None:
    """Prepare music to train on: clips, log-mels, latents, embeddings; only what is new or changed."""
    from musicldm.data.manifest import REPORT, HifiSpec, PrepareSettings
    from musicldm.data.prepare import prepare as prepare_folder
    from musicldm.machine.parallel import WorkerPool
    from musicldm.model.folder import parts_folder
    from musicldm.model.mels import ModelMels

    if hifi_rate is None and channels != 1:
        raise InvalidInputError(f"--channels {channels} is of the sound at --hifi-rate: give that too")
    hifi = None if hifi_rate is None else HifiSpec(hifi_rate, channels)
    folder = None if model is None else parts_folder(model)
    mels = ModelMels.of_folder(folder) if folder is not None else ModelMels()
    spec = mels.spec(sample_rate=sample_rate, n_mels=mel_bins, hop_length=hop, n_fft=fft, f_max=top_frequency)
    settings = PrepareSettings(spec, seconds, cast(Any, normalize), cast(Any, beats or _default_beats()), hifi)
    pool = WorkerPool(cast(Any, engine), workers, address)
    with listening("Looking") as listen:
        made = prepare_folder(
            src,
            out,
            settings,
            model=folder,
            device=device,
            mixed_precision=mixed_precision,
            pool=pool,
            listen=listen,
        )
    print(f"{made.clips} clips, {made.hours:.2f} h in {out}")
    if made.left_out:
        reasons = ", ".join(f"{count} {reason}" for reason, count in sorted(made.left_out.items()))
        print(f"musicldm: left out: {reasons}; see {out / REPORT}", file=sys.stderr)
    if made.gone:
        others = f" and {len(made.gone) - 1} more are" if len(made.gone) > 1 else " is"
        print(f"musicldm: {made.gone[0]}{others} no longer in {src}: their clips are gone from {out}", file=sys.stderr)


def _default_beats() -> str:
    """Tracked beats where that is possible; else those that the metadata have, with a word to the user."""
    from musicldm.beats.network import missing_package

    if missing_package() is None:
        return "auto"
    print(
        "musicldm: beats are not tracked: that needs the extra beats and beat-this, see docs/beats.md", file=sys.stderr
    )
    return "metadata"
