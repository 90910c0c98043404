"""A clip's style, and the random numbers behind its decisions: they follow from its seed and its style alone."""

import hashlib
from collections.abc import Iterable

import numpy as np


def choose_style(seed: int, names: Iterable[str]) -> str:
    """The style of a clip that may have any of `names`: the one with the highest hash of seed and name.

    Each is as likely as another. A new style takes some clips from each of the others and leaves the rest as they were
    (rendezvous hashing; Thaler and Ravishankar, 1998).
    """
    return max(names, key=lambda name: _digest(f"{seed}|{name}"))


def stream(seed: int, style: str, purpose: str) -> np.random.Generator:
    """Random numbers for one purpose in one clip: what is drawn for another purpose does not move them."""
    digest = _digest(f"{style}|{purpose}")
    return np.random.default_rng([seed, *(int.from_bytes(digest[at : at + 4], "big") for at in range(0, 16, 4))])


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()
