"""The arguments of a call, checked before anything is computed."""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence

import torch

from musicldm.errors import InvalidInputError, unknown_choice

OUTPUT_TYPES = ("np", "pt", "latent")


def whole(name: str, value: object, least: int = 1) -> int:
    """An integer of at least `least`, of Python or NumPy."""
    wrong = InvalidInputError(f"{name} is {value!r}: it must be an integer of at least {least}")
    if isinstance(value, bool):
        raise wrong
    try:
        number = operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        raise wrong from None
    if number < least:
        raise wrong
    return number


def eta(value: object) -> float:
    """DDIM's η, from 0 to 1."""
    number = _number(value)
    if not 0 <= number <= 1:
        raise InvalidInputError(f"eta is {value!r}: it must be between 0 and 1")
    return number


def _number(value: object) -> float:
    """A real number as a float; NaN for what is none, so that every check of a range refuses it."""
    if isinstance(value, (bool, str, bytes)):
        return math.nan
    try:
        return float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        return math.nan


def output_type(value: object) -> str:
    """One of `OUTPUT_TYPES`."""
    if value not in OUTPUT_TYPES:
        raise unknown_choice("output_type", value, OUTPUT_TYPES)
    return str(value)


def texts(name: str, value: object) -> list[str]:
    """One text or a list of them, as a list; the empty text is one too."""
    if isinstance(value, str):
        return [value]
    if not isinstance(value, (list, tuple)):
        raise InvalidInputError(f"{name} is {value!r}: it must be a text or a list of texts")
    for index, text in enumerate(value):
        if not isinstance(text, str):
            raise InvalidInputError(f"{name}[{index}] is {text!r}: it must be a text")
    if not value:
        raise InvalidInputError(f"{name} is an empty list: it must hold at least one text")
    return list(value)


def embeddings(name: str, value: object, width: int, count: int | None = None) -> torch.Tensor:
    """A tensor (count, width) of embeddings; any count of at least 1 where it is None."""
    shape = tuple(value.shape) if isinstance(value, torch.Tensor) else None
    if shape is None or len(shape) != 2 or shape[1] != width or shape[0] != (count or max(shape[0], 1)):
        given = shape if shape is not None else type(value).__name__
        raise InvalidInputError(f"{name} is {given}: a tensor of shape ({count or 'prompts'}, {width}) is expected")
    assert isinstance(value, torch.Tensor)
    return value


def prompt_or_embeddings(
    prompt: object, prompt_embeds: object, width: int
) -> tuple[list[str], torch.Tensor | None, int]:
    """Exactly one of prompt and embeddings, and how many there are.

    Returns:
        The prompts or an empty list, the embeddings or None, and their number.
    """
    if prompt is not None and prompt_embeds is not None:
        raise InvalidInputError("prompt and prompt_embeds are both given: pass one of them")
    if prompt is None and prompt_embeds is None:
        raise InvalidInputError("prompt is None: pass a text, a list of texts, or prompt_embeds")
    if prompt is not None:
        listed = texts("prompt", prompt)
        return listed, None, len(listed)
    given = embeddings("prompt_embeds", prompt_embeds, width)
    return [], given, given.shape[0]


def negative_texts(negative_prompt: object, negative_embeds: object, count: int) -> list[str] | None:
    """One negative prompt for each prompt, or None; a single text serves them all."""
    if negative_prompt is None:
        return None
    if negative_embeds is not None:
        raise InvalidInputError("negative_prompt and negative_prompt_embeds are both given: pass one of them")
    listed = texts("negative_prompt", negative_prompt)
    if isinstance(negative_prompt, str):
        return listed * count
    if len(listed) != count:
        raise InvalidInputError(f"{len(listed)} negative prompts for {count} prompts: pass one text, or one for each")
    return listed


def tensor_names(names: Sequence[str], allowed: Sequence[str]) -> list[str]:
    """Names of the tensors that a callback wants, each of them one that there is."""
    for name in names:
        if name not in allowed:
            raise unknown_choice("callback tensor", name, allowed)
    return list(names)
