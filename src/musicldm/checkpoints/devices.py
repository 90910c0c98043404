"""A device by its name."""

from __future__ import annotations

from musicldm.errors import InvalidInputError


def choose_device(name: str) -> str:
    """The name of the best device there is for "auto", any other name as it is.

    Raises:
        InvalidInputError: a device that this machine does not have.
    """
    import torch

    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    names = [one for one, is_there in there.items() if is_there]
    device = names[0] if name == "auto" else name
    if device not in names:
        raise InvalidInputError(f"device {device!r} is not available here: choose one of {', '.join(['auto', *names])}")
    return device
