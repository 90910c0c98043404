"""The errors of the libraries that read model files, as CheckpointErrors of one line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from huggingface_hub import hf_hub_download
from huggingface_hub.errors import EntryNotFoundError, HTTPError, LocalEntryNotFoundError
from safetensors import SafetensorError

from musicldm.errors import CheckpointError
from musicldm.files import is_refusal
from musicldm.model import integrity
from musicldm.model import settings as defaults

_READING = (OSError, ValueError, RuntimeError, KeyError, EOFError, SafetensorError)
_HUB_OPTIONS = ("cache_dir", "force_download", "local_files_only", "revision", "token")


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


def fetch_extras(hub_id: str, options: Mapping[str, Any]) -> None:
    """Fetches the files beside the parts of a model that musicldm reads, where the hub has them.

    Args:
        hub_id: `owner/name`.
        options: of `from_pretrained`; those that are for the hub are used.
    """
    hub_options = {key: options[key] for key in _HUB_OPTIONS if key in options}
    for name in (defaults.FILE_NAME, integrity.FILE_NAME):
        try:
            hf_hub_download(hub_id, name, **hub_options)
        except LocalEntryNotFoundError:
            # Without a network the answer is unknown, and a model in the cache must still load.
            return
        except EntryNotFoundError:
            continue
