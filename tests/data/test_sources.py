"""Every form of folder gives the same music with the same words."""

import csv
import hashlib
import io
import json
import tarfile
from pathlib import Path

import pytest

from musicldm.data.sources import Problem, Source, look_through, tags_caption
from musicldm.errors import DataError

from .conftest import write_tone


def found(folder: Path) -> dict[str, Source]:
    sources = list(look_through(folder).sources)
    assert not [one for one in sources if isinstance(one, Problem)]
    return {one.name: one for one in sources if isinstance(one, Source)}


def problems(folder: Path) -> list[tuple[str, str]]:
    return [(one.file, one.reason) for one in look_through(folder).sources if isinstance(one, Problem)]


def test_audiofolder_lines_keep_all_fields_and_both_kinds_of_captions(tmp_path: Path) -> None:
    for name in ("audio/b.flac", "audio/a.flac"):
        write_tone(tmp_path / name)
    rows = [
        {"file_name": "audio/b.flac", "text": "second", "beats": [0.5, 1.0], "genre": "jazz"},
        {"file_name": "audio/a.flac", "text": "first", "captions": ["first", "one more"], "drums": False},
    ]
    (tmp_path / "metadata.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    sources = found(tmp_path)
    assert list(sources) == ["audio/a.flac", "audio/b.flac"]
    assert sources["audio/a.flac"].captions == ("first", "one more")
    assert sources["audio/a.flac"].fields == {"drums": False}
    assert sources["audio/b.flac"].fields == {"beats": [0.5, 1.0], "genre": "jazz"}
    assert not look_through(tmp_path).bare


def test_a_csv_says_what_the_same_jsonl_says(tmp_path: Path) -> None:
    write_tone(tmp_path / "sub" / "a.wav")
    rows = [{"file_name": "a.wav", "text": "a line,\nthen another", "beats": "[0.5, 1.0]", "bpm": "120", "key": "A"}]
    with (tmp_path / "sub" / "metadata.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    source = found(tmp_path)["sub/a.wav"]
    assert source.captions == ("a line, then another",)
    assert source.fields == {"beats": [0.5, 1.0], "bpm": 120, "key": "A"}


def test_texts_beside_a_file_are_its_captions(tmp_path: Path) -> None:
    write_tone(tmp_path / "a.ogg")
    write_tone(tmp_path / "b.mp3")
    (tmp_path / "a.txt").write_text("one\n\n  two words \n", encoding="utf-8")
    (tmp_path / "b_prompt.txt").write_text("\ufeffprompt", encoding="utf-8")
    assert {name: source.captions for name, source in found(tmp_path).items()} == {
        "a.ogg": ("one", "two words"),
        "b.mp3": ("prompt",),
    }


def test_musicgens_json_gives_its_description_and_its_tags(tmp_path: Path) -> None:
    write_tone(tmp_path / "a.mp3")
    about = {
        "key": "D minor", "artist": "Somebody", "sample_rate": 48000, "title": "A song", "description": "A slow piece",
        "keywords": "calm, night", "genre": "ambient", "bpm": "72", "moods": ["dark"], "instrument": "pad", "name": 0,
    }  # fmt: skip
    (tmp_path / "a.json").write_text(json.dumps(about), encoding="utf-8")
    source = found(tmp_path)["a.mp3"]
    assert source.captions == ("A slow piece", "ambient, dark, pad, calm, night, 72 BPM, in D minor")
    assert source.fields["artist"] == "Somebody"
    assert "description" not in source.fields


@pytest.mark.parametrize("record", [{}, {"bpm": "fast"}, {"genre": None, "key": 3}, {"bpm": 0}])
def test_tags_without_words_make_no_caption(record: dict[str, object]) -> None:
    assert tags_caption(record) == ""


def test_a_webdataset_tar_gives_what_its_files_would(tmp_path: Path) -> None:
    loose, packed = tmp_path / "loose", tmp_path / "packed"
    for index in range(3):
        write_tone(loose / f"{index}.wav", hertz=300 + index)
        (loose / f"{index}.txt").write_text(f"tone {index}", encoding="utf-8")
        (loose / f"{index}.json").write_text(json.dumps({"seed": index}), encoding="utf-8")
    packed.mkdir()
    with tarfile.open(packed / "x-000.tar", "w") as tar:
        for path in sorted(loose.iterdir()):
            tar.add(path, path.name)
    inside, outside = found(packed), found(loose)
    assert list(inside) == [f"x-000.tar/{name}" for name in outside]
    for name, source in outside.items():
        member = inside[f"x-000.tar/{name}"]
        assert (member.captions, member.fields, member.digest) == (source.captions, source.fields, source.digest)
        with member.open(packed) as file, source.open(loose) as other:
            assert file.read() == other.read()
    assert list(found(packed / "x-000.tar")) == list(inside)


def test_a_bare_folder_takes_captions_from_the_names_of_folders(tmp_path: Path) -> None:
    write_tone(tmp_path / "My_Techno" / "late-night" / "x.wav")
    listing = look_through(tmp_path)
    (source,) = listing.sources
    assert listing.bare
    assert isinstance(source, Source)
    assert (source.captions, source.tagged) == (("My Techno, late night",), True)


def test_what_cannot_be_used_is_named_with_its_reason(tmp_path: Path) -> None:
    for name in ("a.wav", "b.wav", "c.wav", ".hidden.wav"):
        write_tone(tmp_path / name)
    (tmp_path / "a.json").write_text("[1]", encoding="utf-8")
    (tmp_path / "c.txt").write_text("  \n", encoding="utf-8")
    (tmp_path / "d.tar").write_bytes(b"no tar" * 200)
    (tmp_path / "metadata.jsonl").write_text(
        '{"file_name": "gone.wav", "text": "x"}\n{"text": "nothing"}\nno json\n', encoding="utf-8"
    )
    assert problems(tmp_path) == [
        ("metadata.jsonl", "bad metadata"),
        ("metadata.jsonl", "bad metadata"),
        ("a.wav", "bad metadata"),
        ("b.wav", "no caption"),
        ("c.wav", "no caption"),
        ("d.tar", "corrupt"),
        ("gone.wav", "missing"),
    ]


@pytest.mark.parametrize("change", ["sound", "caption", "field"])
def test_a_digest_changes_with_sound_and_words_and_with_nothing_else(tmp_path: Path, change: str) -> None:
    def digest() -> str:
        return found(tmp_path)["a.wav"].digest

    write_tone(tmp_path / "a.wav")
    (tmp_path / "a.txt").write_text("one", encoding="utf-8")
    before = digest()
    content = (tmp_path / "a.wav").read_bytes()
    assert before == hashlib.sha256(json.dumps([["one"], {}]).encode() + content).hexdigest()
    (tmp_path / "a.wav").write_bytes(content)
    assert digest() == before
    if change == "sound":
        (tmp_path / "a.wav").write_bytes(content[:-1] + b"\1")
    elif change == "caption":
        (tmp_path / "a.txt").write_text("two", encoding="utf-8")
    else:
        (tmp_path / "a.json").write_text('{"seed": 1}', encoding="utf-8")
    assert digest() != before


def test_a_folder_without_audio_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such folder"):
        look_through(tmp_path / "gone")
    (tmp_path / "a.txt").write_text("x")
    with pytest.raises(DataError, match=r"holds no audio: valid are .*\.flac"):
        look_through(tmp_path)


def test_a_large_tar_is_not_kept_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with tarfile.open(tmp_path / "x.tar", "w") as tar:
        for index in range(50):
            for suffix, content in (("wav", b"0" * 100), ("txt", b"word")):
                info = tarfile.TarInfo(f"{index}.{suffix}")
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
    held = []
    original = tarfile.TarFile.next

    def counted(tar: tarfile.TarFile) -> tarfile.TarInfo | None:
        held.append(len(tar.members))
        return original(tar)

    monkeypatch.setattr(tarfile.TarFile, "next", counted)
    assert len(found(tmp_path)) == 50
    assert max(held) <= 2
