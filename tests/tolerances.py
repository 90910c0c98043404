"""How far two right computations of the same numbers may lie apart, from the arithmetic: good on every processor.

A processor sums in the order that its vectors and caches suggest, with or without fused products, in one thread or in
many. What it owes is that each operation is rounded to the nearest number of its type: a relative error of at most the
type's unit roundoff u. All bounds here are multiples of u; none was found by looking at what some processor gave.

Sources: Higham, Accuracy and Stability of Numerical Algorithms, 2nd edition, chapters 3 and 4; Higham and Mary, A New
Approach to Probabilistic Rounding Error Analysis, 2019.
"""

from __future__ import annotations

import math

FLOAT32, FLOAT16, BFLOAT16 = 2.0**-24, 2.0**-11, 2.0**-8
"""Unit roundoffs: half the distance from 1 to the next number."""

LAYERS_OF_UNET = 40
LAYERS_OF_DECODERS = 40
LAYERS_OF_CLAP = 40
TERMS = 144
"""Of `tests.tiny_model`: products, norms and activations in a row on the longest way through the UNet, through VAE and
vocoder, and through either of CLAP's towers, in round figures; and products in the longest sum, 16 channels under a
kernel of 3 × 3."""


def sums(terms: int, size: float = 1.0, unit: float = FLOAT32) -> float:
    """Between two sums of the same numbers in any two orders, at worst.

    Args:
        terms: numbers or products in a sum.
        size: the sum of their magnitudes; for the cosine of two unit vectors 1, by Cauchy and Schwarz.
        unit: roundoff of the additions.

    Each sum is off by terms · u · size at most (Higham, section 4.2), so that two differ by twice as much.
    """
    return float(2 * terms * unit * size)


def layers(count: int, terms: int, size: float = 1.0, unit: float = FLOAT32) -> float:
    """Between two passes through a network whose layers keep the size of what they are given.

    Args:
        count: layers one after another.
        terms: products in a layer's sums.
        size: the largest value on the way.

    Rounding errors are as good as random: those of a sum add up to √terms · u · size (Higham and Mary), those of
    independent layers to √count times as much. One value in two million strays by five times that.
    """
    return float(2 * 5 * math.sqrt(count * terms) * unit * size)


def roundings(count: int, size: float = 1.0, unit: float = BFLOAT16) -> float:
    """Root mean square error of a pass through layers that keep an effective size and store each result in few bits.

    Args:
        count: results that are rounded one after another.
        size: root mean square of what the last one gives.
        unit: roundoff of what is stored.

    However exact the sums, each stored result is off by up to u of itself. Errors of different layers are as good as
    independent: their squares add.
    """
    return float(math.sqrt(count) * unit * size)


def waves(steps: int = 2, guidance: float = 2.0) -> float:
    """Between two waves, of full scale 1, that `tests.tiny_model` makes in float32.

    Args:
        steps: of the sampler.
        guidance: g; the two passes through the UNet that a step mixes count with g² and (1 − g)².
    """
    return layers(_layers_of_waves(steps, guidance), TERMS)


def half_waves(unit: float = BFLOAT16, steps: int = 2, guidance: float = 2.0) -> float:
    """Root mean square error of such a wave made in few bits, over that of the wave."""
    return roundings(_layers_of_waves(steps, guidance), 1.0, unit)


def _layers_of_waves(steps: int, guidance: float) -> int:
    return math.ceil(LAYERS_OF_UNET * steps * (guidance**2 + (1 - guidance) ** 2)) + LAYERS_OF_DECODERS


def embeddings() -> float:
    """Between two unit embeddings of one text or wave by the CLAP of `tests.tiny_model`, number by number."""
    return layers(LAYERS_OF_CLAP, TERMS)


def scores(steps: int = 2, guidance: float = 2.0) -> float:
    """Between the scores of two such waves: cosines, which move by no more than both embeddings do."""
    return embeddings() + math.hypot(waves(steps, guidance), embeddings())
