import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from musicldm.audio.mel import MelSpec
from musicldm.data.manifest import PrepareSettings
from musicldm.data.prepare import prepare
from musicldm.errors import DataError, InvalidInputError
from musicldm.events import ignore
from musicldm.listeners.judges import HEADS, Judges
from musicldm.machine.parallel import WorkerPool
from musicldm.training.run import train
from musicldm.training.tasks.judges import (
    JudgeRecipe,
    JudgeTask,
    Reconstructions,
    accuracies,
    colour,
    split,
    tempo_ranges,
)
from tests.tiny_judges import RECIPE, Clips, corpus, row, trained_judges
from tests.tiny_model import build_tiny_model

SMALL = {"channels": (8, 16), "crop_frames": 64, "batch_size": 4, "held_out": 0.25, "reconstructions": 4}


@pytest.fixture(scope="module")
def attributed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A prepared folder of twelve clips of noise whose attributes are known."""
    folder = tmp_path_factory.mktemp("attributed")
    (folder / "src").mkdir()
    lines = []
    for index in range(12):
        noise = 0.1 * np.random.default_rng(index).standard_normal(16000)
        soundfile.write(folder / "src" / f"{index:02}.wav", noise.astype(np.float32), 16000)
        about = row(("funk", "house")[index % 2], index % 3 == 0, "brass" if index % 2 else None, "clean", 90.0 + index)
        lines.append(json.dumps({"file_name": f"{index:02}.wav", "text": "noise", **about.fields}))
    (folder / "src" / "metadata.jsonl").write_text("\n".join(lines))
    settings = PrepareSettings(seconds=1.0, beats="none")
    prepare(folder / "src", folder / "data", settings, pool=WorkerPool(workers=1), listen=ignore)
    return folder / "data"


def test_a_short_training_learns_every_head_for_clips_never_seen(tmp_path: Path) -> None:
    judges = trained_judges(tmp_path, Clips(*corpus(200, 1)))
    assert min(accuracies(judges, *corpus(60, 2)).values()) >= 0.95
    assert min(judges.card["held_out"].values()) >= 0.9


def test_the_same_seed_gives_the_same_judges(tmp_path: Path) -> None:
    first, second, other = (
        trained_judges(tmp_path / str(index), Clips(*corpus(20, 1)), steps=3, seed=seed).net.state_dict()
        for index, seed in enumerate((5, 5, 6))
    )
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert any(not torch.equal(first[name], other[name]) for name in first)


def test_reconstructions_are_trained_on_with_the_labels_of_their_clips(tmp_path: Path) -> None:
    """The clips' own mels are silence: only reconstructions, listed in another order, can teach the genre."""
    mels, rows = corpus(200, 1)
    order = np.random.default_rng(3).permutation(200)[:150].tolist()
    recipe = JudgeRecipe(**{**asdict(RECIPE), "schedule": RECIPE.schedule, "reconstructed": 1.0})
    made = Reconstructions(mels[order], order)
    judges = trained_judges(tmp_path, Clips(np.full_like(mels, -11), rows), recipe=recipe, reconstructions=made)
    assert accuracies(judges, *corpus(60, 2))["genre"] >= 0.95


def test_the_task_measures_what_the_judges_that_it_writes_measure(tmp_path: Path) -> None:
    mels, rows = corpus(30, 3)
    task = JudgeTask(RECIPE, Clips(*corpus(40, 1)), Clips(mels, rows))
    task.modules.eval()
    task.export(tmp_path)
    written = accuracies(Judges.load(tmp_path / "judges"), mels, rows)
    figures = task.validate().figures
    assert {head: figures[head] for head in HEADS} == pytest.approx(written)
    assert figures["missed"] == pytest.approx(1 - np.mean(list(written.values())))


def test_judges_are_trained_by_the_one_loop_on_what_a_codec_leaves_too(attributed: Path, tmp_path: Path) -> None:
    model = build_tiny_model(tmp_path / "model")
    run = tmp_path / "run"
    train("judges", data=attributed, out=run, steps=2, device="cpu", model=model, changes=SMALL, listen=ignore)
    judges = Judges.load(run / "judges")
    assert judges.card["clips"] == {"train": 9, "held_out": 3}
    assert judges.card["reconstructions"] == {"clips": 4}
    assert set(judges.card["held_out_reconstructed"]) == set(HEADS)
    assert set(judges.card["tempi"]) == {"funk", "house"}
    assert judges.spec == MelSpec()
    train("judges", data=attributed, out=tmp_path / "more", steps=1, device="cpu", init=run, changes=SMALL)
    with pytest.raises(InvalidInputError, match="clips leaves nothing to train on or to test"):
        train("judges", data=attributed, out=tmp_path / "x", steps=1, changes={**SMALL, "held_out": 0.0})


def test_music_without_attributes_trains_no_judges(tone_corpus: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"has no field 'drums' in its metadata"):
        train("judges", data=tone_corpus, out=tmp_path / "x", steps=1, changes=SMALL)


def test_a_split_is_a_partition_of_the_stated_size_and_always_the_same() -> None:
    rows = [row("funk", True, None, "clean")] * 50
    kept, held = split(rows, 0.1)
    assert sorted(kept + held) == list(range(50))
    assert len(held) == 5
    assert (kept, held) == split(rows, 0.1)
    assert held != list(range(45, 50))
    assert split(rows, 0.1, 2)[1] == held[:2]
    with pytest.raises(InvalidInputError, match="leaves nothing"):
        split(rows, 0.001)


def test_colour_keeps_shape_and_floor_and_much_less_than_a_degradation():
    mel = torch.from_numpy(corpus(32, 7)[0]).float()
    out = colour(mel, MelSpec(), torch.Generator().manual_seed(0))
    assert out.shape == mel.shape
    assert float(out.min()) >= np.log(1e-5) - 1e-6
    moved = (out - mel) - (out - mel).mean((1, 2), keepdim=True)
    # Muffling takes the upper third down by 5 nats in this corpus.
    assert 0.2 < float(moved.abs().median()) < 1.0


@pytest.mark.parametrize("wrong", [{"batch_size": 1}, {"reconstructed": 1.5}, {"held_out": -0.1}])
def test_recipes_out_of_range_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(InvalidInputError, match=r"at least 2|valid is 0 to 1"):
        JudgeRecipe(**wrong)


def test_tempo_ranges_are_the_geometric_middle_and_two_and_a_half_deviations():
    rows = [row("funk", True, None, "clean", bpm) for bpm in (60.0, 240.0)] + [row("house", True, None, "clean", 124.0)]
    ranges = tempo_ranges(rows)
    assert ranges["funk"] == (pytest.approx(120.0), pytest.approx(2.5))
    assert ranges["house"] == (pytest.approx(124.0), pytest.approx(1 / 3))
