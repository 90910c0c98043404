"""How leads move: rhythms of one bar and manners, by name."""

from collections.abc import Mapping
from dataclasses import dataclass, replace


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


_WRITTEN = {
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
    "raga": Feel(
        {
            "4/4": ("x-----x---x-x---", "x-x-x-----x-x-x-", "x-------x-xxx---", "x---x-x-x-x-xxx-", "x-xxx---x-------"),
            "7/8": ("x-x-x---x-x-x-", "x---x-x-x-----", "x-xxx-x-x---x-", "x-----x-x-xxx-"),
            "5/4": ("x---x-x-x-x-x-------", "x-x-x---x---x-x-x---", "x-------x-xxx-x-----"),
        },
        leap=1.0,
        gate=1.02,
    ),
    "tango": Feel(
        {
            "4/4": ("x---x---x-xxx---", "x-xxx-x-x---x---", "x--xx---x--xx---", "x-x-x-x-x-x-x-x-", "x-------x-x-xxx-"),
        },
        leap=1.6,
        gate=0.7,
        chromatic=0.14,
    ),
    "anthem": Feel(
        {
            "4/4": ("x--x--x---x--x--", "x--x--x-x---x---", "x---x--x--x--x--", "x-----x-----x---", "x--x--x--x--x-x-"),
        },
        leap=1.5,
        gate=0.95,
        chordal=0.2,
    ),
    "chip": Feel(
        {
            "4/4": ("xxx-x-x-xxx-x-x-", "x-xxx-xxx-x-x---", "x-x-x-xxxxx-x-x-", "xxxxx-x-x-x-xxx-", "x--x--x-x-xxx-x-"),
            "3/4": ("xxx-x-x-x-x-", "x-xxx-xxx-x-"),
        },
        leap=2.4,
        gate=0.72,
        chordal=0.35,
    ),
    "hymn": Feel(
        {
            "4/4": ("x---x---x---x---", "x-----x-x---x---", "x---x---x-------", "x-------x---x-x-"),
            "3/4": ("x---x---x---", "x-------x---", "x-----x-x---"),
            "6/8": ("x-----x-----", "x---x-x---x-", "x-----x---x-"),
        },
        leap=1.1,
        gate=1.0,
    ),
    "march": Feel(
        {
            "4/4": ("x--xx---x--xx---", "x---x---x--xx-x-", "x---x-x-x---x---", "x--xx-x-x-------", "x-x-x-x-x--xx---"),
            "6/8": ("x---x-x---x-", "x-x-x-x-----", "x---x-x-x-x-"),
        },
        leap=1.8,
        gate=0.72,
        chordal=0.5,
    ),
    "waltz": Feel(
        {
            "3/4": ("x-------x---", "x---x---x---", "x-----x-x-x-", "x-x-x-x-x-x-", "x-----------", "....x---x---"),
        },
        leap=1.9,
        gate=0.9,
        chordal=0.3,
        chromatic=0.06,
    ),
    "punk": Feel(
        {
            "4/4": ("x-x-x-x-x---x---", "x-x-x---x-x-x---", "x-x-x-x-x-x-x-x-", "x---x-x-x---x-x-"),
        },
        leap=0.8,
        gate=0.9,
        loop=True,
    ),
    "melisma": Feel(
        {
            "4/4": ("x---..xxx---x---", "..xxx---..x-x---", "x-----x-xxx-----", "....x-xxx-x-x---", "x--x--x-..xxx---"),
            "6/8": ("x---xxx-----", "x-x-x-x-xxx-", "..x-x-x-----"),
            "12/8": ("x---x-xxx-----x-x-x-----", "..x-x-x-----x-x-xxx-----", "x-----x-x-xxx-x---------"),
        },
        leap=1.2,
        gate=0.98,
    ),
    "pentatonic": Feel(
        {
            "4/4": ("x-----x-x---x---", "x---x-x-x-------", "x-xxx---x---x-x-", "x-------x-x-x---", "x-x-x---x-x-x---"),
            "3/4": ("x---x-x-x---", "x-------x-x-"),
        },
        leap=1.4,
        gate=0.95,
    ),
    "clave": Feel(
        {
            "4/4": ("x--x--x---x-x---", "..x-x---x--x--x-", "x--x--x-....x-x-", "..x-x-x-x--x----", "x-x-..x-x-..x-x-"),
        },
        leap=1.6,
        gate=0.75,
        chordal=0.3,
    ),
    "baroque": Feel(
        {
            "4/4": ("x-xxxxxxx-xxxxxx", "xxxxxxxxx-x-x-x-", "x-xxx-xxxxxxx-x-", "x-x-xxxxx-x-xxxx", "xxxxxxxxxxxxxxxx"),
            "3/4": ("x-xxxxxxx-x-", "xxxxxxxxxxxx", "x-x-xxxxx-x-", "x-xxx-xxx-xx"),
            "6/8": ("x-x-x-x-x-x-", "xxxxxxx-x-x-", "x-xxx-x-xxx-"),
        },
        leap=1.0,
        gate=0.8,
        chordal=0.3,
    ),
    "flamenco": Feel(
        {
            "4/4": ("x-xxx-x-xxxxx---", "xxxxx---x-xxx---", "x---xxxxx-------", "xxxxxxxxx---x---"),
            "3/4": ("xxxxx-xxx---", "x-xxx-xxxxx-", "xxxxxx-xx---", "x---xxxxx---"),
            "12/8": ("x-xxx-x-x-xxx-x-x---x---", "x---x-xxx-x-x-x-xxxxx---", "xxxxxxx-x-x-xxx-x-------"),
        },
        leap=1.2,
        gate=0.85,
    ),
    "pluck": Feel(
        {
            "4/4": ("x-x-x-x-x-x-x-x-", "x-x-xxx-x-x-xxx-", "x---x-x-x-x-x-x-", "x-xxx-x-x-x-x---"),
            "3/4": ("x-x-x-x-x-x-", "x---x-x-x-x-", "x-x-xxx-x-x-"),
            "6/8": ("x-x-x-x-x-x-", "x---x-x-x-x-"),
        },
        leap=1.4,
        gate=1.0,
        chordal=0.4,
    ),
    "dembow": Feel(
        {
            "4/4": ("x--x--x-x--x--x-", "x--x--x---x-x---", "..xx..x-..xx..x-", "x--x..x-x--x....", "x-..x--x..x-x---"),
        },
        leap=1.2,
        gate=0.8,
        loop=True,
    ),
    "trap": Feel(
        {
            "4/4": ("x-----x-----x---", "x--x--x-....x---", "x-x-x-----x-x---", "x---..x-x---....", "x-----x-x-x-----"),
        },
        leap=1.1,
        gate=0.9,
        loop=True,
    ),
    "growl": Feel(
        {
            "4/4": ("x-x-x-x-....xxx-", "x--x--x---..xxxx", "x---xxx-x-x-xxx-", "....x-x-xxxxx-x-", "x-xxx-....xxx-x-"),
        },
        leap=1.2,
        gate=0.85,
        loop=True,
    ),
    "vamp": Feel(
        {
            "4/4": ("x--xx-x-..x-....", "..x-x--xx---....", "x-x---x-x-x-....", "..xx--x---xx--x-", "x---..xxx-x-x---"),
            "12/8": ("x-x---x-x-x-....x-x-....", "..x-x-x---x-x-..x-......", "x---x-..x-x-x---x-x-...."),
        },
        leap=1.3,
        gate=0.7,
        loop=True,
    ),
    "blip": Feel(
        {
            "4/4": ("......x...x.....", "x.....x.........", "...x......x..x..", "..x.......x.....", "x..........x...."),
        },
        leap=0.8,
        gate=0.5,
        loop=True,
    ),
}
_SMALLEST = 2


def _with_long_meters(feel: Feel) -> Feel:
    """Bars of 12/8, 5/4 and 7/8 made of the feel's shorter ones, where it has none of its own."""
    cells = dict(feel.cells)
    fours, threes, sixes = (cells.get(meter, ()) for meter in ("4/4", "3/4", "6/8"))
    if sixes:
        cells.setdefault("12/8", tuple(a + b for a, b in zip(sixes, sixes[1:] + sixes[:1], strict=True)))
    if fours and threes:
        cells.setdefault("5/4", tuple(a + b[:8] for a, b in zip(threes, fours[: len(threes)], strict=False)))
    if fours:
        cells.setdefault("7/8", tuple(cell[:14] for cell in fours if len(parse_cell(cell[:14])) >= _SMALLEST))
    return replace(feel, cells=cells)


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


FEELS: Mapping[str, Feel] = {name: _with_long_meters(feel) for name, feel in _WRITTEN.items()}
