"""Settings in, events and takes out, without a command line."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from musicldm.audio.reading import read
from musicldm.audio.writing import read_settings
from musicldm.errors import InvalidInputError
from musicldm.events import Event, Note, Progress
from musicldm.generation.generate import FinishedTake, GenerationRequest, Loaded, generate
from musicldm.generation.settings import Settings
from musicldm.generation.tags import StoredTake
from musicldm.pipeline import MusicLDMPipeline


@pytest.fixture
def asked(tiny_model_dir: Path) -> Callable[..., GenerationRequest]:
    """A request to the tiny model."""

    def ask(*prompts: str, **given: Any) -> GenerationRequest:
        fixed = {"model": str(tiny_model_dir), "device": "cpu", "dtype": "float32", "seed": 3}
        return GenerationRequest.of(prompts, fixed | given)

    return ask


@pytest.fixture(scope="module")
def loaded(tiny_model_dir: Path) -> Loaded:
    return Loaded.of(Settings(model=str(tiny_model_dir), device="cpu", dtype="float32"))


def same(one: FinishedTake, other: FinishedTake) -> bool:
    return bool(np.array_equal(one.wave, other.wave)) and one.tags["seed"] == other.tags["seed"]


def test_takes_come_piece_by_piece_best_first_with_their_tags(asked, loaded: Loaded) -> None:
    takes = list(generate(asked("jazz", "techno", n=2), loaded))
    assert [take.prompt for take in takes] == ["jazz", "jazz", "techno", "techno"]
    assert [take.tags["rank"] for take in takes] == [1, 2, 1, 2]
    for best, other in (takes[:2], takes[2:]):
        assert {best.tags["seed"], other.tags["seed"]} == {3, 4}
        assert best.tags["score"] >= other.tags["score"]
    assert takes[0].seconds == 0.64


def test_an_encoded_take_says_what_its_tags_say(asked, loaded: Loaded, tmp_path: Path) -> None:
    (take,) = generate(asked("jazz", steps=3), loaded)
    (tmp_path / "a.flac").write_bytes(take.encode("flac"))
    assert read_settings(tmp_path / "a.flac") == take.tags
    wave, rate = read(tmp_path / "a.flac")
    assert rate == take.sample_rate
    assert np.abs(wave - take.wave).max() <= 2**-15


def test_a_model_in_memory_serves_many_requests_as_a_fresh_one_would(asked, loaded: Loaded) -> None:
    first = list(generate(asked("jazz"), loaded))
    list(generate(asked("jazz", scheduler="euler", steps=4, preset="default"), loaded))
    again = list(generate(asked("jazz"), loaded))
    fresh = list(generate(asked("jazz")))
    assert same(first[0], again[0])
    assert same(first[0], fresh[0])
    assert first[0].tags["scheduler"] == again[0].tags["scheduler"] == "ddim"


def test_only_settings_that_load_ask_for_another_model() -> None:
    plain = Settings()
    assert plain.loaded_like(Settings(steps=3, scheduler="euler", negative_prompt="x", loudness=-14, seed=1))
    for other in ({"model": "x"}, {"device": "cpu"}, {"dtype": "float32"}, {"lora": "x"}, {"lora_scale": 0.5}):
        assert not plain.loaded_like(Settings(**other))


def test_progress_is_of_all_steps_and_ends_at_the_last(asked) -> None:
    events: list[Event] = []
    list(generate(asked("jazz", "techno", n=5, steps=3), listen=events.append))
    assert all(isinstance(event, Progress) for event in events)
    assert events[0] == Progress(0, 0, "Loading the model")
    making = [(event.done, event.total) for event in events if event.what == "Making music" and event.total]
    assert [done for done, _ in making] == list(range(1, len(making) + 1))
    assert making[-1] == (making[-1][1],) * 2
    assert making[-1][0] % 3 == 0


def test_stopping_between_steps_ends_the_takes_and_keeps_those_that_came(tiny_model_dir: Path) -> None:
    steps: list[Event] = []  # two say what begins, then come four for each piece
    # Pieces of a file that is repeated are computed one after the other.
    stored = StoredTake("jazz", 3, (3, 4), 0, None, {"model": str(tiny_model_dir), "dtype": "float32"})
    request = GenerationRequest.of(["jazz", "techno", "rock"], {"steps": 4, "device": "cpu"}, stored)
    takes = list(generate(request, listen=steps.append, stop=lambda: len(steps) > 2 + 4 + 4))
    whole = list(generate(request))
    assert [take.prompt for take in takes] == ["jazz", "techno"]
    assert all(same(one, other) for one, other in zip(takes, whole, strict=False))
    assert len(whole) == 3
    assert steps[-1] == Progress(9, 12, "Making music")


def test_stopping_before_the_first_step_makes_nothing(asked, loaded: Loaded) -> None:
    events: list[Event] = []
    assert list(generate(asked("jazz"), loaded, listen=events.append, stop=lambda: True)) == []
    assert [event for event in events if isinstance(event, Progress) and event.done] == []


def test_a_model_goes_on_working_after_it_was_stopped(asked, loaded: Loaded) -> None:
    asked_twice = [False, False, True]
    list(generate(asked("jazz", steps=4), loaded, stop=lambda: asked_twice.pop(0) if asked_twice else True))
    (after,) = generate(asked("jazz", steps=4), loaded)
    (fresh,) = generate(asked("jazz", steps=4))
    assert same(after, fresh)


def test_another_model_than_the_files_is_a_note(asked, loaded: Loaded) -> None:
    stored = StoredTake("jazz", 3, (3,), 0, "sha256:other", {})
    request = GenerationRequest.of([], {"device": "cpu", "dtype": "float32"}, stored)
    events: list[Event] = []
    list(generate(request, loaded, listen=events.append))
    notes = [event.text for event in events if isinstance(event, Note)]
    assert notes == ["the model is not the one that made the file: the music will differ"]
    with pytest.warns(UserWarning, match="the model is not the one"):
        list(generate(request, loaded))


def test_a_take_says_in_which_precision_it_was_made(asked, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two batches of one piece, of which only the second one fails in bfloat16."""
    calls: list[torch.dtype] = []
    real = MusicLDMPipeline.__call__

    def call(pipeline: MusicLDMPipeline, *arguments: Any, **options: Any) -> Any:
        made = real(pipeline, *arguments, **options)
        calls.append(pipeline.unet.dtype)
        if len(calls) == 2:
            made.audios[:] = np.nan
        return made

    monkeypatch.setattr(MusicLDMPipeline, "__call__", call)
    monkeypatch.setattr("musicldm.generation.maker.fast_dtype", lambda device: torch.bfloat16)
    monkeypatch.setattr("musicldm.sampling.speed.batching.fastest_rows", lambda evaluate: 16)
    notes: list[Event] = []
    takes = list(generate(asked("jazz", n=9, dtype="auto"), listen=notes.append))
    assert calls == [torch.bfloat16, torch.bfloat16, torch.float32]
    assert {take.tags["seed"]: take.tags["dtype"] for take in takes} == {
        **dict.fromkeys(range(3, 11), "bfloat16"),
        11: "float32",
    }
    assert [event.text for event in notes if isinstance(event, Note)] == [
        "bfloat16 gives no finite sound with this model: going on in float32"
    ]


def test_what_the_model_does_not_have_is_refused_before_anything_is_made(asked, loaded: Loaded) -> None:
    for given, message in (
        ({"preset": "best"}, "unknown preset 'best'"),
        ({"scheduler": "x"}, "unknown scheduler 'x'"),
    ):
        events: list[Event] = []
        with pytest.raises(InvalidInputError, match=message):
            list(generate(asked("jazz", **given), loaded, listen=events.append))
        assert events == []


def test_generation_knows_no_command_line() -> None:
    code = (
        "import sys, musicldm.generation.generate as g, musicldm.generation.naming\n"
        "print([name for name in ('typer', 'click', 'rich', 'musicldm.cli') if name in sys.modules])"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert shown == "[]\n"
