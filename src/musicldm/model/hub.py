"""Models on the hub: what their names look like, and the files that musicldm reads beside their parts."""

from __future__ import annotations

from collections.abc import Mapping

from musicldm.model import checksums, settings

_HUB_OPTIONS = ("cache_dir", "force_download", "local_files_only", "revision", "token")


def is_hub_id(name: str) -> bool:
    """Whether a name has the form of a hub id, `owner/name`, and not that of a path."""
    parts = name.split("/")
    return len(parts) == 2 and all(part and part.strip(".~") == part for part in parts) and not set(name) & set("\\:")


def fetch_extras(hub_id: str, options: Mapping[str, object]) -> None:
    """Fetches the files beside the parts of a model that musicldm reads, where the hub has them.

    Args:
        hub_id: `owner/name`.
        options: of `from_pretrained`; those that are for the hub are used.
    """
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

    hub_options = {key: options[key] for key in _HUB_OPTIONS if key in options}
    for name in (settings.FILE_NAME, checksums.FILE_NAME):
        try:
            hf_hub_download(hub_id, name, **hub_options)
        except LocalEntryNotFoundError:
            # Without a network the answer is unknown, and a model in the cache must still load.
            return
        except EntryNotFoundError:
            continue
