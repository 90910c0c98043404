"""Standard output that takes every text, and what the system says of a pipe that nobody reads any more."""

from __future__ import annotations

import codecs
import errno
import io
import json
import sys


def escape_what_does_not_fit() -> None:
    r"""Lets standard output write characters that its encoding lacks as `\u03b3`, which JSON reads back.

    An encoding is that of the console's country on Windows, and of the locale elsewhere; a file's name may hold bytes
    that are no text at all.
    """
    codecs.register_error("musicldm.escape", _escaped)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="musicldm.escape")


def _escaped(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeEncodeError)
    return json.dumps(error.object[error.start : error.end])[1:-1], error.end


def reader_is_gone(error: OSError) -> bool:
    """Whether an error means that whoever read our output has gone; Windows calls that an invalid argument."""
    return isinstance(error, BrokenPipeError) or (
        sys.platform == "win32" and error.errno == errno.EINVAL and error.filename is None
    )
