"""Weights that lie in memory as pages of their file, as safetensors gives them, and how to let go of these pages.

They count as the process' memory from their first use on. The text tower, a third of a published model, is used for a
twentieth of a second and would then be carried along to the moment at which a generation needs the most.
"""

from __future__ import annotations

import ctypes
import mmap
import sys
from bisect import bisect_right
from pathlib import Path

import torch

_PAGEOUT = 21
"""MADV_PAGEOUT of Linux 5.4: unlike MADV_DONTNEED it never loses what was written to a page."""
_MAPS = Path("/proc/self/maps")


def give_back(module: torch.nn.Module) -> int:
    """Gives the pages of a module's weights that are those of a file back to the system, which brings them at need.

    Values stay what they are; the next use costs as long as copying from the system's cache. Other weights, and those
    on systems that have no such call, stay where they are.

    Returns:
        How many bytes were given back, those included that were not in memory.
    """
    if not (sys.platform == "linux" and _MAPS.is_file()):
        return 0
    starts, ends = _file_mappings()
    madvise = ctypes.CDLL(None, use_errno=True).madvise
    madvise.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
    given = 0
    for parameter in module.parameters():
        if parameter.device.type != "cpu":
            continue
        storage = parameter.untyped_storage()
        begin, end = storage.data_ptr(), storage.data_ptr() + storage.nbytes()
        mapping = bisect_right(starts, begin) - 1
        first, last = -(-begin // mmap.PAGESIZE) * mmap.PAGESIZE, end // mmap.PAGESIZE * mmap.PAGESIZE
        if mapping >= 0 and end <= ends[mapping] and first < last and not madvise(first, last - first, _PAGEOUT):
            given += last - first
    return given


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
