"""The synthesiser's kits: drum machines and world percussion, by General MIDI drum key.

Drum machines follow the circuits' published descriptions: the 808's kick is a bridged-T oscillator, its hats six square
waves; the 909 adds a sweep and noise; the LinnDrum-like kit imitates dry sampled drums; the chip kit has only noise and
tones. Tabla partials are harmonic, as C. V. Raman (1920) found.
"""

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from musicldm.corpus.sound.synth.percussion import Drum, Kit, Metal, Modes, Noise, Tone

_SQUARES = (205.3, 304.4, 369.6, 522.7, 540.0, 800.0)
_CYMBAL = (317.0, 465.0, 547.0, 673.0, 821.0, 1187.0, 1549.0)
_BELL = (1.0, 1.62, 2.33, 3.12, 4.21)
_SKIN = (1.0, 1.593, 2.135, 2.295, 2.653, 2.917)
_BAR = (1.0, 2.756, 5.404)
_TABLA = (1.0, 2.0, 3.0, 4.0, 5.0)


def _by(decibels: float, drum: Drum) -> Drum:
    """A drum so many decibels louder."""
    return tuple(replace(layer, level=layer.level * 10 ** (decibels / 20)) for layer in drum)


def _small_percussion() -> dict[int, Drum]:
    """What every kit has: bells, blocks, shakers, hand drums."""
    return {
        37: (Tone(1700, 1670, 0.01, 0.05, 0.5), Tone(480, 460, 0.01, 0.06, 0.5), Noise(2500, 0.03, 0.3, "band")),
        39: (Noise(1150, 0.22, 1.0, "band", 1.1, bursts=(0.0, 0.011, 0.022, 0.031), wide=True),),
        54: (Metal((3100, 4700, 6900), 6000, 0.22, 0.4, noise=0.6), Noise(7000, 0.1, 0.3)),
        56: (Metal((562, 845), 1000, 0.35, 0.6, "band", 1.2),),
        60: (Modes(420, _SKIN[:4], 0.25, 0.6, glide=0.06), Noise(2500, 0.02, 0.3, "band")),
        61: (Modes(300, _SKIN[:4], 0.3, 0.6, glide=0.06), Noise(1800, 0.02, 0.3, "band")),
        62: (Modes(340, _SKIN[:4], 0.1, 0.6, glide=0.1), Noise(2200, 0.03, 0.5, "band")),
        63: (Modes(280, _SKIN[:4], 0.4, 0.7, glide=0.05), Noise(1500, 0.02, 0.3, "band")),
        64: (Modes(200, _SKIN[:4], 0.45, 0.7, glide=0.05), Noise(1200, 0.02, 0.3, "band")),
        65: (Modes(440, _SKIN, 0.45, 0.6, tilt=0.85), Noise(5000, 0.05, 0.4)),
        66: (Modes(310, _SKIN, 0.5, 0.6, tilt=0.85), Noise(4000, 0.05, 0.4)),
        67: (Modes(1150, _BELL, 0.4, 0.5),),
        68: (Modes(760, _BELL, 0.45, 0.5),),
        69: (Noise(6500, 0.12, 0.5, "band", 1.5, attack=0.012),),
        70: (Noise(7000, 0.06, 0.5, "high", attack=0.01),),
        73: (Noise(3500, 0.04, 0.5, "band", 2.0, bursts=(0.0, 0.014, 0.028, 0.042), burst_decay=0.012),),
        74: (Noise(3300, 0.06, 0.5, "band", 2.0, bursts=tuple(0.018 * i for i in range(14)), burst_decay=0.014),),
        75: (Modes(2480, (1.0, 2.5), 0.09, 0.7),),
        76: (Modes(1050, _BAR, 0.1, 0.7),),
        77: (Modes(720, _BAR, 0.12, 0.7),),
        78: (Tone(420, 720, 0.06, 0.15, 0.6, drive=0.5, attack=0.01),),
        79: (Tone(880, 420, 0.12, 0.35, 0.6, drive=0.5, attack=0.01),),
        80: (Modes(2650, (1.0, 1.52, 2.1, 2.74, 3.4), 0.12, 0.4),),
        81: (Modes(2650, (1.0, 1.52, 2.1, 2.74, 3.4), 1.6, 0.4, shortening=0.2),),
        82: (Noise(5500, 0.09, 0.5, "band", 0.9, attack=0.02),),
        83: (Metal((2900, 4100, 5300, 7900), 5000, 0.35, 0.3, noise=0.3),),
        85: (Modes(1900, _BAR, 0.05, 0.6), Modes(1750, _BAR, 0.05, 0.5, after=0.018), Noise(3000, 0.02, 0.3, "band")),
        86: (Modes(72, _SKIN[:3], 0.18, 0.9, glide=0.1),),
        87: (Modes(64, _SKIN[:3], 0.9, 1.0, glide=0.1),),
    }


def _toms(low: float, decay: float, noise: float, glide: float = 0.25) -> dict[int, Drum]:
    """Six toms upwards from `low` Hz."""
    steps = {41: 1.0, 43: 1.19, 45: 1.41, 47: 1.68, 48: 2.0, 50: 2.38}
    return {
        key: (
            Tone(low * r * (1 + 2 * glide), low * r, 0.04, decay / r**0.4, 0.9),
            Noise(low * r * 4, decay * 0.3, noise, "low"),
        )
        for key, r in steps.items()
    }


def _hats(closed: float, open_: float, cutoff: float, noise: float, frequencies: tuple[float, ...]) -> dict[int, Drum]:
    return {
        42: (Metal(frequencies, cutoff, closed, 0.5, noise=noise),),
        44: (Metal(frequencies, cutoff, closed * 0.8, 0.4, noise=noise),),
        46: (Metal(frequencies, cutoff, open_, 0.5, noise=noise),),
    }


def _cymbals(cutoff: float, noise: float, level: float, size: float = 1.0) -> dict[int, Drum]:
    crash = tuple(f * 1.3 / size for f in _CYMBAL)
    return {
        49: (Metal(crash, cutoff, 2.2 * size, level, noise=noise, wide=True, attack=0.002),),
        57: (Metal(tuple(f * 1.13 for f in crash), cutoff, 1.9 * size, level, noise=noise, wide=True, attack=0.002),),
        55: (Metal(tuple(f * 1.5 for f in crash), cutoff * 1.2, 0.7, level, noise=noise, wide=True),),
        52: (Metal(tuple(f * 0.8 for f in crash), cutoff * 0.7, 1.4, level, noise=noise, wide=True),),
        51: (Metal(_CYMBAL, cutoff, 1.1 * size, level * 0.5, noise=noise * 0.4), Modes(3100, (1.0, 1.47), 0.3, 0.15)),
        59: (Metal(_CYMBAL, cutoff, 1.0 * size, level * 0.55, noise=noise * 0.4), Modes(2900, (1.0, 1.47), 0.3, 0.15)),
        53: (Modes(1250, (1.0, 1.48, 2.12, 2.9), 0.9, 0.35), Metal(_CYMBAL, cutoff, 0.7, level * 0.25)),
    }


_808 = {
    **_small_percussion(),
    **_toms(82, 0.55, 0.05, 0.12),
    **_hats(0.075, 0.55, 7000, 0.05, _SQUARES),
    **_cymbals(4500, 0.1, 0.45),
    35: (Tone(120, 47, 0.012, 1.2, 1.0), Noise(2500, 0.004, 0.2, "low")),
    36: (Tone(150, 52, 0.010, 0.9, 1.0, drive=0.2), Noise(3000, 0.005, 0.25, "low")),
    38: (Tone(238, 180, 0.01, 0.14, 0.6), Tone(476, 330, 0.01, 0.09, 0.4), Noise(2200, 0.2, 0.5)),
    40: (Tone(238, 200, 0.01, 0.1, 0.5), Tone(476, 360, 0.01, 0.07, 0.4), Noise(2600, 0.3, 0.6)),
    62: (Tone(330, 300, 0.02, 0.15, 0.8),),
    63: (Tone(275, 250, 0.02, 0.22, 0.8),),
    64: (Tone(185, 165, 0.02, 0.28, 0.8),),
}
_909 = {
    **_small_percussion(),
    **_toms(90, 0.4, 0.2, 0.4),
    **_hats(0.09, 0.5, 6500, 0.55, (411.0, 563.0, 709.0, 925.0, 1301.0)),
    **_cymbals(4000, 0.45, 0.45),
    35: (Tone(260, 50, 0.022, 0.35, 1.0, drive=0.8), Noise(4000, 0.008, 0.4, "low")),
    36: (Tone(300, 54, 0.024, 0.42, 1.0, drive=0.9), Noise(5000, 0.01, 0.5, "low"), Tone(2400, 900, 0.002, 0.01, 0.3)),
    38: (Tone(260, 185, 0.015, 0.16, 0.6, drive=0.4), Tone(390, 285, 0.015, 0.1, 0.4), Noise(1800, 0.24, 0.6)),
    40: (Tone(280, 205, 0.015, 0.12, 0.6, drive=0.4), Tone(420, 310, 0.015, 0.08, 0.4), Noise(2300, 0.32, 0.7)),
}
_LINN = {
    **_small_percussion(),
    **_toms(100, 0.5, 0.5, 0.5),
    **_hats(0.11, 0.45, 5200, 0.75, (387.0, 521.0, 683.0, 941.0)),
    **_cymbals(3200, 0.6, 0.45),
    35: (Tone(170, 62, 0.02, 0.22, 1.0, drive=0.5), Noise(3200, 0.03, 0.35, "low")),
    36: (Tone(190, 66, 0.02, 0.26, 1.0, drive=0.6), Noise(3800, 0.035, 0.4, "low")),
    38: (Modes(196, _SKIN, 0.22, 0.6, tilt=0.8, glide=0.15), Noise(1400, 0.3, 0.8), Noise(900, 0.16, 0.5, "band", 0.8)),
    40: (Modes(215, _SKIN, 0.2, 0.6, tilt=0.8, glide=0.15), Noise(1600, 0.45, 0.9, wide=True)),
}
_TRAP = {
    **_808,
    **_hats(0.045, 0.32, 8500, 0.2, tuple(f * 1.6 for f in _SQUARES)),
    36: (Tone(220, 48, 0.014, 0.6, 1.0, drive=1.2), Noise(5000, 0.006, 0.4, "low")),
    38: (Tone(320, 210, 0.012, 0.1, 0.5, drive=0.6), Noise(1900, 0.18, 0.8), Noise(6000, 0.3, 0.3, wide=True)),
    40: (Noise(1300, 0.25, 1.0, "band", 0.9, bursts=(0.0, 0.008, 0.017), wide=True), Tone(260, 200, 0.01, 0.08, 0.3)),
    39: (Noise(1500, 0.18, 1.0, "band", 0.9, bursts=(0.0, 0.009, 0.018), wide=True),),
}


def _chip() -> dict[int, Drum]:
    """Four channels of a games console: falling tones and noise of few rates."""
    hiss = {42: 0.05, 44: 0.04, 46: 0.22, 49: 0.9, 57: 0.8, 51: 0.25, 53: 0.2, 59: 0.25, 52: 0.6, 55: 0.4, 54: 0.08}
    kit: dict[int, Drum] = {key: (Noise(4000, decay, 0.5, grain=22000),) for key, decay in hiss.items()}
    kit |= {
        key: (Tone(f * 2.5, f, 0.05, 0.2, 0.9, drive=3.0),)
        for key, f in {41: 80, 43: 95, 45: 113, 47: 134, 48: 160, 50: 190}.items()
    }
    kick: Drum = (Tone(320, 45, 0.03, 0.16, 1.0, drive=3.0), Noise(3000, 0.02, 0.3, "low", grain=4000))
    snare: Drum = (Noise(900, 0.16, 0.9, grain=9000), Tone(300, 140, 0.03, 0.06, 0.5, drive=3.0))
    kit |= {35: kick, 36: kick, 38: snare, 40: snare, 39: (Noise(900, 0.1, 0.8, grain=6000),)}
    kit |= {37: (Noise(3000, 0.03, 0.7, grain=14000),), 56: (Tone(900, 880, 0.02, 0.1, 0.6, drive=3.0),)}
    return {**_small_percussion(), **kit}


def _tabla() -> dict[int, Drum]:
    """Bayan (low, its pitch bent by the wrist) and dayan (tuned, harmonic partials); small cymbals."""
    na: Drum = (Modes(293, _TABLA, 0.7, 0.7, tilt=0.75, shortening=0.3), Noise(4000, 0.015, 0.5, "band"))
    tin: Drum = (Modes(277, _TABLA, 1.0, 0.7, tilt=0.5, shortening=0.6), Noise(2500, 0.012, 0.25, "band"))
    te: Drum = (Modes(330, _SKIN, 0.08, 0.5), Noise(1800, 0.04, 0.7, "band", 0.9))
    tun: Drum = (Modes(220, _TABLA[:3], 1.1, 0.8, tilt=0.4), Noise(1500, 0.015, 0.2, "band"))
    ge: Drum = (Modes(92, (1.0, 1.98, 2.9), 0.9, 1.0, tilt=0.35, glide=-0.3, settle=0.12), Noise(700, 0.02, 0.3, "low"))
    ke: Drum = (Modes(150, _SKIN, 0.07, 0.5), Noise(900, 0.05, 0.8, "band", 0.8))
    manjira: Drum = (Modes(2350, _BELL, 0.9, 0.35, tilt=0.8),)
    kit = {**_small_percussion(), 35: ke, 36: ge, 37: te, 38: na, 39: tun, 40: tin, 54: manjira, 42: manjira, 44: te}
    return kit | {41: ge, 43: ge, 45: tun, 47: tin, 48: tin, 50: na, 46: manjira, 49: manjira, 51: manjira}


def _taiko() -> dict[int, Drum]:
    def drum(frequency: float, decay: float, slap: float) -> Drum:
        return (Modes(frequency, _SKIN, decay, 1.0, tilt=0.6, glide=0.12), Noise(frequency * 7, 0.05, slap, "low"))

    rim: Drum = (Modes(900, _BAR, 0.08, 0.7), Noise(2500, 0.03, 0.4, "band"))
    gong: Drum = (
        Modes(110, (1.0, 1.53, 2.02, 2.47, 3.1, 4.3), 4.0, 0.6, tilt=0.85),
        Metal(_CYMBAL, 900, 3.0, 0.25, wide=True),
    )
    kit = {**_small_percussion(), 35: drum(52, 1.5, 0.5), 36: drum(58, 1.3, 0.6), 37: rim, 49: gong, 57: gong}
    kit |= {38: (Modes(360, _SKIN, 0.18, 0.9, tilt=0.8), Noise(1800, 0.05, 0.5, "band")), 40: drum(140, 0.4, 0.5)}
    kit |= {key: drum(f, 0.9, 0.5) for key, f in {41: 74, 43: 88, 45: 105, 47: 125, 48: 148, 50: 176}.items()}
    return kit | {42: rim, 44: rim, 46: rim, 51: rim, 39: rim}


def _cajon() -> dict[int, Drum]:
    bass: Drum = (Modes(78, (1.0, 1.9, 2.7), 0.28, 1.0, tilt=0.5, glide=0.2), Noise(900, 0.04, 0.5, "low"))
    slap: Drum = (Modes(230, _SKIN, 0.1, 0.5), Noise(2200, 0.12, 0.8, "band", 0.6), Noise(5000, 0.06, 0.4))
    tip: Drum = (Modes(400, _SKIN, 0.05, 0.4), Noise(3000, 0.04, 0.5, "band"))
    palmas: Drum = (Noise(1700, 0.09, 1.0, "band", 1.3, bursts=(0.0, 0.006), burst_decay=0.012, wide=True),)
    golpe: Drum = (Modes(140, _BAR, 0.09, 0.8), Noise(1000, 0.03, 0.4, "low"))
    kit = {**_small_percussion(), 35: golpe, 36: bass, 37: tip, 38: slap, 39: palmas, 40: golpe, 42: tip, 44: tip}
    return {**_808, **kit, **_cymbals(3200, 0.6, 0.4)}


def _samba() -> dict[int, Drum]:
    open_: Drum = (Modes(62, _SKIN[:4], 0.9, 1.0, tilt=0.5, glide=0.12), Noise(400, 0.03, 0.3, "low"))
    muted: Drum = (Modes(70, _SKIN[:4], 0.15, 0.9, tilt=0.5), Noise(500, 0.04, 0.4, "low"))
    caixa: Drum = (Modes(310, _SKIN, 0.1, 0.5), Noise(2600, 0.14, 0.8))
    tamborim: Drum = (Modes(780, _SKIN, 0.07, 0.7), Noise(4000, 0.03, 0.5, "band"))
    pandeiro: Drum = (Metal((3100, 4700, 6900), 5500, 0.12, 0.4, noise=0.6), Modes(260, _SKIN, 0.06, 0.3))
    kit = {**_808, **_small_percussion(), 35: muted, 86: muted, 36: open_, 87: open_, 38: caixa, 40: caixa}
    return {**kit, **_cymbals(3200, 0.6, 0.4), 54: pandeiro, 56: tamborim, 76: tamborim, 37: tamborim}


def _latin() -> dict[int, Drum]:
    kick: Drum = (Modes(66, _SKIN[:3], 0.25, 0.9, tilt=0.5, glide=0.3), Noise(800, 0.03, 0.4, "low"))
    side: Drum = (Modes(520, _SKIN, 0.1, 0.5), Noise(3500, 0.07, 0.5, "band"))
    return {**_808, **_small_percussion(), **_cymbals(3200, 0.6, 0.4), 35: kick, 36: kick, 38: side, 40: side, 37: side}


def _hand() -> dict[int, Drum]:
    """Frame drum and darbuka: dum, tek, ka, slap; riq."""
    dum: Drum = (Modes(88, (1.0, 1.6, 2.14, 2.65), 0.55, 1.0, tilt=0.45, glide=0.12), Noise(500, 0.03, 0.3, "low"))
    tek: Drum = (Modes(620, _SKIN, 0.16, 0.6, tilt=0.85), Noise(4500, 0.03, 0.5, "band"))
    ka: Drum = (Modes(540, _SKIN, 0.12, 0.5, tilt=0.85), Noise(3600, 0.03, 0.4, "band"))
    slap: Drum = (Modes(300, _SKIN, 0.08, 0.5), Noise(2000, 0.06, 0.8, "band"))
    riq: Drum = (Metal((3700, 5300, 7300), 6000, 0.16, 0.4, noise=0.5),)
    kit = {**_808, **_small_percussion(), **_cymbals(3200, 0.6, 0.35), 35: dum, 36: dum, 38: tek, 40: ka, 37: slap}
    return kit | {54: riq, 42: riq, 44: riq, 46: (Metal((3700, 5300, 7300), 6000, 0.5, 0.4, noise=0.4),), 39: slap}


# Decibels by which drums are brought to what players and records make of them against the bass drum.
_BALANCE: Mapping[str, Mapping[int, float]] = {
    "808": {38: -3, 40: -4, 42: 7, 44: 7, 46: 6, 51: 3},
    "909": {38: -4, 40: -6, 51: 3},
    "linn": {38: -8, 40: -10, 46: -3, 49: -3, 57: -3, 51: 3},
    "trap": {38: -6, 42: 7, 44: 7, 46: 4},
    "chip": {38: -4, 40: -5, 42: -4, 44: -4, 46: -4, 49: -5, 57: -5, 51: -6, 53: -4, 59: -6},
    "samba": {38: -5, 40: -6, 42: 5, 44: 5, 46: 4},
    "latin": {42: 5, 44: 5, 46: 4},
}
_SMALL_BALANCE = {39: 6, 81: -9, 80: -4, 82: -5, 70: -7, 54: -2, 37: 3, 65: -2, 66: -2}
_OWN = {"trap": (39, 40), "chip": (37, 39, 54), "tabla": (37, 39, 54), "cajon": (37,), "hand": (37, 39, 54)}


def _balanced(name: str, kit: Kit) -> Kit:
    own = _OWN.get(name, ())
    small = {key: _by(change, kit[key]) for key, change in _SMALL_BALANCE.items() if key in kit and key not in own}
    return {**kit, **small, **{key: _by(change, kit[key]) for key, change in _BALANCE.get(name, {}).items()}}


_PLAIN: Mapping[str, Kit] = {
    "808": _808,
    "909": _909,
    "linn": _LINN,
    "trap": _TRAP,
    "chip": _chip(),
    "tabla": _tabla(),
    "taiko": {**_808, **_taiko()},
    "cajon": _cajon(),
    "samba": _samba(),
    "latin": _latin(),
    "hand": _hand(),
}

KITS: Mapping[str, Kit] = MappingProxyType({name: _balanced(name, kit) for name, kit in _PLAIN.items()})
