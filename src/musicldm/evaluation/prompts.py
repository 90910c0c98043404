"""Prompts of clips: a file of them, and what of a clip's metadata is kept with its prompt."""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from musicldm.data.sources import said_in
from musicldm.data.store import ClipRow
from musicldm.errors import DataError
from musicldm.files import read_lines, read_text
from musicldm.listeners.tempo import FASTEST, SLOWEST

FIELDS = ("genre", "drums", "lead_family", "quality", "bpm")
"""What is kept of a clip's metadata; the rest (captions, beats, …) would outweigh all that is heard of it."""
_NAMED_TEMPO = re.compile(
    r"\b(\d{2,3}(?:\.\d+)?)[\s-]*bpm\b|\b(?:tempo|bpm)[:\s]+(?:of\s+|at\s+)?(\d{2,3}(?:\.\d+)?)\b", re.I
)


@dataclass(frozen=True)
class Prompts:
    """What a file of prompts says.

    Attributes:
        path: the file.
        lines: prompts for the files in their order.
        by_name: prompt and fields of a file, by its name.
        by_text: fields of a prompt that names no file.
    """

    path: Path
    lines: tuple[str, ...] = ()
    by_name: Mapping[str, tuple[str, dict[str, Any]]] = field(default_factory=dict, hash=False)
    by_text: Mapping[str, dict[str, Any]] = field(default_factory=dict, hash=False)


def read_clip_prompts(path: Path) -> Prompts:
    """A text with a prompt a line, or JSON lines with `text` (or another caption field), with or without `file_name`.

    Raises:
        DataError: no such file, no prompt in it, or a line that is not what it should be.
    """
    if path.suffix != ".jsonl":
        return Prompts(path, tuple(read_lines(path, "prompt")))
    by_name, by_text = {}, {}
    for name, said, fields in prompt_rows(path, read_text(path, "prompts")):
        if said is None:
            raise DataError(f'{path}: a line without text: {{"text": …}} is expected, with or without file_name')
        if name is None:
            by_text[said] = fields
        else:
            by_name[name] = (said, fields)
    if not by_name and not by_text:
        raise DataError(f"{path}: no prompt in it; JSON lines with text are expected")
    return Prompts(path, (), by_name, by_text)


def prompt_rows(path: Path, text: str) -> Iterator[tuple[str | None, str | None, dict[str, Any]]]:
    """File name, first caption and other fields of each line of JSON."""
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except ValueError:
            record = None
        if not isinstance(record, dict):
            raise DataError(f"{path}: line {number} is no JSON object")
        captions, fields = said_in(record)
        name = record.get("file_name")
        yield (
            posixpath.normpath(name) if isinstance(name, str) else None,
            " ".join(captions[0].split()) if captions else None,
            kept_fields(fields),
        )


def kept_fields(fields: Mapping[str, Any]) -> dict[str, Any]:
    """`FIELDS` of a clip's metadata; the lead's family is that of the leading instrument, where these are listed."""
    kept = {name: fields[name] for name in FIELDS if fields.get(name) is not None}
    if "instruments" in fields:
        kept.setdefault("lead_family", ClipRow("", (), dict(fields)).lead_family)
    return kept


def named_tempo(text: str) -> float | None:
    """The tempo in BPM that a text names, as in "128 BPM" or "tempo: 90"; None where it names none, or several."""
    tempi = {float(before or after) for before, after in _NAMED_TEMPO.findall(text)}
    return tempi.pop() if len(tempi) == 1 and all(SLOWEST / 2 <= bpm <= 2 * FASTEST for bpm in tempi) else None
