"""The beat tracker's training: its loss, its figures, and that it learns."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from musicldm.beats.network import NetworkConfig, build_network, save_network
from musicldm.beats.tracker import BeatTracker
from musicldm.data.manifest import PrepareSettings
from musicldm.data.prepare import prepare
from musicldm.data.store import ClipStore
from musicldm.errors import DataError, InvalidInputError
from musicldm.machine.parallel import WorkerPool
from musicldm.training.run import train
from musicldm.training.setup import Setup
from musicldm.training.tasks import beats
from musicldm.training.tasks.beat_variation import Variation
from musicldm.training.tasks.beats import FOLDER, BeatRecipe, BeatTask, f_measure, make_task, shift_tolerant_loss

pytest.importorskip("beat_this")
RATE = 16000
STILL = Variation(speed=0, tempo=0, mix=0, cut=0, noise=0, gap=0, curve_decibels=1.0, gain_decibels=(-6.0, 0.0))
TINY = BeatRecipe(
    network=NetworkConfig(
        transformer_dim=32,
        ff_mult=1,
        n_layers=1,
        stem_dim=8,
        partial_transformers=False,
        chunk_frames=262,
        top_hz=7500.0,
    ),
    variation=STILL,
    batch_size=4,
    crop_frames=200,
    learning_rate=2e-2,
)


@pytest.fixture(scope="module")
def click_corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A prepared folder of clips of 5 s with clicks of random tempo, every third of them higher: bars of three."""
    folder = tmp_path_factory.mktemp("clicks") / "corpus"
    folder.mkdir()
    rng = np.random.default_rng(0)
    fade = np.exp(-np.arange(800) / 150)
    sounds = [fade * np.sin(2 * np.pi * hertz * np.arange(800) / RATE) for hertz in (2500, 600)]
    lines = []
    for index in range(40):
        beats = np.arange(rng.uniform(0.1, 0.5), 4.9, 60 / rng.uniform(90, 160))
        wave = 0.001 * rng.standard_normal(5 * RATE)
        first = int(rng.integers(3))
        for place, moment in enumerate(beats):
            at = round(moment * RATE)
            wave[at : at + 800] += 0.5 * sounds[0 if place % 3 == first else 1][: len(wave) - at]
        soundfile.write(folder / f"{index:02}.flac", wave.astype(np.float32), RATE)
        row = {"file_name": f"{index:02}.flac", "text": "clicks", "beats": beats.tolist(), "seed": index}
        lines.append(json.dumps({**row, "downbeats": beats[first::3].tolist()}))
    (folder / "metadata.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    settings = PrepareSettings(seconds=5.0, normalize="none")
    prepare(folder, folder.parent / "data", settings, pool=WorkerPool(workers=1))
    return folder.parent / "data"


def naive_loss(logits: np.ndarray, targets: np.ndarray, mask: np.ndarray, weight: float, tolerance: int) -> float:
    """Equation 1 of the paper, frame by frame."""
    batch, frames = logits.shape
    total, counted = 0.0, 0
    for row in range(batch):
        for frame in range(2 * tolerance, frames - 2 * tolerance):
            counted += 1
            near = max(logits[row, frame - tolerance : frame + tolerance + 1])
            if mask[row, frame] == 0:
                continue
            if targets[row, frame] == 1:
                total += weight * np.log1p(np.exp(-near))
            elif targets[row, frame - 2 * tolerance : frame + 2 * tolerance + 1].max() == 0:
                total += np.log1p(np.exp(near))
    return total / counted


def test_the_loss_is_the_papers() -> None:
    rng = np.random.default_rng(0)
    loss_module = pytest.importorskip("beat_this.model.loss")
    for tolerance in (1, 3):
        logits = rng.normal(0, 2, (3, 60))
        targets = (rng.random((3, 60)) < 0.08).astype(float)
        mask = np.ones((3, 60))
        mask[1, 40:] = 0
        found = shift_tolerant_loss(*map(torch.from_numpy, (logits, targets, mask)), 7.0, tolerance)
        assert float(found) == pytest.approx(naive_loss(logits, targets, mask, 7.0, tolerance), rel=1e-9)
        theirs = loss_module.ShiftTolerantBCELoss(7.0, tolerance)
        assert float(found) == pytest.approx(float(theirs(*map(torch.from_numpy, (logits, targets, mask)))), rel=1e-6)


def test_a_shift_within_the_tolerance_is_free_and_one_beyond_costs() -> None:
    targets = torch.zeros(1, 60)
    targets[0, 30] = 1
    costs = []
    for shift in range(6):
        logits = torch.full((1, 60), -12.0)
        logits[0, 30 + shift] = 12.0
        costs.append(float(shift_tolerant_loss(logits, targets, torch.ones(1, 60), 10.0)))
    assert max(costs[:4]) < 1e-3
    assert min(costs[4:]) > 1


def test_f_measures_are_those_of_mir_eval() -> None:
    beat = pytest.importorskip("mir_eval.beat")
    rng = np.random.default_rng(0)
    for _ in range(200):
        true = np.sort(rng.uniform(0, 10, int(rng.integers(1, 30))))
        found = np.sort(np.concatenate([true[:: int(rng.integers(1, 4))] + rng.normal(0, 0.06), rng.uniform(0, 10, 5)]))
        assert f_measure(found, true) == pytest.approx(beat.f_measure(true, found, 0.07), abs=1e-12)
    assert f_measure(np.array([]), np.array([])) == 1.0
    assert f_measure(np.array([]), np.array([1.0])) == 0.0
    assert f_measure(np.array([1.0, 2.0]), np.array([1.0699, 3.0])) == pytest.approx(0.5)


def test_targets_stand_at_the_beats(click_corpus: Path) -> None:
    store = ClipStore(click_corpus)
    task = BeatTask(TINY, store, store.part(slice(0, 2)))
    batch = task.batch(np.arange(4), np.random.default_rng(0))
    assert batch["spectrum"].shape == (4, 200, 128)
    assert batch["mask"].all()
    assert not batch["spectrum"][..., 115:].any()
    assert (batch["downbeat"] <= batch["beat"]).all()
    loud = batch["spectrum"].sum(dim=-1)
    for row in range(4):
        for frame in torch.nonzero(batch["beat"][row])[:, 0].tolist():
            if 4 < frame < 190:
                window = loud[row, frame - 4 : frame + 5]
                assert abs(int(window.argmax()) - 4) <= 2
    again = task.batch(np.arange(4), np.random.default_rng(0))
    assert all(torch.equal(batch[name], again[name]) for name in batch)


def test_clicks_are_found_after_a_short_training(
    click_corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(beats, "RECIPES", {"default": TINY})
    train("beats", data=click_corpus, out=tmp_path, steps=90, device="cpu")
    figures = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert figures[-1]["beat_f"] > 0.95
    tracker = BeatTracker.from_pretrained(tmp_path / FOLDER)
    assert tracker.config == TINY.network
    store = ClipStore(click_corpus)
    found = tracker(store.wave(39), RATE)
    true = np.array(store.rows[39].fields["beats"])
    assert f_measure(np.array(found.beats), true) > 0.9
    assert found.tempo == pytest.approx(60 / np.diff(true).mean(), rel=0.02)


def test_a_few_steps_lower_the_loss(click_corpus: Path) -> None:
    torch.manual_seed(0)
    store = ClipStore(click_corpus)
    task = BeatTask(TINY, store, store.part(slice(0, 2)))
    batch = task.batch(np.arange(4), np.random.default_rng(0))
    optimizer = torch.optim.AdamW(task.network.parameters(), lr=1e-2)
    losses = []
    for _ in range(12):
        terms = next(task.losses(batch, 0.0))
        assert terms is not None
        optimizer.zero_grad()
        terms["loss"].backward()
        optimizer.step()
        losses.append(float(terms["loss"].detach()))
    assert losses[-1] < 0.8 * losses[0]


def test_a_training_goes_on_from_the_weights_that_are_given(
    click_corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(beats, "RECIPES", {"default": TINY})
    store = ClipStore(click_corpus)
    network = build_network(TINY.network)
    save_network(network, TINY.network, tmp_path / FOLDER)
    for init in (tmp_path, tmp_path / FOLDER):
        task = make_task(Setup(store, init=init))
        state = task.network.state_dict()
        assert all(torch.equal(state[name], value) for name, value in network.state_dict().items())
    with pytest.raises(InvalidInputError, match="other sizes than the recipe"):
        make_task(Setup(store, changes={"network": replace(TINY.network, n_layers=2)}, init=tmp_path))


def test_a_corpus_without_beats_is_refused(tmp_path: Path) -> None:
    (tmp_path / "corpus").mkdir()
    for index in range(2):
        noise = 0.1 * np.random.default_rng(index).standard_normal(RATE).astype(np.float32)
        soundfile.write(tmp_path / "corpus" / f"{index}.wav", noise, RATE)
        (tmp_path / "corpus" / f"{index}.txt").write_text("noise")
    prepare(
        tmp_path / "corpus", tmp_path / "data", PrepareSettings(seconds=1.0, beats="none"), pool=WorkerPool(workers=1)
    )
    with pytest.raises(DataError, match="has no field 'beats'"):
        train("beats", data=tmp_path / "data", out=tmp_path / "run", steps=1, device="cpu")
