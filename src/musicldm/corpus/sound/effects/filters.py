"""Filters: fixed ones as second-order sections, moving ones as a banded triangular system.

A recursive filter whose coefficients change with every sample,
y[n] + a1[n] y[n-1] + a2[n] y[n-2] = b0[n] x[n] + b1[n] x[n-1] + b2[n] x[n-2],
is a lower triangular system with three diagonals; BLAS solves it at the speed of a fixed filter. Coefficients follow
R. Bristow-Johnson, "Cookbook formulae for audio EQ biquad filter coefficients".
"""

import math

import numpy as np
from scipy.linalg.blas import dtbsv
from scipy.signal import lfilter

from musicldm.audio import Wave
from musicldm.corpus.sound.waves import Samples

KINDS = ("low", "high", "band", "notch", "all")
_TOP = 0.46
_BLOCK = 8192


def biquad(kind: str, cutoff: Wave | Samples, resonance: float, sample_rate: int) -> tuple[Samples, Samples]:
    """(b, a), each (3, n) with a[0] = 1, for n cut-offs in Hz. kind: one of `KINDS`; resonance: Q."""
    half = np.minimum(cutoff, _TOP * sample_rate) * (math.pi / sample_rate)
    if half.size > 1:
        half = half.astype(np.float32)
    # The half angle keeps what is near 0 exact, though sines in float32 are twenty times as fast.
    sine, cosine = np.sin(half).astype(np.float64), np.cos(half).astype(np.float64)
    up, alpha = 2 * sine * sine, sine * cosine / resonance
    scale = 1 / (1 + alpha)
    b, a = np.empty((2, 3, half.size))
    a[0], a[1], a[2] = 1.0, (2 * up - 2) * scale, (1 - alpha) * scale
    if kind == "low":
        b[1] = up * scale
        b[0] = b[2] = 0.5 * b[1]
    elif kind == "high":
        b[1] = (up - 2) * scale
        b[0] = b[2] = -0.5 * b[1]
    elif kind == "band":
        b[0], b[1], b[2] = alpha * scale, 0.0, -alpha * scale
    elif kind == "notch":
        b[0], b[1], b[2] = scale, a[1], scale
    else:
        b[0], b[1], b[2] = a[2], a[1], 1.0
    return b, a


def swept(
    wave: Wave | Samples, kind: str, cutoff: Wave | Samples, resonances: tuple[float, ...], sample_rate: int
) -> Samples:
    """(channels, n) through one section after another, each with its Q, at `cutoff` Hz: (n,) moving, or (1,) fixed."""
    out = np.array(wave, np.float64)
    if cutoff.size == 1:
        for resonance in resonances:
            b, a = biquad(kind, cutoff, resonance, sample_rate)
            out = np.asarray(lfilter(b[:, 0], a[:, 0], out))
        return out
    states = np.zeros((len(resonances), 2, len(out), 2))
    # Block by block, so that coefficients stay in the cache.
    for first in range(0, out.shape[1], _BLOCK):
        block = slice(first, min(first + _BLOCK, out.shape[1]))
        for resonance, state in zip(resonances, states, strict=True):
            b, a = biquad(kind, cutoff[block], resonance, sample_rate)
            out[:, block] = moving_filter(out[:, block], b, a, state)
    return out


def moving_filter(x: Samples, b: Samples, a: Samples, state: Samples | None = None) -> Samples:
    """(channels, n) through coefficients (3, n), one set a sample.

    state (2, channels, 2): the last two samples in and out, latest first, of what came before; brought up to date.
    """
    if state is None:
        state = np.zeros((2, len(x), 2))
    count = x.shape[1]
    band = np.empty((3, count), order="F")
    band[1, :-1] = a[1, 1:]
    band[2, :-2] = a[2, 2:]
    solved = np.empty_like(x)
    for before, after, row, out in zip(state[0], state[1], x, solved, strict=True):
        longer = np.concatenate([before[::-1], row])
        y = b[0] * row + b[1] * longer[1:-1] + b[2] * longer[:-2]
        y[0] -= a[1, 0] * after[0] + a[2, 0] * after[1]
        if count > 1:
            y[1] -= a[2, 1] * after[0]
        out[:] = dtbsv(2, band, y, lower=1, diag=1, overwrite_x=1)
        before[:] = longer[:-3:-1]
        after[:] = np.concatenate([after[::-1], out[-2:]])[:-3:-1]
    return solved


def one_pole(wave: Wave, cutoff: float, sample_rate: int, *, high: bool = False) -> Wave:
    """A first-order low-pass at `cutoff` Hz along the last axis, or what it takes away (`high`)."""
    pole = math.exp(-2 * math.pi * min(cutoff, _TOP * sample_rate) / sample_rate)
    low: Wave = lfilter(np.array([1 - pole], np.float32), np.array([1, -pole], np.float32), wave)
    return wave - low if high else low
