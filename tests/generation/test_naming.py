"""Names of files: from prompts, from -o and --format."""

from __future__ import annotations

from pathlib import Path

import pytest

from musicldm.generation.naming import Target, slug


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Melodic techno, with a FAST beat!", "melodic-techno-with-a-fast-beat"),
        ("  ../../etc/passwd ", "etc-passwd"),
        ("日本の音楽", "日本の音楽"),
        ("", "music"),
        ("?!", "music"),
        ("a" * 60, "a" * 48),
        ("one two three four five six seven eight nine ten eleven", "one-two-three-four-five-six-seven-eight-nine-ten"),
    ],
)
def test_a_prompt_gives_its_file_name(text: str, name: str) -> None:
    assert slug(text) == name


@pytest.mark.parametrize(
    ("out", "slash", "given", "expected"),
    [
        (None, False, None, (".", None, "wav")),
        (None, False, "ogg", (".", None, "ogg")),
        ("new", False, None, ("new", None, "wav")),
        ("new.d", True, None, ("new.d", None, "wav")),
        ("there.wav", False, "mp3", ("there.wav", None, "mp3")),
        ("new/song.FLAC", False, None, ("new", "song", "flac")),
        ("song.a.mp3", False, "mp3", (".", "song.a", "mp3")),
    ],
)
def test_out_and_format_decide_folder_name_and_format(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, out: str | None, slash: bool, given: str | None, expected: tuple
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("there.wav").mkdir()
    target = Target.of(None if out is None else Path(out), slash, given)
    assert (str(target.folder), target.stem, target.audio_format) == expected
    assert target.folder.is_dir()
