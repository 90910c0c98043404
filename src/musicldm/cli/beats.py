"""`musicldm beats`: the beats and downbeats of files of music."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from musicldm.cli.display import progress_bar, show_table
from musicldm.errors import MusicLDMError
from musicldm.machine.devices import choose_device

if TYPE_CHECKING:
    from musicldm.audio import Wave
    from musicldm.beats.tracker import Beats, BeatTracker


@dataclass(frozen=True)
class Wanted:
    """What is written for each file, and where: in `out`, or beside the file where that is None."""

    out: Path | None
    text: bool
    labels: bool
    click: bool
    plot: bool


def beats(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Files of music.")],
    out: Annotated[
        Path | None, typer.Option(help="Folder for what is written.", show_default="beside each file")
    ] = None,
    model: Annotated[
        str, typer.Option(help="default, a folder, a .ckpt of beat_this, or final0, small0, … from its authors.")
    ] = "default",
    labels: Annotated[bool, typer.Option("--labels", help="Write labels for Audacity too.")] = False,
    click: Annotated[bool, typer.Option("--click", help="Write a WAV with clicks, higher on downbeats.")] = False,
    plot: Annotated[bool, typer.Option("--plot", help="Write a picture.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the beats as JSON instead of writing them.")] = False,
    device: Annotated[str, typer.Option(metavar="auto|cpu|cuda|mps", show_default=True)] = "cpu",
) -> None:
    """Find beats and downbeats; writes NAME.beats: on each line seconds and the beat's number in its bar."""
    from musicldm.beats.tracker import BeatTracker

    wanted = Wanted(out, not as_json, labels, click, plot)
    tracker = BeatTracker.from_pretrained(model, device=choose_device(device))
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
    heard: list[tuple[Path, Beats, list[Path]]] = []
    with progress_bar("Tracking") as advance:
        for number, file in enumerate(files):
            advance(number, len(files))
            try:
                heard.append((file, *_track(file, tracker, wanted)))
            except MusicLDMError as error:
                print(f"musicldm: {' '.join(str(error).split())}", file=sys.stderr)
    if as_json:
        print(json.dumps([{"file": str(file), **asdict(found)} for file, found, _ in heard], indent=2))
    else:
        _show(heard)
    if len(heard) < len(files):
        raise typer.Exit(2)


def _track(file: Path, tracker: BeatTracker, wanted: Wanted) -> tuple[Beats, list[Path]]:
    """The beats of a file and the paths of what was written of them."""
    from musicldm.audio.reading import read

    wave, sample_rate = read(file)
    found = tracker(wave, sample_rate)
    return found, _write(file, wave, sample_rate, found, wanted)


def _write(file: Path, wave: Wave, sample_rate: int, found: Beats, wanted: Wanted) -> list[Path]:
    from musicldm.audio.writing import encode
    from musicldm.beats import files as beat_files
    from musicldm.files import write_new

    folder, stem, written = wanted.out or file.parent, file.stem, []
    if wanted.text:
        written.append(write_new(folder, stem, "beats", beat_files.beats_text(found).encode()))
    if wanted.labels:
        written.append(write_new(folder, f"{stem}-labels", "txt", beat_files.audacity_labels(found).encode()))
    if wanted.click:
        sound = encode(beat_files.with_clicks(wave, sample_rate, found), sample_rate, "wav")
        written.append(write_new(folder, f"{stem}-clicks", "wav", sound))
    if wanted.plot:
        title = f"{file.name}: {found.tempo:.1f} BPM, {found.meter} beats a bar"
        written.append(write_new(folder, f"{stem}-beats", "png", beat_files.picture(wave, sample_rate, found, title)))
    return written


def _show(heard: Sequence[tuple[Path, Beats, list[Path]]]) -> None:
    rows = [
        (str(file), str(len(found.beats)), f"{found.tempo:.1f}", str(found.meter), ", ".join(map(str, written)))
        for file, found, written in heard
    ]
    show_table(("file", "beats", "BPM", "beats a bar", "written"), rows, numbers=("beats", "BPM", "beats a bar"))
