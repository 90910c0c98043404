"""Seeds, random generators and the first latents."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from diffusers.utils.torch_utils import randn_tensor

from musicldm.errors import InvalidInputError

Generators = torch.Generator | list[torch.Generator]
"""One for a whole batch, or one for each audio of it."""
_SEED_LIMIT = 2**32


@dataclass(frozen=True)
class Randomness:
    """The generator or generators of a call, and the seed that each audio came from.

    Args:
        generator: one for the whole batch, or one an audio.
        seeds: initial seed of the generator of each audio.
    """

    generator: Generators
    seeds: list[int]


def settle_randomness(generator: torch.Generator | Sequence[torch.Generator] | None, batch_size: int) -> Randomness:
    """The generators for a batch of audios, checked; fresh ones where none are given.

    One generator is shared by the whole batch, as upstream. Without any, each audio gets its own on the CPU, with
    seeds that follow on a random first one, so that each can be made again alone and on any device.

    Raises:
        InvalidInputError: no generator, or another number of them than of audios.
    """
    if generator is None:
        first = secrets.randbelow(_SEED_LIMIT - batch_size)
        generator = [torch.Generator().manual_seed(first + index) for index in range(batch_size)]
    if isinstance(generator, torch.Generator):
        return Randomness(generator, [generator.initial_seed()] * batch_size)
    if not isinstance(generator, (list, tuple)) or not all(isinstance(item, torch.Generator) for item in generator):
        raise InvalidInputError(
            f"generator is {generator!r}: valid is one torch.Generator or a list of one for each audio"
        )
    if len(generator) != batch_size:
        raise InvalidInputError(
            f"{len(generator)} generators for {batch_size} audios (prompts x num_waveforms_per_prompt): "
            f"pass one generator, or a list of {batch_size}"
        )
    return Randomness(list(generator), [item.initial_seed() for item in generator])


def first_latents(
    shape: tuple[int, ...], randomness: Randomness, device: torch.device, latents: torch.Tensor | None = None
) -> torch.Tensor:
    """Standard normal latents (batch, channels, frames, bins) in float32, drawn or the caller's own.

    They are drawn in float32 whatever the model's type, so that a seed means the same music in every precision.

    Raises:
        InvalidInputError: the caller's latents are no tensor of this shape.
    """
    if latents is None:
        drawn: torch.Tensor = randn_tensor(shape, generator=randomness.generator, device=device, dtype=torch.float32)
        return drawn
    if not isinstance(latents, torch.Tensor) or tuple(latents.shape) != shape:
        given = tuple(latents.shape) if isinstance(latents, torch.Tensor) else type(latents).__name__
        raise InvalidInputError(f"latents are {given}: a tensor of shape {shape} is expected")
    return latents.to(device=device, dtype=torch.float32)
