"""`musicldm novelty` and `generate --max-similarity`, with synthetic music and an embedder without a network."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from musicldm.audio.reading import read
from musicldm.audio.writing import read_settings, write
from musicldm.errors import InvalidInputError
from musicldm.generation.rerolls import Checker, derived_seed
from musicldm.generation.settings import Settings
from tests.tiny_music import RATE, melody, save, tiny_embedder

SHORT = ("--segment", 2, "--hop", 1)


@pytest.fixture(autouse=True)
def small_embedder(monkeypatch: pytest.MonkeyPatch) -> None:
    for place in ("musicldm.listeners.embedders", "musicldm.novelty.index"):
        monkeypatch.setattr(f"{place}.open_embedder", lambda name, device="auto": tiny_embedder())


@pytest.fixture
def training(tmp_path: Path) -> Path:
    save(tmp_path / "train", [melody(seed, 5.0) for seed in range(6)])
    return tmp_path / "train"


def test_a_copy_is_called_a_copy_and_new_music_is_not(command, training: Path) -> None:
    made = command("novelty", "index", training, "--out", "index", *SHORT)
    assert (made.code, made.err) == (0, "")
    assert "clips\t6 (0.01 h), 0 with beats" in made.out
    write("copy.wav", melody(3, 5.0)[: 3 * RATE], RATE)
    write("new.wav", melody(50, 5.0), RATE)
    found = command("novelty", "check", "copy.wav", "new.wav", "--index", "index")
    assert (found.code, found.err) == (0, "")
    lines = found.out.splitlines()
    assert lines[0].startswith("copy.wav: copy: ")
    assert "3.wav from 0.0 to 3.0 s" in lines[0]
    assert not next(line for line in lines if line.startswith("new.wav")).startswith("new.wav: copy")


def test_json_has_the_verdict_and_passages_and_the_picture_is_a_png(command, training: Path) -> None:
    command("novelty", "index", training, "--out", "index", "--compact", *SHORT)
    write("a.wav", melody(1, 5.0), RATE)
    found = command("novelty", "check", "a.wav", "--index", "index", "--json", "--plot", "a.png")
    (report,) = json.loads(found.out)
    assert (report["file"], report["verdict"], report["copied"]["place"]["source"]) == ("a.wav", "copy", "1.wav")
    assert len(report["passages"]) == 4
    assert found.err == "musicldm: a.png written\n"
    assert Path("a.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("check", "a.wav", "--index", "none"), "none: no novelty index there"),
        (("check", "a.wav", "-n", "0"), "-n 0: it must be at least 1"),
        (("check", "a.wav", "b.wav", "--plot", "a.png"), "--plot a.png: give one file"),
        (("index", "nowhere", "--out", "index"), "nowhere: no such folder"),
        (("index", "nowhere", "--out", "index", "--hop", "5"), "valid is 1 <= hop <= segment"),
        (("index", "nowhere", "--out", "index", "--beats", "some"), "unknown source of beats 'some'"),
    ],
)
def test_a_mistake_is_one_line_with_code_2(command, arguments: tuple[str, ...], message: str) -> None:
    found = command("novelty", *arguments)
    assert found.code == 2
    assert found.err.startswith(f"musicldm: {message}") or message in found.err
    assert found.err.count("\n") == 1


def test_one_file_that_cannot_be_read_does_not_stop_the_others(command, training: Path) -> None:
    command("novelty", "index", training, "--out", "index", *SHORT)
    write("a.wav", melody(1, 5.0), RATE)
    write("short.wav", melody(1, 5.0)[:100], RATE)
    found = command("novelty", "check", "gone.wav", "short.wav", "a.wav", "--index", "index")
    assert found.code == 2
    assert found.out.startswith("a.wav: copy")
    assert [line.split(": ")[1] for line in found.err.splitlines()] == ["gone.wav", "short.wav"]


@pytest.fixture
def own_music(command, tiny_model_dir: Path) -> tuple[object, ...]:
    """Arguments of a run whose first seed makes what is in the index."""
    arguments = ("generate", "jazz", "--model", tiny_model_dir, "--duration", 1.28, "--seed", 5)
    Path("train").mkdir()
    command(*arguments, "-o", "train/five.wav")
    for seed in range(3):
        write(f"train/{seed}.wav", melody(seed, 1.28), RATE)
    made = command("novelty", "index", "train", "--out", "index", "--segment", 1, "--hop", 1)
    assert made.code == 0, made.err
    return (*arguments, "--novelty-index", "index")


def test_music_that_is_too_close_is_made_again_and_can_be_repeated(command, own_music: tuple[object, ...]) -> None:
    found = command(*own_music, "--max-similarity", 0.9999, "-o", "new.wav")
    assert found.code == 0
    seed = derived_seed(5, 2)
    assert "seed 5 has similarity 1.000 to five.wav" in found.err
    assert f"trying seed {seed}" in found.err
    settings = read_settings("new.wav")
    assert (settings["seed"], settings["batch"]) == (seed, [seed])
    novelty = settings["novelty"]
    assert (novelty["first_seed"], novelty["attempt"], novelty["too_close"]) == (5, 2, False)
    assert novelty["similarity"] < 0.9999
    shown = command("info", "new.wav")
    assert f"similarity {novelty['similarity']}" in shown.out
    again = command("generate", "--from-file", "new.wav", "-o", "again.wav")
    assert (again.code, again.err) == (0, "")
    assert np.array_equal(read("again.wav")[0], read("new.wav")[0])


def test_after_the_last_try_the_least_similar_is_kept_with_a_warning(command, own_music: tuple[object, ...]) -> None:
    found = command(*own_music, "--max-similarity", 0.01, "--tries", 3, "--json")
    (made,) = json.loads(found.out)["files"]
    assert made["novelty"]["too_close"]
    assert made["seed"] in (derived_seed(5, 2), derived_seed(5, 3))
    lines = found.err.splitlines()
    assert [line.rpartition(" ")[2] for line in lines[:2]] == [str(derived_seed(5, 2)), str(derived_seed(5, 3))]
    assert "still too close after 3 tries; this is the least similar of them" in lines[2]


def test_only_those_that_are_too_close_are_made_again(command, own_music: tuple[object, ...]) -> None:
    found = command(*own_music, "--max-similarity", 0.9999, "-n", 2, "--json")
    made = json.loads(found.out)["files"]
    assert sorted((one["novelty"]["first_seed"], one["novelty"]["attempt"]) for one in made) == [(5, 2), (6, 1)]


@pytest.mark.parametrize("given", ["0", "1.2", "high", "120%", "-3%", "nan"])
def test_a_limit_without_meaning_is_refused(given: str) -> None:
    with pytest.raises(InvalidInputError, match="valid is a cosine above 0 and up to 1"):
        Settings(max_similarity=given)


def test_tries_without_a_limit_are_refused(command) -> None:
    found = command("generate", "jazz", "--tries", 3)
    assert found.code == 2
    assert "have a meaning only with --max-similarity" in found.err
    with pytest.raises(InvalidInputError, match="tries 0: it must be an integer of at least 1"):
        Settings(max_similarity="0.9", tries=0)


def test_derived_seeds_are_all_different() -> None:
    seeds = {derived_seed(seed, attempt) for seed in range(50) for attempt in range(2, 6)}
    assert len(seeds) == 200
    assert all(0 <= seed < 2**32 for seed in seeds)
    # SHA-256 of "5 2", as `printf '5 2' | sha256sum` begins, least byte first
    assert derived_seed(5, 2) == int.from_bytes(bytes.fromhex("e99e144b"), "little")


@pytest.mark.parametrize(
    ("verdict", "similarity", "wanted"),
    [("copy", 0.1, True), ("new", 0.1, False), ("very close", 0.95, True), ("very close", 0.9, False)],
)
def test_a_copy_is_too_close_at_any_similarity_and_other_music_above_the_limit(
    verdict: str, similarity: float, wanted: bool
) -> None:
    checker = Checker(None, None, highest=0.9, tries=4)
    assert checker.too_close(SimpleNamespace(verdict=verdict, similarity=similarity)) == wanted
