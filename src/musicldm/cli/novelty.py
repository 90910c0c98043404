"""`musicldm novelty`: an index of a training set, and how new music is against it."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from musicldm.cli import options
from musicldm.cli.display import listening, over_files, say, show_table, silence_libraries
from musicldm.errors import InvalidInputError

if TYPE_CHECKING:
    from musicldm.listeners.embedders import Embedder
    from musicldm.novelty.check import NoveltyReport
    from musicldm.novelty.index import NoveltyIndex

novelty = typer.Typer(help="How new music is against a training set.", add_completion=False)
_Device = Annotated[str, options.device()]


@novelty.callback(invoke_without_command=True)
def _help(context: typer.Context) -> None:
    """How new music is against a training set."""
    if context.invoked_subcommand is None:
        print(context.get_help())


@novelty.command("index")
def make_index(
    train: Annotated[Path, typer.Argument(help="Folder that `musicldm prepare` made, or any folder of audio.")],
    out: Annotated[Path, typer.Option(help="Folder for the index; it must not exist yet.")],
    embedder: Annotated[str, typer.Option(help="default, or the folder or hub id of a MusicLDM or CLAP.")] = "default",
    segment: Annotated[float, typer.Option(help="Seconds of a segment.", show_default=True)] = 3.0,
    hop: Annotated[float, typer.Option(help="Seconds from one segment to the next.", show_default=True)] = 1.5,
    beats: Annotated[
        str, typer.Option(metavar="metadata|auto|model|none", help="Of audio that is not prepared.", show_default=True)
    ] = "metadata",
    compact: Annotated[bool, typer.Option("--compact", help="Smaller, and slower to open.")] = False,
    calibrated: Annotated[
        int, typer.Option(help="Clips whose fingerprints are compared with all others.", show_default=True)
    ] = 2000,
    seed: Annotated[int, options.seed("Which these are.")] = 0,
    device: _Device = "auto",
) -> None:
    """Hear every training clip once, so that music can be compared with them."""
    from musicldm.listeners.embedders import open_embedder
    from musicldm.novelty.build import BuildOptions, build_index, check_free
    from musicldm.novelty.features import Cutting

    silence_libraries()
    how: Any = {"beats": beats, "compact": compact, "calibrated": calibrated, "seed": seed}
    building = BuildOptions(Cutting(segment=segment, hop=hop), **how)
    check_free(out)
    # A folder is remembered as it can be found from anywhere.
    name = str(Path(embedder).resolve()) if Path(embedder).is_dir() else embedder
    with listening("Listening") as listen:
        opened = open_embedder(name, device=device)
        made = build_index(train, out, opened, building, opened_as=name, listen=listen)
    _show_index(made)


def _show_index(index: NoveltyIndex) -> None:
    about, usual = index.manifest, index.calibration
    size = sum(file["bytes"] for file in about["files"].values())
    left_out = ", ".join(f"{count} {reason}" for reason, count in about["left_out"].items())
    rows = [
        ("index", f"{index.folder} ({size / 1e6:.2g} MB), {index.identity}"),
        ("clips", f"{about['clips']} ({about['hours']:.2f} h), {about['with_beats']} with beats"),
        ("left out", left_out or "none"),
        ("embedder", f"{about['embedder']['name']}, {about['embedder']['weights']}"),
        ("similarity", f"1 in 20 clips is above {usual.close:.3f} to another, 1 in 100 above {usual.very_close:.3f}"),
        ("copies", f"onsets above {usual.copy:.1f} nats, outline above {usual.copy_outlined:.1f}"),
        ("doubles", f"{usual.doubles:.1%} of the clips repeat another"),
    ]
    show_table(("", ""), rows)


@novelty.command("check")
def check_files(
    files: options.Files,
    index: Annotated[str, typer.Option(help="default, or a folder of `musicldm novelty index`.")] = "default",
    count: Annotated[int, typer.Option("-n", help="Nearest clips to tell.", show_default=True)] = 3,
    as_json: Annotated[bool, options.as_json("Print everything as JSON.")] = False,
    plot: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Draw similarity and onsets as PNG; of one file.")
    ] = None,
    device: _Device = "auto",
) -> None:
    """Tell the nearest training clips, what may be copied, and a verdict."""
    from musicldm.novelty.index import open_index

    if count < 1:
        raise InvalidInputError(f"-n {count}: it must be at least 1")
    if plot is not None and (len(files) > 1 or plot.suffix.lower() != ".png"):
        raise InvalidInputError(f"--plot {plot}: give one file of music and a name that ends in .png")
    silence_libraries()
    opened = open_index(index)
    embedder = opened.embedder(device)
    reports = over_files(files, "Comparing", lambda file: _check(opened, embedder, file, count, plot))
    if as_json:
        print(json.dumps([{"file": str(file), **asdict(report)} for file, report in reports], indent=2))
    else:
        for file, report in reports:
            _show(file, report)
    if len(reports) < len(files):
        raise typer.Exit(2)


def _check(index: NoveltyIndex, embedder: Embedder, file: Path, count: int, plot: Path | None) -> NoveltyReport:
    from musicldm.audio.reading import read
    from musicldm.files import write_new
    from musicldm.novelty.check import check

    wave, sample_rate = read(file)
    try:
        report = check(index, wave, sample_rate, embedder, count)
    except InvalidInputError as error:
        raise InvalidInputError(f"{file}: {error}") from None
    if plot is not None:
        from musicldm.novelty.picture import picture

        content = picture(index, report, wave, sample_rate, file.name)
        plot.parent.mkdir(parents=True, exist_ok=True)
        written = write_new(plot.parent, plot.stem, "png", content)
        say(f"{written} written")
    return report


def _show(file: Path, report: NoveltyReport) -> None:
    from musicldm.novelty.check import in_words

    print(f"{file}: {report.sentence}")
    rows = [(f"{clip.similarity:.3f}", "whole clip", in_words(clip.place)) for clip in report.nearest]
    closest = max(report.passages, key=lambda passage: passage.similarity)
    span = f"{closest.start:.1f} to {closest.end:.1f} s"
    show_table(("similarity", "of", "to"), [*rows, (f"{closest.similarity:.3f}", span, in_words(closest.place))])
