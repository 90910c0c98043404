"""What large modules leave in memory after their use and how to let go of it, and how a training keeps its own.

Weights lie there as pages of their file, as safetensors gives them, and count as the process' memory from their first
use on. The text tower of a published model is needed for a moment, and would then be carried along to the one at which
a generation needs the most memory; and while a model is converted to half precision, its pages would stand beside what
has been made of them. Activations that were freed stay with the allocator, beside which the next part makes its own.
"""

from __future__ import annotations

import ctypes
import json
import mmap
import os
import struct
import sys
from bisect import bisect_right
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch

from musicldm.machine.locks import exclusively

_MAPS, _PAGEMAP = Path("/proc/self/maps"), Path("/proc/self/pagemap")
_DONTNEED = 4
_TRIM_THRESHOLD, _MMAP_MAX = -1, -4
"""Options of glibc's mallopt(3)."""
_WORTHWHILE = 64 << 20
"""Bytes."""
_PRESENT, _SWAPPED, _OF_FILE = (np.uint64(1) << np.uint64(bit) for bit in (63, 62, 61))
"""Bits of a page's entry in pagemap; a page of a file that was written to is no longer one of the file."""


def give_back(module: torch.nn.Module) -> int:
    """Takes out of memory what a module leaves there after its use: its weights' pages, and memory that is free.

    Weights that are pages of a file come back from the cache at the next use. Values stay what they are: weights that
    were written to stay where they are, as do those of no file, and all of them on systems that do not tell (other
    than Linux, or without /proc). Modules below 64 MiB are not worth the milliseconds.

    Returns:
        How many bytes of weights were given back, those included that were not in memory.
    """
    if not _worthwhile(module):
        return 0
    given = sum(map(_releaser(), module.parameters()))
    _trim()
    return given


@contextmanager
def layer_by_layer(module: torch.nn.Module) -> Iterator[None]:
    """While it lasts, the pages of each layer of a large module leave memory as soon as the layer has computed.

    Of the layers never more than one is there then; where it is called again, its pages come back from the cache.
    Threads with the same large module wait for each other.
    """
    if not _worthwhile(module):
        yield
        return
    stacks = [stack for stack in module.modules() if isinstance(stack, torch.nn.ModuleList)]
    layers = [layer for stack in stacks for layer in stack]
    release = _releaser()

    def leave(layer: torch.nn.Module, *_: object) -> None:
        for parameter in layer.parameters():
            release(parameter)

    with exclusively(module):
        handles = [layer.register_forward_hook(leave) for layer in layers]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()


def narrow(module: torch.nn.Module, dtype: torch.dtype) -> None:
    """Converts a module's floating weights one by one and gives back the pages of each, for a lower peak of memory."""
    release = _releaser()
    for tensor in (*module.parameters(), *module.buffers()):
        if tensor.is_floating_point():
            wide = tensor.data
            tensor.data = wide.to(dtype)
            release(wide)


def stored_in_float32(folder: Path) -> bool:
    """Whether a model part's folder holds its weights as one safetensors file with float32 in it."""
    files = list(folder.glob("*.safetensors"))
    if len(files) != 1:
        return False
    with files[0].open("rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(length))
    return any(entry.get("dtype") == "F32" for entry in header.values())


def keep_freed_memory() -> bool:
    """Lets this process keep what a step frees for the next one, where the allocator is glibc's; whether it is.

    Otherwise gradients and activations are fresh pages of the system at each step, which has to clear them first. Each
    needs what the one before needed, so that after a few steps nothing is asked for any more.
    """
    set_option = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if set_option is None:
        return False
    return bool(set_option(_MMAP_MAX, 0)) and bool(set_option(_TRIM_THRESHOLD, -1))


def _worthwhile(module: torch.nn.Module) -> bool:
    here = (parameter.nbytes for parameter in module.parameters() if parameter.device.type == "cpu")
    return sum(here) >= _WORTHWHILE


def _trim() -> None:
    """Gives the system what the allocator keeps of freed memory, where it is glibc's."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    if trim is not None:
        trim(0)


def _releaser() -> Callable[[torch.Tensor], int]:
    """Takes the pages of a tensor out of memory if they are unwritten ones of a file; returns their bytes."""
    if sys.platform != "linux" or not os.access(_MAPS, os.R_OK) or not os.access(_PAGEMAP, os.R_OK):
        return lambda tensor: 0  # noqa: ARG005
    starts, ends = _file_mappings()
    madvise = ctypes.CDLL(None, use_errno=True).madvise
    madvise.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)

    def release(tensor: torch.Tensor) -> int:
        if tensor.device.type != "cpu" or not tensor.is_contiguous():
            return 0
        begin, end = tensor.data_ptr(), tensor.data_ptr() + tensor.nbytes
        mapping = bisect_right(starts, begin) - 1
        first, last = -(-begin // mmap.PAGESIZE) * mmap.PAGESIZE, end // mmap.PAGESIZE * mmap.PAGESIZE
        if mapping < 0 or end > ends[mapping] or first >= last or not _unwritten(first, last):
            return 0
        return 0 if madvise(first, last - first, _DONTNEED) else last - first

    return release


def _file_mappings() -> tuple[list[int], list[int]]:
    """Where pages of files begin and end in memory, in ascending order."""
    starts, ends = [], []
    for line in _MAPS.read_text(encoding="utf-8", errors="replace").splitlines():
        addresses, _, _, _, inode, *_ = line.split()
        if inode != "0":
            start, _, end = addresses.partition("-")
            starts.append(int(start, 16))
            ends.append(int(end, 16))
    return starts, ends


def _unwritten(first: int, last: int) -> bool:
    """Whether all pages between two addresses that are anywhere are the file's own."""
    with _PAGEMAP.open("rb") as file:
        file.seek(first // mmap.PAGESIZE * 8)
        pages = np.frombuffer(file.read((last - first) // mmap.PAGESIZE * 8), dtype=np.uint64)
    own = (pages & _OF_FILE) > 0
    elsewhere = ((pages & _PRESENT) > 0) & ~own | ((pages & _SWAPPED) > 0)
    return len(pages) == (last - first) // mmap.PAGESIZE and not elsewhere.any()
