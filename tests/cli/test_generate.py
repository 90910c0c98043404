"""`musicldm generate` with a tiny model: files, settings, repetition, and what it refuses."""

from __future__ import annotations

import json
import re
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from musicldm import MusicLDMPipeline, __version__
from musicldm.audio.levels import PEAK, loudness
from musicldm.audio.reading import read
from musicldm.audio.writing import read_settings
from musicldm.generation.settings import Settings
from musicldm.generation.tags import model_hash
from musicldm.machine.devices import fast_dtype
from musicldm.model.decoding import VaeAndVocoder
from musicldm.model.folder import resolve
from musicldm.training.networks.lora import add_lora, save_lora
from tests.tiny_model import build_tiny_model


def test_a_file_says_what_made_it(command, tiny_model_dir: Path) -> None:
    outcome = command(
        "generate", "calm piano", "--negative-prompt", "noisy", "--model", tiny_model_dir, "--seed", 7, "--steps", 3,
        "--guidance", 2.5, "--scheduler", "euler", "--duration", 0.48, "--device", "cpu", "-o", "a.flac",
    )  # fmt: skip
    assert (outcome.code, outcome.err) == (0, "")
    settings = read_settings("a.flac")
    expected = {
        "musicldm": __version__,
        "ai_generated": True,
        "prompt": "calm piano",
        "negative_prompt": "noisy",
        "seed": 7,
        "batch": [7],
        "n": 1,
        "rank": 1,
        "steps": 3,
        "guidance": 2.5,
        "scheduler": "euler",
        "duration": 0.48,
        "device": "cpu",
        "dtype": str(fast_dtype("cpu")).removeprefix("torch."),
        "loudness": "peak",
        "model": str(tiny_model_dir),
        "model_hash": model_hash(tiny_model_dir),
        "sample_rate": 16000,
    }
    assert {key: settings[key] for key in expected} == expected
    assert -1 <= settings["score"] <= 1
    wave, rate = read("a.flac")
    assert (len(wave), rate) == (7680, 16000)
    assert np.abs(wave).max() == pytest.approx(PEAK, abs=1e-4)


def test_settings_that_the_model_decides_are_written_down(command, tiny_model_dir: Path) -> None:
    command("generate", "jazz", "--model", tiny_model_dir, "-o", "a.wav")
    settings = read_settings("a.wav")
    own = {"steps": 2, "guidance": 2.0, "duration": 0.64, "scheduler": "ddim", "negative_prompt": None}
    assert {key: settings[key] for key in own} == own


def test_a_guidance_interval_is_repeated_from_a_file(command, tiny_model_dir: Path) -> None:
    options = ("--model", tiny_model_dir, "--seed", 1, "--steps", 4, "--scheduler", "ddim")
    command("generate", "jazz", *options, "--guidance-interval", "0.5,1", "-o", "a.wav")
    command("generate", "--from-file", "a.wav", "-o", "b.wav")
    command("generate", "jazz", *options, "-o", "c.wav")
    assert read_settings("a.wav")["guidance_interval"] == [0.5, 1.0]
    waves = [read(name)[0] for name in ("a.wav", "b.wav", "c.wav")]
    assert np.array_equal(waves[0], waves[1])
    assert not np.array_equal(waves[0], waves[2])


@pytest.mark.parametrize("ending", ["wav", "flac", "ogg", "mp3"])
def test_a_repeated_file_is_the_same_to_the_sample(command, tiny_model_dir: Path, ending: str) -> None:
    made = command(
        "generate", "techno", "-n", 3, "--model", tiny_model_dir, "-o", "first/", "--format", ending,
        "--loudness", -20, "--steps", 4, "--scheduler", "dpmsolver++_sde",
    )  # fmt: skip
    assert made.code == 0
    for path in list(Path("first").iterdir())[1:]:
        outcome = command("generate", "--from-file", path, "-o", "again/", "--json")
        (again,) = json.loads(outcome.out)["files"]
        assert again["file"].endswith(ending)
        assert again["seed"] == read_settings(path)["seed"]
        assert np.array_equal(read(again["file"])[0], read(path)[0])


def test_an_option_beside_from_file_overrides_the_file(command, tiny_model_dir: Path) -> None:
    command("generate", "techno", "--seed", 3, "-n", 2, "--model", tiny_model_dir, "-o", "a.wav", "--steps", 4)
    outcome = command("generate", "--from-file", "a.wav", "--steps", 5, "-o", "b.wav", "--json")
    (changed,) = json.loads(outcome.out)["files"]
    assert (changed["steps"], changed["prompt"], changed["batch"]) == (5, "techno", [3, 4])
    outcome = command("generate", "jazz", "--from-file", "a.wav", "--seed", 9, "-o", "c.wav", "--json")
    (other,) = json.loads(outcome.out)["files"]
    assert (other["prompt"], other["seed"], other["steps"]) == ("jazz", 9, 4)


def test_another_model_under_the_same_name_is_a_warning(command, tiny_model_dir: Path, monkeypatch) -> None:
    command("generate", "techno", "--model", tiny_model_dir, "-o", "a.wav")
    monkeypatch.setattr("musicldm.generation.maker.model_hash", lambda folder, lora: "sha256:other")
    outcome = command("generate", "--from-file", "a.wav", "-o", "b.wav")
    assert outcome.code == 0
    assert outcome.err == "musicldm: the model is not the one that made the file: the music will differ\n"


def test_variations_are_best_first_and_each_has_its_own_seed(command, tiny_model_dir: Path) -> None:
    outcome = command("generate", "techno", "jazz", "-n", 3, "--seed", 5, "--model", tiny_model_dir, "--json")
    made = json.loads(outcome.out)["files"]
    assert [one["prompt"] for one in made] == ["techno"] * 3 + ["jazz"] * 3
    for start in (0, 3):
        group = made[start : start + 3]
        assert sorted(one["seed"] for one in group) == [5, 6, 7]
        assert [one["rank"] for one in group] == [1, 2, 3]
        scores = [one["score"] for one in group]
        assert scores == sorted(scores, reverse=True)


def test_variations_are_ranked_across_batches(command, tiny_model_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("musicldm.sampling.speed.batching.fastest_rows", lambda evaluate: 16)
    outcome = command("generate", "techno", "-n", 10, "--seed", 0, "--model", tiny_model_dir, "--json")
    made = json.loads(outcome.out)["files"]
    scores = [one["score"] for one in made]
    assert len(scores) == 10
    assert scores == sorted(scores, reverse=True)
    assert {tuple(one["batch"]) for one in made} == {tuple(range(8)), (8, 9)}


def test_a_random_seed_is_new_each_time_and_printed(command, tiny_model_dir: Path) -> None:
    rows = [command("generate", "jazz", "--model", tiny_model_dir).out.strip().split("\t") for _ in range(2)]
    assert rows[0][1] != rows[1][1]
    for file, seed, score, length in rows:
        assert read_settings(file)["seed"] == int(seed)
        assert re.fullmatch(r"-?0\.\d{3}", score)
        assert length == "0.64 s"
    again = command("generate", "jazz", "--model", tiny_model_dir, "--seed", rows[0][1], "-o", "again.wav")
    assert again.code == 0
    assert np.array_equal(read("again.wav")[0], read(rows[0][0])[0])


def test_an_existing_file_is_kept(command, tiny_model_dir: Path) -> None:
    Path("a.wav").write_text("mine")
    Path("a-2.wav").write_text("mine too")
    command("generate", "jazz", "-n", 2, "--model", tiny_model_dir, "-o", "a.wav")
    assert (Path("a.wav").read_text(), Path("a-2.wav").read_text()) == ("mine", "mine too")
    assert read_settings("a-3.wav")["rank"] == 1
    assert read_settings("a-4.wav")["rank"] == 2


def test_a_file_without_name_is_dated_and_named_by_its_prompt(command, tiny_model_dir: Path) -> None:
    command("generate", "Deep House, 124 BPM!", "--model", tiny_model_dir)
    (path,) = Path().glob("*.wav")
    assert re.fullmatch(r"\d{4}-\d\d-\d\d-deep-house-124-bpm\.wav", path.name)


def test_prompts_of_a_file_follow_those_of_the_command_line(command, tiny_model_dir: Path, tmp_path: Path) -> None:
    (tmp_path / "prompts.txt").write_text("\ufefftechno\n\n  naïve jazz \r\n", encoding="utf-8")
    outcome = command("generate", "rock", "--prompts-file", "prompts.txt", "--model", tiny_model_dir, "--json")
    assert [one["prompt"] for one in json.loads(outcome.out)["files"]] == ["rock", "techno", "naïve jazz"]


def test_loudness_is_what_was_asked_for(command, tiny_model_dir: Path) -> None:
    command("generate", "rock", "--model", tiny_model_dir, "--loudness", "-23", "-o", "a.wav")
    assert loudness(*read("a.wav")) == pytest.approx(-23, abs=0.3)


def test_the_empty_prompt_is_accepted(command, tiny_model_dir: Path) -> None:
    assert command("generate", "", "--model", tiny_model_dir, "-o", "a.wav").code == 0
    assert read_settings("a.wav")["prompt"] == ""


def test_a_warning_of_the_pipeline_is_one_line(command, tiny_model_dir: Path) -> None:
    outcome = command("generate", "jazz", "--duration", 10.4, "--steps", 1, "--model", tiny_model_dir)
    assert outcome.code == 0
    assert re.fullmatch(
        r"musicldm: audio_length_in_s is 10\.4: this model was trained on clips of 10\.24 s, .*\n", outcome.err
    )


def test_a_full_disk_leaves_no_file(command, tiny_model_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("musicldm.files.flush_file", full)
    outcome = command("generate", "jazz", "--model", tiny_model_dir, "-o", "a.wav")
    assert (outcome.code, outcome.err) == (1, "musicldm: a.wav: No space left on device\n")
    assert not list(Path().iterdir())


def test_sound_that_is_not_finite_is_refused(command, tiny_model_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(VaeAndVocoder, "__call__", lambda decoder, latents, samples: np_nan(len(latents), samples))
    outcome = command("generate", "jazz", "--model", tiny_model_dir, "-o", "a.wav", "--dtype", "bfloat16")
    assert outcome.code == 2
    assert "dtype bfloat16: this model gives no finite sound in it; choose float32" in outcome.err
    outcome = command("generate", "jazz", "--model", tiny_model_dir, "-o", "a.wav")
    assert outcome.code == 2
    assert "dtype float32: this model gives no finite sound in it" in outcome.err
    assert not list(Path().iterdir())


def test_a_precision_that_nobody_chose_and_that_fails_becomes_float32(
    command, tiny_model_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("musicldm.generation.maker.fast_dtype", lambda device: torch.bfloat16)
    whole = VaeAndVocoder.__call__

    def fails_in_half(decoder: VaeAndVocoder, latents: torch.Tensor, samples: int) -> torch.Tensor:
        return whole(decoder, latents, samples) if decoder.vae.dtype == torch.float32 else np_nan(len(latents), samples)

    monkeypatch.setattr(VaeAndVocoder, "__call__", fails_in_half)
    options = ("--model", tiny_model_dir, "--seed", 3)
    outcome = command("generate", "jazz", "rock", *options, "-o", "auto/")
    assert outcome.code == 0
    assert "bfloat16 gives no finite sound with this model: going on in float32" in outcome.err
    command("generate", "jazz", "rock", *options, "--dtype", "float32", "-o", "full/")
    for one, other in zip(sorted(Path("auto").iterdir()), sorted(Path("full").iterdir()), strict=True):
        assert read_settings(one)["dtype"] == "float32"
        assert np.array_equal(read(one)[0], read(other)[0])


def test_prompts_share_a_batch_and_each_gets_its_own_music(command, tiny_model_dir: Path) -> None:
    options = ("--model", tiny_model_dir, "--seed", 3, "--dtype", "float32")
    made = command("generate", "calm piano", "fast techno", "calm piano", "-n", 2, *options, "-o", "all/", "--json")
    files = json.loads(made.out)["files"]
    assert [one["prompt"] for one in files] == ["calm piano"] * 2 + ["fast techno"] * 2 + ["calm piano"] * 2
    assert {tuple(one["batch"]) for one in files} == {(3, 4, 3, 4, 3, 4)}
    assert [sorted((one["rank"], one["n"]) for one in files[k : k + 2]) for k in (0, 2, 4)] == 3 * [[(1, 2), (2, 2)]]
    for one in files:
        command("generate", "--from-file", one["file"], "-o", "again.wav")
        assert np.array_equal(read("again.wav")[0], read(one["file"])[0])
        Path("again.wav").unlink()
        command("generate", one["prompt"], *options[:2], "--seed", one["seed"], "--dtype", "float32", "-o", "alone.wav")
        assert np.allclose(read("alone.wav")[0], read(one["file"])[0], atol=1e-3)
        Path("alone.wav").unlink()


def test_the_fastest_batch_is_measured_once_and_only_for_much_work(
    command, tiny_model_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sought: list[tuple[int, ...]] = []

    def fastest(evaluate: Any) -> int:
        sought.append(())
        return 6

    monkeypatch.setattr("musicldm.sampling.speed.batching.fastest_rows", fastest)
    options = ("--model", tiny_model_dir, "--seed", 3, "--json")
    few = json.loads(command("generate", "jazz", "-n", 8, *options).out)["files"]
    assert (sought, len(few[0]["batch"])) == ([], 8)
    for _ in range(2):
        many = json.loads(command("generate", "jazz", "-n", 10, *options).out)["files"]
        assert sorted(len(one["batch"]) for one in many) == [1] + 9 * [3]
    assert sought == [()]


@pytest.mark.skipif(find_spec("openvino") is None, reason="extra openvino")
def test_an_engine_is_used_and_repeated_from_a_file(
    command, tiny_model_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    used: list[torch.dtype] = []
    enable = MusicLDMPipeline.enable_openvino

    def spied(pipeline: MusicLDMPipeline, dtype: torch.dtype) -> None:
        used.append(dtype)
        enable(pipeline, dtype)

    monkeypatch.setattr(MusicLDMPipeline, "enable_openvino", spied)
    options = ("--model", tiny_model_dir, "--seed", 1)
    command("generate", "jazz", *options, "--engine", "openvino", "-o", "a.wav")
    command("generate", "--from-file", "a.wav", "-o", "b.wav")
    command("generate", "jazz", *options, "-o", "c.wav")
    settings = [read_settings(f"{name}.wav") for name in "abc"]
    assert [one["engine"] for one in settings] == ["openvino", "openvino", "torch"]
    assert {one["dtype"] for one in settings} == {str(fast_dtype("cpu")).removeprefix("torch.")}
    first, again, other = (read(f"{name}.wav")[0] for name in "abc")
    assert np.array_equal(first, again)
    assert used == 2 * [fast_dtype("cpu")]
    assert np.sqrt(np.square(first - other).mean()) < 0.2 * np.sqrt(np.square(other).mean())


def test_a_preset_is_used_and_overrides_a_file(command, tiny_model_dir: Path, tmp_path: Path) -> None:
    own = {"num_inference_steps": 4, "guidance_scale": 2.0, "audio_length_in_s": 0.64, "scheduler": "ddim"}
    draft = {"num_inference_steps": 2, "scheduler": "euler", "cache_interval": 2}
    model = build_tiny_model(tmp_path / "own", settings={**own, "presets": {"draft": draft}})
    command("generate", "jazz", "--model", model, "--preset", "draft", "--seed", 1, "-o", "a.wav")
    command("generate", "jazz", "--model", model, "--seed", 1, "-o", "b.wav")
    command("generate", "--from-file", "b.wav", "--preset", "draft", "-o", "c.wav")
    command("generate", "--from-file", "a.wav", "-o", "d.wav")
    decided = ("preset", "steps", "scheduler", "cache_interval")
    told = [tuple(read_settings(f"{name}.wav")[key] for key in decided) for name in "abcd"]
    assert told == [
        ("draft", 2, "euler", 2),
        ("default", 4, "ddim", 1),
        ("draft", 2, "euler", 2),
        ("draft", 2, "euler", 2),
    ]
    waves = [read(f"{name}.wav")[0] for name in "abcd"]
    assert np.array_equal(waves[0], waves[2])
    assert np.array_equal(waves[0], waves[3])
    assert not np.array_equal(waves[0], waves[1])
    outcome = command("generate", "jazz", "--model", model, "--preset", "best")
    assert (outcome.code, outcome.err) == (2, "musicldm: unknown preset 'best': choose one of default, draft\n")


def np_nan(count: int, samples: int):
    import torch

    return torch.full((count, samples), float("nan"))


def resolve_only(settings: Settings) -> None:
    resolve(settings.model)
    pytest.fail("the model is loaded")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "no prompt: give at least one"),
        (["x", "--model", "/no/model"], "no model '/no/model'"),
        (["x", "--device", "gpu"], "unknown device 'gpu': choose one of auto, cpu, cuda, mps"),
        (["x", "--engine", "onnx"], "unknown engine 'onnx': choose one of torch, openvino"),
        (["x", "--engine", "openvino", "--device", "cuda"], "engine openvino with cuda and auto: valid are"),
        (["x", "--engine", "openvino", "--dtype", "float16"], "valid are cpu, and float32, bfloat16 or int8"),
        (["x", "--dtype", "int8"], "dtype int8 with engine torch: only engine openvino computes with int8"),
        (["x", "--preset", "draft", "--steps", "0"], "steps 0: it must be an integer of at least 1"),
        (["x", "--cache-interval", "0"], "cache interval 0: it must be an integer of at least 1"),
        (["x", "--dtype", "int4"], "unknown dtype 'int4': choose one of auto, float32"),
        (["x", "--format", "aac"], "unknown audio format 'aac': choose one of wav"),
        (["x", "-o", "a.aac"], "unknown audio format 'aac': choose one of wav"),
        (["x", "-o", "a.mp3", "--format", "wav"], "-o a.mp3 ends in mp3, but --format is wav"),
        (["x", "--duration", "nan"], "duration nan: it must be a finite number above 0"),
        (["x", "--duration", "0"], "duration 0: it must"),
        (["x", "--steps", "0"], "steps 0: it must be an integer of at least 1"),
        (["x", "--guidance", "inf"], "guidance inf: it must be a finite number"),
        (["x", "--guidance-interval", "0.5"], "guidance interval '0.5': it must be two numbers from 0 (clean) to 1"),
        (["x", "--guidance-interval", "0.9,0.2"], "guidance interval '0.9,0.2': it must be two numbers"),
        (["x", "-n", "0"], "n 0: it must be an integer of at least 1"),
        (["x", "--seed", "-2"], "seed -2: it must be -1 (random) or 0 to"),
        (["x", "--loudness", "loud"], "loudness 'loud': valid is 'peak' or LUFS"),
        (["--prompts-file", "gone.txt"], "gone.txt: no such file of prompts"),
        (["--from-file", "gone.wav"], "gone.wav: no such file"),
    ],
)
def test_a_meaningless_argument_is_refused_before_the_model_is_loaded(
    command, monkeypatch: pytest.MonkeyPatch, arguments: list[str], message: str
) -> None:
    monkeypatch.setattr("musicldm.generation.maker.load_pipeline", resolve_only)
    outcome = command("generate", *arguments)
    assert outcome.code == 2
    assert outcome.err.count("\n") == 1
    assert message in outcome.err


def test_an_unknown_scheduler_or_an_absent_device_is_refused(command, tiny_model_dir: Path) -> None:
    outcome = command("generate", "x", "--scheduler", "foo", "--model", tiny_model_dir)
    assert outcome.code == 2
    assert outcome.err.startswith("musicldm: unknown scheduler 'foo': choose one of ddim, ")
    import torch

    if not torch.cuda.is_available():
        outcome = command("generate", "x", "--device", "cuda", "--model", tiny_model_dir)
        assert outcome.code == 2
        assert outcome.err.startswith("musicldm: device 'cuda' is not available here: choose one of ")


@pytest.mark.parametrize("content", [b"", b"\n \n", b"\xff\xfe\x00"])
def test_a_file_without_prompts_is_refused(command, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "prompts.txt").write_bytes(content)
    outcome = command("generate", "--prompts-file", "prompts.txt")
    assert outcome.code == 2
    assert outcome.err.startswith("musicldm: prompts.txt: ")


def test_a_lora_is_applied_and_repeated_from_a_file(command, tiny_model_dir: Path) -> None:
    unet = MusicLDMPipeline.from_pretrained(tiny_model_dir).unet
    add_lora(unet, 4)
    torch.manual_seed(0)
    for name, factor in unet.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(factor)
    save_lora(unet, Path("lora"))
    options = ["--seed", 1, "--model", tiny_model_dir]
    for name, lora in {"plain": [], "none": ["--lora", "lora", "--lora-scale", 0], "full": ["--lora", "lora"]}.items():
        outcome = command("generate", "jazz", *options, *lora, "-o", f"{name}.wav")
        assert (outcome.code, outcome.err) == (0, "")
    waves = {name: read(f"{name}.wav")[0] for name in ("plain", "none", "full")}
    assert np.array_equal(waves["plain"], waves["none"])
    assert not np.allclose(waves["plain"], waves["full"], atol=1e-3)
    settings = read_settings("full.wav")
    assert (settings["lora"], settings["lora_scale"]) == (str(Path("lora").resolve()), 1.0)
    outcome = command("generate", "--from-file", "full.wav", "-o", "again.wav")
    assert (outcome.code, outcome.err) == (0, "")
    assert np.array_equal(read("again.wav")[0], waves["full"])


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["--lora", "gone"], "gone: no LoRA there: give a .safetensors file, or a folder with"),
        (["--lora", "x", "--lora-scale", "nan"], "lora scale nan: it must be a finite number"),
    ],
)
def test_a_missing_lora_or_a_wrong_scale_is_refused(
    command, tiny_model_dir: Path, options: list[str], complaint: str
) -> None:
    outcome = command("generate", "jazz", "--model", tiny_model_dir, *options)
    assert outcome.code == 2
    assert outcome.err.startswith(f"musicldm: {complaint}")
    assert not list(Path().glob("*.wav"))
