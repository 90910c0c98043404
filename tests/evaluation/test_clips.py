import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from musicldm.audio.writing import write
from musicldm.data.manifest import PrepareSettings
from musicldm.data.prepare import prepare
from musicldm.errors import DataError
from musicldm.evaluation.clips import Piece, find_music, load_piece, prompt_inside
from musicldm.evaluation.prompts import named_tempo, read_clip_prompts
from musicldm.machine.parallel import WorkerPool

from .conftest import PROMPTS, RATE, tone, write_music


def touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def test_files_are_in_the_order_of_their_numbers_and_hidden_ones_are_left_out(tmp_path):
    touch(tmp_path, "a-10.wav", "a-2.wav", "a.wav", "b/1.flac", ".hidden.wav", ".git/x.wav", "notes.pdf")
    assert [piece.name for piece in find_music(tmp_path)] == ["a.wav", "a-2.wav", "a-10.wav", "b/1.flac"]


def test_prompts_of_metadata_and_of_texts_beside_are_found(tmp_path):
    touch(tmp_path, "deep/a.wav", "b.wav", "c.wav")
    (tmp_path / "deep" / "metadata.jsonl").write_text(
        '{"file_name": "a.wav", "captions": ["one", "two"], "bpm": 90, "beats": [1]}\n'
    )
    (tmp_path / "b.txt").write_text("\nfrom the text\nmore")
    found = {piece.name: piece for piece in find_music(tmp_path)}
    assert (found["deep/a.wav"].prompt, found["deep/a.wav"].fields) == ("one", {"bpm": 90})
    assert (found["b.wav"].prompt, found["c.wav"].prompt) == ("from the text", None)


def test_the_lead_is_that_of_the_leading_instrument(tmp_path):
    touch(tmp_path, "a.wav", "b.wav", "c.wav")
    parts = [{"family": "bass", "role": "bass"}, {"family": "flute", "role": "lead"}]
    rows = [{"instruments": parts}, {"instruments": parts[:1]}, {"lead_family": "organ"}]
    lines = [{"file_name": f"{name}.wav", "text": "x", **row} for name, row in zip("abc", rows, strict=True)]
    (tmp_path / "metadata.jsonl").write_text("\n".join(map(json.dumps, lines)))
    assert [piece.fields["lead_family"] for piece in find_music(tmp_path)] == ["flute", "none", "organ"]


def test_lines_of_prompts_go_to_the_files_in_order(tmp_path):
    music = write_music(tmp_path / "music", 3, prompts=False)
    (tmp_path / "p.txt").write_text("\ufeffone\n\n two \nthree\n", encoding="utf-8")
    pieces = find_music(music, read_clip_prompts(tmp_path / "p.txt"))
    assert [(piece.name, piece.prompt) for piece in pieces] == [("0.wav", "one"), ("1.wav", "two"), ("2.wav", "three")]
    (tmp_path / "p.txt").write_text("one\n")
    with pytest.raises(DataError, match=r"has 1 prompts and .* 3 clips"):
        find_music(music, read_clip_prompts(tmp_path / "p.txt"))


def test_prompts_by_name_keep_their_fields_and_those_of_the_folder(tmp_path):
    music = write_music(tmp_path / "music", 2)
    rows = [{"file_name": "1.wav", "text": "mine", "bpm": 100}]
    (tmp_path / "p.jsonl").write_text("\n".join(map(json.dumps, rows)))
    zero, one = find_music(music, read_clip_prompts(tmp_path / "p.jsonl"))
    assert (zero.prompt, one.prompt) == (PROMPTS[0], "mine")
    assert one.fields == {"genre": "ambient", "drums": False, "bpm": 100}
    (tmp_path / "p.jsonl").write_text(json.dumps({"file_name": "9.wav", "text": "x"}))
    with pytest.raises(DataError, match=r"names 9\.wav, which is not in"):
        find_music(music, read_clip_prompts(tmp_path / "p.jsonl"))


def test_what_is_said_of_a_prompt_reaches_the_files_made_from_it(tmp_path):
    (tmp_path / "music").mkdir()
    for index, prompt in enumerate(("calm piano", "jazz", "calm piano")):
        write(tmp_path / "music" / f"{index}.flac", tone(300), RATE, settings={"prompt": prompt})
    (tmp_path / "p.jsonl").write_text(
        '{"text": "calm  piano", "genre": "classical"}\n{"text": "rock", "genre": "rock"}'
    )
    pieces = find_music(tmp_path / "music", read_clip_prompts(tmp_path / "p.jsonl"))
    assert [(piece.prompt, piece.fields.get("genre")) for piece in pieces] == [
        ("calm piano", "classical"),
        ("jazz", None),
        ("calm piano", "classical"),
    ]
    (tmp_path / "p.jsonl").write_text('{"text": "rock"}')
    with pytest.raises(DataError, match=r"none of the prompts in .* add file_name"):
        find_music(tmp_path / "music", read_clip_prompts(tmp_path / "p.jsonl"))


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("gone.txt", None, "no such file of prompts"),
        ("empty.txt", "\n \n", "no prompt in it; one a line"),
        ("empty.jsonl", "", "no prompt in it; JSON lines"),
        ("bad.jsonl", "hello", "line 1 is no JSON object"),
        ("bad.jsonl", '{"file_name": "a.wav"}', "a line without text"),
    ],
)
def test_files_without_prompts_are_refused(tmp_path, name, content, words):
    if content is not None:
        (tmp_path / name).write_text(content)
    with pytest.raises(DataError, match=words):
        read_clip_prompts(tmp_path / name)


def test_folders_without_music_are_refused(tmp_path):
    with pytest.raises(DataError, match="no such folder"):
        find_music(tmp_path / "gone")
    touch(tmp_path, "index/clips.faiss", "index/manifest.json")
    with pytest.raises(DataError, match="is a novelty index: give the folder that it was made of"):
        find_music(tmp_path / "index")
    with pytest.raises(DataError, match=r"holds no audio: valid are \.aac"):
        find_music(tmp_path)


def test_prepared_clips_have_the_sound_of_their_sources(tmp_path):
    write_music(tmp_path / "music", 2, seconds=2.5)
    settings = PrepareSettings(seconds=1.0, normalize="none", beats="metadata")
    prepare(tmp_path / "music", tmp_path / "data", settings, pool=WorkerPool(workers=1))
    pieces = find_music(tmp_path / "data")
    assert [piece.name for piece in pieces] == [f"{i}.wav{start}" for i in (0, 1) for start in ("", "@1s", "@2s")]
    assert pieces[0].prompt == PROMPTS[0]
    assert pieces[0].fields["genre"] == "techno"
    wave, rate, seconds = load_piece(pieces[1], 30.0)
    assert (rate, seconds) == (RATE, 1.0)
    assert wave == pytest.approx(tone(200, 2.5)[RATE : 2 * RATE], abs=1e-3)


def test_of_a_long_file_the_middle_is_read(tmp_path):
    wave = np.linspace(-0.5, 0.5, 10 * RATE).astype(np.float32)
    soundfile.write(tmp_path / "a.flac", np.stack([wave, 0 * wave], axis=1), RATE, subtype="PCM_24")
    found, rate, seconds = load_piece(Piece("a.flac", tmp_path), 2.0)
    assert (rate, seconds) == (RATE, 10.0)
    assert found == pytest.approx(wave[4 * RATE : 6 * RATE] / 2, abs=1e-6)


@pytest.mark.parametrize(("name", "words"), [("a.wav", "not an audio file"), ("a.m4a", "convert it to WAV")])
def test_what_is_no_audio_is_refused(tmp_path, name, words):
    (tmp_path / name).write_text("words")
    with pytest.raises(DataError, match=words):
        load_piece(Piece(name, tmp_path), 30)


@pytest.mark.parametrize("ending", ["wav", "flac", "ogg", "mp3"])
def test_the_prompt_inside_a_file_is_found(tmp_path, ending):
    write(tmp_path / f"a.{ending}", tone(300), RATE, settings={"prompt": "calm piano"})
    assert prompt_inside(Piece(f"a.{ending}", tmp_path)) == "calm piano"
    write(tmp_path / f"b.{ending}", tone(300), RATE)
    assert prompt_inside(Piece(f"b.{ending}", tmp_path)) is None


@pytest.mark.parametrize(
    ("text", "bpm"),
    [
        ("techno at 132 BPM", 132.0),
        ("a 97.5bpm groove", 97.5),
        ("85-bpm reggae", 85.0),
        ("slow, tempo: 72, piano", 72.0),
        ("bpm 115 - sunny", 115.0),
        ("a song from 1975 with 12 strings", None),
        ("between 120 BPM and 140 BPM", None),
        ("at 120 BPM, tempo 120", 120.0),
        ("music at 999 BPM", None),
    ],
)
def test_a_named_tempo_is_found_and_none_is_made_up(text, bpm):
    assert named_tempo(text) == bpm
