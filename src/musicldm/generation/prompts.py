"""Prompts from a text file."""

from __future__ import annotations

import sys
from pathlib import Path

from musicldm.errors import DataError


def read_prompts(path: Path) -> list[str]:
    """The lines of a text file but for empty ones; of standard input where the path is "-".

    Raises:
        DataError: no such file, no text, or no line in it.
    """
    try:
        content = sys.stdin.buffer.read() if str(path) == "-" else path.read_bytes()
        text = content.decode("utf-8-sig")
    except OSError:
        if path.is_file():
            raise
        raise DataError(f"{path}: no such file of prompts") from None
    except UnicodeDecodeError:
        raise DataError(f"{path}: not a text file in UTF-8") from None
    prompts = [line.strip() for line in text.splitlines() if line.strip()]
    if not prompts:
        raise DataError(f"{path}: no prompt in it; one a line is expected")
    return prompts
