"""Filters: fixed ones as second-order sections, moving ones as a banded triangular system.

A recursive filter whose coefficients change with every sample,
y[n] + a1[n] y[n-1] + a2[n] y[n-2] = b0[n] x[n] + b1[n] x[n-1] + b2[n] x[n-2],
is a lower triangular system with three diagonals; BLAS solves it at the speed of a fixed filter. Coefficients follow
R. Bristow-Johnson, "Cookbook formulae for audio EQ biquad filter coefficients".
"""

import math
from typing import Any

import numpy as np
from scipy.linalg.blas import dtbsv
from scipy.signal import lfilter

from musicldm.corpus.sound.waves import Samples, Wave

KINDS = ("low", "high", "band", "notch", "all")
_TOP = 0.46


def biquad(kind: str, cutoff: Samples, resonance: float, sample_rate: int) -> tuple[Samples, Samples]:
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


def moving_filter(wave: Any, b: Samples, a: Samples) -> Samples:
    """The wave (n,) or (channels, n) through a filter with coefficients (3, n) or (3, 1), fixed, per sample."""
    x = np.atleast_2d(np.asarray(wave, np.float64))
    if b.shape[1] == 1:
        return np.asarray(lfilter(b[:, 0], a[:, 0], x)).reshape(np.shape(wave))
    band = np.zeros((3, x.shape[1]), order="F")
    band[0] = 1.0
    band[1, :-1] = a[1, 1:]
    band[2, :-2] = a[2, 2:]
    y = b[0] * x
    y[:, 1:] += b[1, 1:] * x[:, :-1]
    y[:, 2:] += b[2, 2:] * x[:, :-2]
    solved = [dtbsv(2, band, row, lower=1, diag=1, overwrite_x=1) for row in y]
    return np.asarray(solved).reshape(np.shape(wave))


def one_pole(wave: Wave, cutoff: float, sample_rate: int, *, high: bool = False) -> Wave:
    """A first-order low-pass at `cutoff` Hz along the last axis, or what it takes away (`high`)."""
    pole = math.exp(-2 * math.pi * min(cutoff, _TOP * sample_rate) / sample_rate)
    low: Wave = lfilter(np.array([1 - pole], np.float32), np.array([1, -pole], np.float32), wave)
    return wave - low if high else low
