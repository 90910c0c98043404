"""`musicldm beats`: the beats and downbeats of files of music."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from musicldm.cli import options
from musicldm.cli.display import over_files, show_table
from musicldm.machine.devices import choose_device

if TYPE_CHECKING:
    from musicldm.audio import Wave
    from musicldm.beats.beats import Beats
    from musicldm.beats.tracker import BeatTracker


@dataclass(frozen=True)
class Wanted:
    """What is written for each file, and where: in `out`, or beside the file where that is None."""

    out: Path | None
    text: bool
    labels: bool
    click: bool
    plot: bool


def beats(
    files: options.Files,
    out: Annotated[
        Path | None, typer.Option(help="Folder for what is written.", show_default="beside each file")
    ] = None,
    model: Annotated[
        str, typer.Option(help="default, a folder, a .ckpt of beat_this, or final0, small0, … from its authors.")
    ] = "default",
    labels: Annotated[bool, typer.Option("--labels", help="Write labels for Audacity too.")] = False,
    click: Annotated[bool, typer.Option("--click", help="Write a WAV with clicks, higher on downbeats.")] = False,
    plot: Annotated[bool, typer.Option("--plot", help="Write a picture.")] = False,
    as_json: Annotated[bool, options.as_json("Print the beats as JSON instead of writing them.")] = False,
    device: Annotated[str, options.device()] = "cpu",
) -> None:
    """Find beats and downbeats; writes NAME.beats: on each line seconds and the beat's number in its bar."""
    from musicldm.beats.tracker import BeatTracker

    wanted = Wanted(out, not as_json, labels, click, plot)
    tracker = BeatTracker.from_pretrained(model, device=choose_device(device))
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
    tracked = over_files(files, "Tracking", lambda file: _track(file, tracker, wanted))
    if as_json:
        print(json.dumps([{"file": str(file), **asdict(its_beats)} for file, (its_beats, _) in tracked], indent=2))
    else:
        _show(tracked)
    if len(tracked) < len(files):
        raise typer.Exit(2)


def _track(file: Path, tracker: BeatTracker, wanted: Wanted) -> tuple[Beats, list[Path]]:
    """The beats of a file and the paths of what was written of them."""
    from musicldm.audio.reading import read

    wave, sample_rate = read(file)
    its_beats = tracker(wave, sample_rate)
    return its_beats, _write(file, wave, sample_rate, its_beats, wanted)


def _write(file: Path, wave: Wave, sample_rate: int, its_beats: Beats, wanted: Wanted) -> list[Path]:
    from musicldm.audio.writing import encode
    from musicldm.beats import files as beat_files
    from musicldm.beats.picture import picture
    from musicldm.files import write_new

    folder, stem, written = wanted.out or file.parent, file.stem, []
    if wanted.text:
        written.append(write_new(folder, stem, "beats", beat_files.beats_text(its_beats).encode()))
    if wanted.labels:
        written.append(write_new(folder, f"{stem}-labels", "txt", beat_files.audacity_labels(its_beats).encode()))
    if wanted.click:
        sound = encode(beat_files.with_clicks(wave, sample_rate, its_beats), sample_rate, "wav")
        written.append(write_new(folder, f"{stem}-clicks", "wav", sound))
    if wanted.plot:
        title = f"{file.name}: {its_beats.tempo:.1f} BPM, {its_beats.meter} beats a bar"
        content = picture(wave, sample_rate, its_beats, title)
        written.append(write_new(folder, f"{stem}-beats", "png", content))
    return written


def _show(tracked: Sequence[tuple[Path, tuple[Beats, list[Path]]]]) -> None:
    rows = [
        (str(file), str(len(its.beats)), f"{its.tempo:.1f}", str(its.meter), ", ".join(map(str, written)))
        for file, (its, written) in tracked
    ]
    show_table(("file", "beats", "BPM", "beats a bar", "written"), rows, numbers=("beats", "BPM", "beats a bar"))
