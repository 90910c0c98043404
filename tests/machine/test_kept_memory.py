"""The system counts the fresh pages that it gives, to a process of its own: the setting is for good."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

CODE = """
import ctypes, resource, sys
from musicldm.machine.memory import keep_freed_memory

libc = ctypes.CDLL(None)
libc.malloc.restype, libc.free.argtypes = ctypes.c_void_p, [ctypes.c_void_p]
libc.memset.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t]
told = keep_freed_memory() if sys.argv[1] == "kept" else None
for step in range(16):
    if step == 10:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    activations = [libc.malloc(40 << 20) for _ in range(3)]
    for one in activations:
        libc.memset(one, 1, 40 << 20)
    for one in activations:
        libc.free(one)
print(told, resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="an option of glibc's allocator")
def test_steps_get_fresh_pages_though_those_before_freed_as_many() -> None:
    def pages(kind: str) -> list[str]:
        return subprocess.run(
            [sys.executable, "-c", CODE, kind], capture_output=True, text=True, check=True
        ).stdout.split()

    told, kept = pages("kept")
    assert told == "True"
    assert int(kept) < 1000
    assert int(pages("usual")[1]) > 10 * int(kept) + 1000
