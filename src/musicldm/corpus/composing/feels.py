"""How leads move: rhythms of one bar and manners, by name."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Feel:
    """How a lead moves.

    cells: one-bar rhythms by meter (x onset, - hold, . rest); leap: spread of the steps in scale degrees; gate: played
    share of a written note; loop: repeats one bar with hardly a change; chromatic: approaches chord tones by semitone.
    """

    cells: Mapping[str, tuple[str, ...]]
    leap: float = 1.5
    gate: float = 0.92
    loop: bool = False
    chromatic: float = 0.0
    chordal: float = 0.0


FEELS: Mapping[str, Feel] = {
    "song": Feel(
        {
            "4/4": ("x---x---x-x-x---", "x-----x-x---x---", "x---x-x-x-------", "..x-x-x-x---x-x-", "x--x--x-x-x-x---"),
            "3/4": ("x---x---x---", "x-------x-x-", "x-----x-x---", "x-x-x---x---"),
            "6/8": ("x---x-x-----", "x-x-x-x---x-", "x-----x---x-"),
        }
    ),
    "sparse": Feel(
        {
            "4/4": ("x-----x---------", "....x-x-x-------", "x-x-x-------....", "x-------..x-x---", "..x---x-----x---"),
            "3/4": ("x-------x---", "....x-x-----"),
            "6/8": ("x-----x-----", "....x-x-----"),
        },
        leap=1.7,
    ),
    "busy": Feel(
        {
            "4/4": ("x-x-xxx-x-x-xxx-", "xxx-xxx-x-x-x-x-", "x-xxx-xxx-xxx---", "x-x-x-x-xxxxx-x-", "xxxxx-x-xxxxx---"),
            "3/4": ("x-x-xxx-x-x-", "xxx-x-x-x-x-", "x-xxx-x-x---"),
            "6/8": ("x-xxx-x-x-x-", "x-x-x-xxx-x-"),
        },
        leap=1.3,
        gate=0.85,
        chordal=0.25,
    ),
    "blues": Feel(
        {
            "4/4": ("x-x-x---..x-x---", "..x-x-x-x-------", "x---x-x-x-x-....", "....x-x-x-x-x---", "x-x-x-x-x---...."),
            "6/8": ("x-x-x-x-----", "..x-x-x---..", "x---x-x-x---", "x-x-x-x-x-x-"),
        },
        leap=1.4,
        chromatic=0.1,
    ),
    "stab": Feel(
        {
            "4/4": ("x..x..x.....x.x.", "..x..x..xx......", "x.x...x..x..x...", "x......x..x.xx..", "..xx..x...xx..x."),
        },
        leap=1.6,
        gate=0.6,
    ),
    "riff": Feel(
        {
            "4/4": ("x-x-x-xxx-x-x---", "xx-x-xx-x-x-x-x-", "x---x-x-x---xxx-", "x-xx-xx-x-xx-xx-"),
            "6/8": ("x-xxx-x-xxx-", "x-x-x-x-x-x-"),
        },
        leap=1.8,
        loop=True,
    ),
    "floating": Feel(
        {
            "4/4": ("x-------x-------", "x-----------x---", "....x-----------", "x---x-----------", "x-----x-----x---"),
            "3/4": ("x-----------", "x-------x---"),
        },
        leap=2.0,
        gate=1.1,
    ),
    "bossa": Feel(
        {
            "4/4": ("x--x--x---x-x---", "..x-x--x--x-----", "x-x-x--x------..", "..x--x--x-x-x---", "x---x--x--x--x--"),
        },
        leap=1.4,
        chromatic=0.12,
    ),
    "jig": Feel(
        {
            "4/4": ("x-xxx-xxx-xxx-xx", "xxx-xxx-xxx-xxx-", "x-x-xxx-x-xxx-x-", "xxxxx-xxxxxxx-x-"),
            "6/8": ("x-x-x-x-x-x-", "x---x-x-x-x-", "x-x-x-x---x-", "xxx-x-x-x-x-"),
        },
        leap=1.4,
        gate=0.9,
        chordal=0.3,
    ),
    "long": Feel(
        {
            "4/4": ("x-------x---x---", "x-----------x-x-", "x-----x-x-------", "x---------------", "x---x---x-------"),
            "3/4": ("x-------x---", "x-----------", "x---x---x---"),
            "6/8": ("x-----x-----", "x-----------", "x---x-x-----"),
        },
        leap=1.5,
        gate=1.02,
    ),
    "classical": Feel(
        {
            "4/4": ("x---x-x-x-x-x---", "x-xxx-x-x---x---", "x-----xxx---x---", "x-x-x-x-xxxxx---", "x---xxxxx---x-x-"),
            "3/4": ("x---x-x-x-x-", "x-----x-x---", "x-xxx---x---", "x-x-x-x-x-x-", "x---x---xxxx"),
            "6/8": ("x---x-x---x-", "x-x-x-x-----", "x--xx-x---x-", "x-x-x-x-x-x-"),
        },
        leap=1.3,
        chordal=0.2,
    ),
    "bebop": Feel(
        {
            "4/4": ("x-x-x-x-x-x-x-x-", "..x-x-x-x-x-x---", "x---x-x-x-x---x-", "..x-x-x---x-x---", "x-x-x---..x-x-x-"),
            "3/4": ("x-x-x-x-x-x-", "..x-x-x-x---", "x---x-x---x-"),
        },
        leap=1.5,
        chromatic=0.22,
        chordal=0.25,
    ),
    "synth": Feel(
        {
            "4/4": ("x--x--x-x--x--x-", "x-x-..x-x-x-..x-", "x---x-x-x-x-x---", "x-x-x-x-x-x-x-x-", "x--x--x---x-x---"),
        },
        leap=1.7,
        gate=0.8,
        chordal=0.2,
    ),
    "loop": Feel(
        {
            "4/4": ("x-x-x---x-x-x---", "x--x--x-....x-x-", "x-..x-..x-x-x-..", "xx..x-x-..x-x---"),
        },
        leap=1.6,
        gate=0.75,
        loop=True,
    ),
    "acid": Feel(
        {
            "4/4": ("x.xx.xx.x.xx.xx.", "xxxx.xxxx.xx.x.x", "x..x..x..x..x.x.", "..x..x.x..x..x.x", "x.x.xx.xx.x.xx.x"),
        },
        leap=2.2,
        gate=0.6,
        loop=True,
    ),
}


def parse_cell(cell: str) -> tuple[tuple[int, int], ...]:
    """(step, length in steps) of each note of a pattern; any mark other than "-" and "." begins a note."""
    onsets = []
    for step, mark in enumerate(cell):
        if mark not in "-.":
            length = 1
            while step + length < len(cell) and cell[step + length] == "-":
                length += 1
            onsets.append((step, length))
    return tuple(onsets)
