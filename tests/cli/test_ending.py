"""SIGTERM and SIGKILL at any moment leave whole files or none, keep what is finished, and let a training go on."""

from __future__ import annotations

import functools
import json
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from musicldm.audio.reading import read
from musicldm.audio.writing import write
from musicldm.cli import ending
from musicldm.cli.main import run as run_command
from musicldm.data.manifest import PrepareSettings
from musicldm.data.prepare import prepare
from musicldm.generation.maker import load_pipeline
from musicldm.machine.parallel import WorkerPool
from musicldm.training import run as training_run
from musicldm.training.loop.checkpoint import CHECKPOINT
from musicldm.training.loop.options import LoopOptions
from musicldm.training.tasks import vae
from musicldm.training.tasks.vae import VaeRecipe
from tests.moments import killed, terminate, watched

SMALL_VAE = VaeRecipe(channels=(8, 8), groups=4, latent_channels=2, batch_size=2, crop_frames=16, patch_channels=(4, 4))
WEIGHTS = Path("vae") / "diffusion_pytorch_model.safetensors"
forks = pytest.mark.skipif(sys.platform != "linux", reason="forks, and kills what it forked")


@pytest.fixture(scope="module")
def tone_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four prepared tones of a second."""
    folder = tmp_path_factory.mktemp("tones")
    (folder / "src").mkdir()
    for number in range(4):
        wave = 0.3 * np.sin(2 * np.pi * (200 + 50 * number) * np.arange(16000) / 16000)
        write(folder / "src" / f"{number}.wav", wave.astype(np.float32), 16000)
        (folder / "src" / f"{number}.txt").write_text(f"tone {number}", encoding="utf-8")
    prepare(folder / "src", folder / "data", PrepareSettings(seconds=1.0, beats="none"), pool=WorkerPool(workers=1))
    return folder / "data"


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """A forked process has none of the threads that its parent computed with."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def moments(count: int, chosen: int, seed: int) -> list[int]:
    """Some of so many, at random."""
    return sorted(np.random.default_rng(seed).choice(count, min(chosen, count), replace=False).tolist())


def visible(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("."))


# generate


@pytest.fixture
def takes(
    command, tiny_model_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[list[object], dict[str, np.ndarray], int]:
    """Arguments that write four takes into a folder to come last; what they sound like; how many moments there are."""
    monkeypatch.setattr("musicldm.generation.maker.load_pipeline", functools.cache(load_pipeline))
    arguments = [
        "generate", "jazz", "techno", "-n", 2, "--seed", 3, "--steps", 1, "--duration", 0.3, "--model", tiny_model_dir,
        "--device", "cpu", "-o",
    ]  # fmt: skip
    with watched(Path("whole")) as count:
        assert command(*arguments, "whole/").code == 0
    return arguments, {path.name: read(path)[0] for path in visible(Path("whole"))}, count.number


def are_of(folder: Path, waves: dict[str, np.ndarray]) -> int:
    """How many takes there are, each of them whole."""
    found = visible(folder)
    assert all(np.array_equal(read(path)[0], waves[path.name]) for path in found)
    return len(found)


def test_a_generation_that_is_terminated_keeps_its_finished_takes_and_leaves_nothing_else(command, takes) -> None:
    arguments, waves, count = takes
    assert count >= 3 * len(waves) == 12
    kept = []
    for moment in moments(count, 5, seed=0):
        out = Path(f"out-{moment}")
        with watched(out, moment, terminate):
            outcome = command(*arguments, f"{out}/")
        assert (outcome.code, outcome.out, outcome.err) == (143, "", "musicldm: ended by SIGTERM\n")
        kept.append(are_of(out, waves))
        assert not out.exists() or len(list(out.iterdir())) == kept[-1]
    assert kept == sorted(kept)
    assert kept[-1] > kept[0]


@forks
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_generation_that_is_killed_leaves_whole_takes_or_none(command, takes) -> None:
    arguments, waves, count = takes
    kept = []
    for moment in moments(count, 5, seed=1):
        out = Path(f"out-{moment}")
        assert killed(out, moment, lambda out=out: run_command([*map(str, arguments), f"{out}/"]))
        kept.append(are_of(out, waves))
    assert kept == sorted(kept)
    assert kept[-1] > kept[0]


# train


@pytest.fixture
def training(monkeypatch: pytest.MonkeyPatch, tone_data: Path) -> list[object]:
    """Arguments of a training of four steps, with a checkpoint at each of them; the folder is to come last."""
    monkeypatch.setattr(vae, "RECIPES", {"default": SMALL_VAE})
    monkeypatch.setattr(training_run, "LoopOptions", partial(LoopOptions, checkpoint_minutes=0.0))
    return ["train", "vae", "--data", tone_data, "--steps", 4, "--device", "cpu", "--out"]


def go_on(command, arguments: list[object], out: Path) -> None:
    """To the end, and no further."""
    again = ["--resume"] if (out / CHECKPOINT).exists() else []
    outcome = command(*arguments, out, *again)
    assert outcome.code == 0, outcome.err


def check_run(out: Path, expected: dict[str, torch.Tensor]) -> None:
    """Everything that is there is whole, and the exported weights are those of the end."""
    for path in visible(out):
        if path.suffix == ".json":
            json.loads(path.read_text(encoding="utf-8"))
        elif path.suffix == ".jsonl":
            assert all(json.loads(line) for line in path.read_text(encoding="utf-8").splitlines())
        elif path.suffix == ".png":
            Image.open(path).load()
        elif path.suffix == ".wav":
            read(path)
        elif path.name == CHECKPOINT:
            torch.load(path, weights_only=True)
        elif path.suffix == ".safetensors":
            assert all(torch.equal(value, expected[name]) for name, value in load_file(path).items())
        else:
            assert path.parent.name == "tensorboard"


Stop = Callable[[Path, int], None]


def stopped_at_random_moments(command, arguments: list[object], stop: Stop, seed: int, number: int) -> None:
    whole = Path("whole")
    with watched(whole) as count:
        assert command(*arguments, whole).code == 0
    expected, content = load_file(whole / WEIGHTS), (whole / WEIGHTS).read_bytes()
    for moment in moments(count.number, number, seed):
        out = Path(f"out-{moment}")
        stop(out, moment)
        check_run(out, expected)
        go_on(command, arguments, out)
        check_run(out, expected)
        assert (out / WEIGHTS).read_bytes() == content
        assert [path.name for path in out.rglob("*.part*")] == []


def test_a_training_that_is_terminated_goes_on_to_the_same_bytes(command, training: list[object]) -> None:
    def stop(out: Path, moment: int) -> None:
        with watched(out, moment, terminate):
            outcome = command(*training, out)
        # Whoever asks in the last step finds that all is done but the export.
        assert outcome.code == 143, outcome
        assert outcome.err.endswith("musicldm: ended by SIGTERM\n")
        assert [path.name for path in out.rglob("*.part*")] == []

    stopped_at_random_moments(command, training, stop, seed=0, number=5)


@forks
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_training_that_is_killed_goes_on_to_the_same_bytes(command, training: list[object]) -> None:
    def stop(out: Path, moment: int) -> None:
        assert killed(out, moment, lambda: run_command([*map(str, training), str(out)]))

    stopped_at_random_moments(command, training, stop, seed=1, number=5)


def test_a_training_that_is_asked_to_end_writes_a_checkpoint_of_the_step_it_is_in(
    command, training: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training_run, "LoopOptions", LoopOptions)
    real, steps = vae.VaeTask.losses, []

    def losses(self, batch, progress):
        steps.append(progress)
        if len(steps) == 2:
            terminate()
        return real(self, batch, progress)

    monkeypatch.setattr(vae.VaeTask, "losses", losses)
    outcome = command(*training, "out")
    assert (outcome.code, outcome.err.splitlines()[-1]) == (143, "musicldm: ended by SIGTERM")
    done = torch.load(Path("out") / CHECKPOINT, weights_only=True)["step"]
    assert 1 <= done < 4
    assert not (Path("out") / WEIGHTS).exists()


def test_a_second_request_ends_a_training_at_once(command, training: list[object], monkeypatch) -> None:
    def losses(*_: object) -> None:
        terminate()
        terminate()
        raise AssertionError("goes on")

    monkeypatch.setattr(vae.VaeTask, "losses", losses)
    outcome = command(*training, "out")
    assert (outcome.code, outcome.err) == (143, "musicldm: ended by SIGTERM\n")
    assert not (Path("out") / CHECKPOINT).exists()


# The handler


def test_workers_end_with_the_command(command, monkeypatch: pytest.MonkeyPatch) -> None:
    started = []

    def work(*_: object, **__: object) -> None:
        process = get_context("spawn").Process(target=time.sleep, args=(600,))
        process.start()
        started.append(process)
        terminate()

    monkeypatch.setattr("musicldm.corpus.build.build_corpus", work)
    assert command("corpus", "out").code == 143
    started[0].join(60)
    assert started[0].exitcode not in (None, 0)


def test_a_program_keeps_its_own_handler_of_sigterm(command) -> None:
    before = signal.getsignal(signal.SIGTERM)
    with ending.orderly():
        assert signal.getsignal(signal.SIGTERM) != before
    command("--version")
    assert signal.getsignal(signal.SIGTERM) == before


def test_no_handler_is_set_outside_the_main_thread() -> None:
    seen = []

    def look() -> None:
        with ending.orderly():
            seen.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    assert seen == [signal.getsignal(signal.SIGTERM)]
