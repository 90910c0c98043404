"""The errors of the libraries that read model files, as CheckpointErrors of one line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from huggingface_hub.errors import HTTPError
from safetensors import SafetensorError

from musicldm.errors import CheckpointError
from musicldm.files import is_refusal

_READING = (OSError, ValueError, RuntimeError, KeyError, EOFError, SafetensorError)


@contextmanager
def checkpoint_errors(what: str) -> Iterator[None]:
    """Turns what goes wrong while a model is read or fetched into a CheckpointError that begins with `what`.

    Not where the machine refuses: its full disk or its memory is no fault of the model's.
    """
    try:
        yield
    except CheckpointError:
        raise
    except (*_READING, HTTPError) as error:
        if is_refusal(error):
            raise
        reason = " ".join(str(error).split()) or type(error).__name__
        raise CheckpointError(f"{what}: {reason}") from error
