"""The thin commands: what they pass on, and what they say."""

from __future__ import annotations

import importlib.util
import json
import tomllib
from pathlib import Path
from typing import Any

import pytest

from musicldm.cli.doctor import EXTRAS
from musicldm.cli.ending import at_next_chance
from musicldm.corpus import build
from musicldm.corpus.sound import soundfonts
from musicldm.errors import MissingDependencyError
from musicldm.model.folder import DEFAULT_FOLDER
from musicldm.training.mixup.mixing import MixupOptions

needs_fonts = pytest.mark.skipif(
    not any((f / n).is_file() for f in soundfonts.font_folders() for n in soundfonts.FONT_NAMES)
    or importlib.util.find_spec("tinysoundfont") is None,
    reason="needs a sound font and tinysoundfont",
)


def test_corpus_passes_on_its_options(command, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, Any] = {}

    def fake(out: Path, **options: Any) -> build.Built:
        seen.update(options, out=out)
        return build.Built(3, 3)

    monkeypatch.setattr(build, "build_corpus", fake)
    outcome = command(
        "corpus", "c", "--clips", 3, "--seed", 4, "--sample-rate", 22050, "--seconds", 2.5, "--workers", 2,
        "--format", "wav", "--soundfont", "a.sf2", "--soundfont", "b.sf3", "--genre", "metal", "--genre", "jazz",
        "--channels", 2, "--stems",
    )  # fmt: skip
    assert (outcome.code, outcome.out) == (0, "3 clips in c\n")
    assert callable(seen.pop("progress"))
    assert seen == {
        "out": Path("c"), "clips": 3, "seed": 4, "sample_rate": 22050, "seconds": 2.5, "workers": 2,
        "audio_format": "wav", "soundfonts": [Path("a.sf2"), Path("b.sf3")], "genres": ["metal", "jazz"],
        "channels": 2, "stems": True,
    }  # fmt: skip


@needs_fonts
def test_corpus_writes_clips_and_their_metadata(command) -> None:
    outcome = command("corpus", "c", "--clips", 2, "--seconds", 1, "--workers", 1)
    assert (outcome.code, outcome.err) == (0, "")
    rows = [json.loads(line) for line in Path("c/metadata.jsonl").read_text(encoding="utf-8").splitlines()]
    assert len(rows) == 2
    assert all((Path("c") / row["file_name"]).is_file() for row in rows)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--clips", "0"], "clips 0: at least 1"),
        (["--soundfont", "gone.sf2"], "gone.sf2: no such file"),
        (["--format", "mp3"], "unknown audio format 'mp3'"),
    ],
)
def test_corpus_refuses_options_that_make_no_sense(command, arguments: list[str], message: str) -> None:
    if "--soundfont" not in arguments:
        arguments = [*arguments, "--soundfont", "x.sf2"]
    outcome = command("corpus", "c", *arguments)
    assert outcome.code == 2
    assert message in outcome.err
    assert outcome.err.count("\n") == 1


def test_train_passes_on_its_options(command, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, Any] = {}
    monkeypatch.setattr("musicldm.training.run.train", lambda part, **options: seen.update(options, part=part))
    outcome = command("train", "vae", "--data", "d", "--out", "o", "--minutes", 2.5, "--resume", "--init", "default")
    assert (outcome.code, outcome.err) == (0, "")
    defaults = {
        "part": "vae", "data": Path("d"), "out": Path("o"), "recipe": "default", "changes": {}, "minutes": 2.5,
        "steps": None, "resume": True, "init": DEFAULT_FOLDER, "model": None, "device": "auto", "mixed_precision": "no",
        "seed": 0, "accumulate": 1, "checkpointing": False, "compile": False, "patience": None,
        "experiment_tracker": None, "ending": at_next_chance, "report_seconds": 30.0,
    }  # fmt: skip
    assert callable(seen.pop("listen"))
    assert seen == defaults
    Path("m").mkdir()
    outcome = command(
        "train", "ldm", "--data", "d", "--out", "o", "--steps", 9, "--model", "m", "--batch-size", 3, "--start", "any",
        "--learning-rate", 0.1, "--condition", "both", "--prediction", "epsilon", "--min-snr", 5, "--lora", 8,
        "--mixup", "bam", "--mixup-prob", 0.25, "--mixup-sound", "mixed", "--mixup-captions", "joined",
        "--mixup-with", "fold-tempo,match-loudness", "--accumulate", 4, "--checkpointing", "--compile", "--patience", 2,
        "--tracker", "trackio",
    )  # fmt: skip
    assert outcome.code == 0
    changes = {
        "batch_size": 3, "learning_rate": 0.1, "text_share": 0.8, "prediction": "epsilon", "min_snr": 5.0,
        "lora_rank": 8, "start": "any",
        "mixup": MixupOptions("bam", 0.25, "mixed", "joined", fold_tempo=True, match_loudness=True),
    }  # fmt: skip
    assert seen["changes"] == changes
    assert [seen[name] for name in ("accumulate", "checkpointing", "compile", "patience", "experiment_tracker")] == [
        4, True, True, 2, "trackio",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["--model", "gone"], "no model 'gone': choose 'default', an existing model folder"),
        (["--condition", "words"], "unknown condition 'words': choose one of audio, text, both"),
        (["--mixup", "bem"], "unknown mixup kind 'bem': choose one of none, simple, bam, blm"),
        (["--mixup-prob", "0.5"], "how to mix is said, but not what: give --mixup, one of none, simple, bam, blm"),
        (["--mixup", "bam", "--mixup-with", "tempo"], "unknown --mixup-with 'tempo': choose one of fold-tempo"),
        (["--mixup", "bam", "--mixup-prob", "2"], "mixup probability is 2.0: it must be between 0 and 1"),
    ],
)
def test_train_refuses_options_that_make_no_sense(command, options: list[str], complaint: str) -> None:
    outcome = command("train", "ldm", "--data", "d", "--out", "o", "--steps", 1, *options)
    assert outcome.code == 2
    assert outcome.err.startswith(f"musicldm: {complaint}")
    assert outcome.err.count("\n") == 1


def test_train_refuses_an_unknown_part(command) -> None:
    outcome = command("train", "drums", "--data", "d", "--out", "o", "--steps", 1)
    assert outcome.code == 2
    assert outcome.err.startswith(
        "musicldm: unknown part 'drums': choose one of vae, vocoder, decoder, clap, ldm, distill, beats, judges"
    )


def test_doctor_passes_a_whole_model_and_fails_a_broken_one(command, tiny_model_dir: Path, tmp_path: Path) -> None:
    outcome = command("doctor", "--model", tiny_model_dir)
    rows = {line.split("\t")[0]: line.split("\t")[1:] for line in outcome.out.splitlines()}
    assert outcome.code == 0
    assert rows[f"model {tiny_model_dir}"][0] == "ok"
    assert rows["torch"][0] == "ok"
    (tmp_path / "broken").mkdir()
    outcome = command("doctor", "--model", "broken")
    assert outcome.code == 1
    assert "model broken\tbad\tbroken is not a MusicLDM" in outcome.out


def test_doctor_knows_every_extra_that_asks_for_packages() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    assert all(extras.values())
    assert (set(extras) - {"dev"}) | {"corpus"} == set(EXTRAS)


def test_doctor_says_how_to_get_what_is_missing(command, tiny_model_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("musicldm.cli.doctor._installed", lambda package: False)
    monkeypatch.setattr(soundfonts, "font_folders", lambda: (Path("gone"),))
    outcome = command("doctor", "--model", tiny_model_dir)
    assert outcome.code == 0
    assert "\ncorpus\tmissing\ttinysoundfont is not installed: pip install --no-deps tinysoundfont" in outcome.out
    assert 'librosa is not installed: pip install "musicldm[eval]"' in outcome.out
    assert "sound fonts\tmissing\tno sound font found: " in outcome.out


@pytest.mark.parametrize(
    ("package", "extra", "wanted"),
    [("tinysoundfont", "corpus", "--no-deps tinysoundfont"), ("librosa", "eval", '"musicldm[eval]"')],
)
def test_a_missing_package_is_named_with_its_install_command(package: str, extra: str, wanted: str) -> None:
    with pytest.raises(ImportError, match=f"{package} is not installed: pip install .*{package[:4]}|musicldm"):
        raise MissingDependencyError(package, extra)
    assert str(MissingDependencyError(package, extra)).endswith(f"pip install {wanted}")
