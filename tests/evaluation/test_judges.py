import json

import numpy as np
import pytest
import torch

from musicldm.audio import MelSpec, log_mel
from musicldm.corpus.build import find_soundfonts
from musicldm.corpus.composing.arrangement import compose
from musicldm.corpus.sound.rendering import render
from musicldm.corpus.sound.soundfont import SoundFont
from musicldm.data.clips import ClipRow
from musicldm.errors import CheckpointError, DataError, InvalidInputError
from musicldm.evaluation.judge_training import (
    JudgeRecipe,
    accuracies,
    colour,
    fit_judges,
    one_cycle,
    split,
    tempo_ranges,
)
from musicldm.evaluation.judges import DRUMS, HEADS, Judges, build_net, classes_of, labels_of

GENRES = ("ambient", "funk", "house")
RECIPE = JudgeRecipe(channels=(8, 16, 24), crop_frames=64, batch_size=16, steps=60, minutes=2.0)


def row(genre: str, drums: bool, family: str | None, quality: str, bpm: float = 100.0) -> ClipRow:
    parts = [{"name": "x", "family": "bass", "role": "bass"}]
    parts += [{"name": "y", "family": family, "role": "lead"}] if family else []
    fields = {"genre": genre, "drums": drums, "instruments": parts, "quality": quality, "bpm": bpm}
    return ClipRow("x.flac", ("x",), fields)


def corpus(count: int, seed: int) -> tuple[np.ndarray, list[ClipRow]]:
    """Log-mels whose genre is a band, drums a pulse, lead an upper band, quality the missing treble."""
    rng = np.random.default_rng(seed)
    mels, rows = np.full((count, 96, 64), -6.0), []
    # A click is as long as the analysis window: 64 ms, six frames.
    hit = np.tile(np.concatenate([np.hanning(8)[1:-1], np.zeros(10)]), 6)
    for mel in mels:
        genre, drums, lead, muffled = rng.integers(3), rng.integers(2), rng.integers(2), rng.integers(2)
        mel[:, 8 * genre + 4 : 8 * genre + 8] += 4
        if drums:
            mel += 4 * hit[:, None]
        mel[:, 36:40] += 4 * lead
        mel[:, 48:] -= 5 * muffled
        mel += rng.normal(0, 0.5, mel.shape)
        quality = "muffled" if muffled else "clean"
        rows.append(row(GENRES[genre], bool(drums), "flute" if lead else None, quality))
    return mels.astype(np.float16), rows


@pytest.fixture(scope="module")
def judges() -> Judges:
    return fit_judges(*corpus(200, 1), RECIPE)


def test_a_minute_of_training_hears_every_head_in_clips_never_seen(judges):
    assert min(accuracies(judges, *corpus(60, 2)).values()) >= 0.95


def test_the_same_seed_gives_the_same_judges():
    few = JudgeRecipe(channels=(8, 16), crop_frames=64, batch_size=8, steps=3, seed=5)
    one, two = (fit_judges(*corpus(20, 1), few).net.state_dict() for _ in range(2))
    assert all(torch.equal(one[name], two[name]) for name in one)


def test_reconstructions_are_trained_on_with_the_labels_of_their_rows():
    """The clips' own mels are silence: only reconstructions, listed in another order, can teach the genre."""
    mels, rows = corpus(200, 1)
    order = np.random.default_rng(3).permutation(200)[:150].tolist()
    recipe = JudgeRecipe(channels=(8, 16, 24), crop_frames=64, batch_size=16, steps=60, reconstructed=1.0)
    judges = fit_judges(np.full_like(mels, -11), rows, recipe, reconstructions=(mels[order], order))
    assert accuracies(judges, *corpus(60, 2))["genre"] >= 0.95


def test_probabilities_add_to_one_and_best_is_the_largest(judges):
    mels, _ = corpus(5, 3)
    verdict = judges(mels)
    for head in HEADS:
        table = verdict.probabilities[head]
        assert table.shape == (5, len(judges.classes[head]))
        np.testing.assert_allclose(table.sum(axis=1), 1, atol=1e-5)
        for index, name in enumerate(verdict.best(head)):
            assert verdict.probability(head, name)[index] == table[index].max()


def test_batches_do_not_change_a_verdict(judges):
    mels, _ = corpus(7, 4)
    whole, single = judges(mels), judges(mels, batch_size=1)
    np.testing.assert_allclose(whole.probabilities["genre"], single.probabilities["genre"], atol=1e-5)


def test_a_steady_sound_gets_the_same_verdict_at_another_length(judges):
    mels, _ = corpus(6, 5)
    assert judges(np.concatenate([mels, mels, mels], axis=1)).best("genre") == judges(mels).best("genre")


def test_waves_are_judged_by_their_log_mels(judges):
    waves = np.random.default_rng(0).normal(0, 0.1, (2, 16000)).astype(np.float32)
    mels = log_mel(torch.from_numpy(waves), MelSpec()).numpy()
    heard = judges(waves).probabilities["genre"]
    np.testing.assert_allclose(heard, judges(mels).probabilities["genre"], atol=1e-6)
    np.testing.assert_allclose(heard[:1], judges(waves[0]).probabilities["genre"], atol=1e-5)


@pytest.mark.parametrize(
    ("sound", "message"),
    [
        (np.zeros((2, 96, 63)), "63"),
        (np.zeros((2, 10, 64)), "10 frames"),
        (np.zeros((0, 16000)), "shape"),
        (np.zeros(3000), "frames"),
        (np.full((1, 96, 64), np.nan), "not finite"),
        (np.zeros((1, 1, 96, 64)), "shape"),
    ],
)
def test_sounds_that_cannot_be_judged_are_named(judges, sound, message):
    with pytest.raises(InvalidInputError, match=message):
        judges(sound)


def test_unknown_heads_and_classes_list_the_valid_ones(judges):
    verdict = judges(corpus(1, 3)[0])
    with pytest.raises(InvalidInputError, match=r"'tempo'.*genre, drums, lead, quality"):
        verdict.best("tempo")
    with pytest.raises(InvalidInputError, match=r"'polka'.*ambient, funk, house"):
        verdict.probability("genre", "polka")


def test_loaded_judges_say_what_the_saved_ones_said(judges, tmp_path):
    judges.card = {"held_out": {"genre": 0.97}}
    judges.save(tmp_path / "j")
    loaded = Judges.load(tmp_path / "j")
    mels, _ = corpus(4, 6)
    for head in HEADS:
        np.testing.assert_array_equal(loaded(mels).probabilities[head], judges(mels).probabilities[head])
    assert loaded.card == judges.card
    assert loaded.classes == judges.classes


def test_missing_or_damaged_judges_are_named(judges, tmp_path):
    with pytest.raises(CheckpointError, match=r"judges\.safetensors is missing"):
        Judges.load(tmp_path)
    judges.save(tmp_path)
    card = json.loads((tmp_path / "judges.json").read_text())
    card["classes"]["genre"] = ["ambient"]
    (tmp_path / "judges.json").write_text(json.dumps(card))
    with pytest.raises(CheckpointError, match=r"judges\.json"):
        Judges.load(tmp_path)
    (tmp_path / "SHA256SUMS").unlink()
    with pytest.raises(CheckpointError, match="damaged"):
        Judges.load(tmp_path)
    judges.save(tmp_path)
    (tmp_path / "SHA256SUMS").unlink()
    (tmp_path / "judges.safetensors").write_bytes(b"nothing")
    with pytest.raises(CheckpointError, match="damaged"):
        Judges.load(tmp_path)


def test_the_judges_that_ship_hear_composed_clips_of_other_seeds():
    try:
        font = SoundFont(find_soundfonts()[-1])
    except DataError as error:
        pytest.skip(str(error))
    shipped = Judges.load()
    clips = [compose(7_000_000 + number, genre=genre) for number, genre in enumerate(shipped.classes["genre"])]
    verdict = shipped(np.stack([render(clip, font) for clip in clips]))
    genres = [clip.truth.genre for clip in clips]
    assert sum(one == other for one, other in zip(verdict.best("genre"), genres, strict=True)) >= 0.75 * len(clips)
    drums = [DRUMS[clip.truth.drums] for clip in clips]
    assert sum(one == other for one, other in zip(verdict.best("drums"), drums, strict=True)) >= 0.75 * len(clips)
    assert set(shipped.card["test"]) >= set(HEADS)


def test_labels_come_from_the_metadata_and_missing_ones_are_named():
    assert labels_of(row("funk", True, "brass", "thin")) == {
        "genre": "funk",
        "drums": "with drums",
        "lead": "brass",
        "quality": "thin",
    }
    assert labels_of(row("funk", False, None, "clean"))["lead"] == "none"
    with pytest.raises(DataError, match=r"x\.flac has no field 'genre'"):
        labels_of(ClipRow("x.flac", ("x",), {"drums": True}))
    assert classes_of([row("funk", True, None, "clean")])["drums"] == ("without drums", "with drums")


def test_split_is_a_partition_of_the_stated_size_that_the_seed_decides():
    rows = [row("funk", True, None, "clean")] * 50
    train, held = split(rows, 0.1, 0)
    assert sorted(train + held) == list(range(50))
    assert len(held) == 5
    assert (train, held) == split(rows, 0.1, 0)
    assert held != split(rows, 0.1, 1)[1]
    with pytest.raises(InvalidInputError, match="leaves nothing"):
        split(rows, 0.001, 0)


def test_colour_keeps_shape_and_floor_and_much_less_than_a_degradation():
    mel = torch.from_numpy(corpus(32, 7)[0]).float()
    out = colour(mel, MelSpec(), torch.Generator().manual_seed(0))
    assert out.shape == mel.shape
    assert float(out.min()) >= np.log(1e-5) - 1e-6
    moved = (out - mel) - (out - mel).mean((1, 2), keepdim=True)
    # Muffling takes the upper third down by 5 nats in this corpus.
    assert 0.2 < float(moved.abs().median()) < 1.0


def test_one_cycle_rises_to_the_peak_and_ends_at_zero():
    values = [one_cycle(x) for x in (0.0, 0.05, 0.1, 0.55, 1.0, 1.5)]
    np.testing.assert_allclose(values, [0.1, 0.55, 1.0, 0.5, 0.0, 0.0], atol=1e-12)


@pytest.mark.parametrize("wrong", [{"steps": 0}, {"minutes": 0.0}, {"batch_size": 1}, {"reconstructed": 1.5}])
def test_recipes_out_of_range_are_refused(wrong):
    with pytest.raises(InvalidInputError, match=r"got|valid"):
        JudgeRecipe(**wrong)


def test_training_stops_at_its_minutes_whatever_the_steps():
    mels, rows = corpus(20, 1)
    seen = []
    recipe = JudgeRecipe(channels=(8, 16), crop_frames=64, batch_size=8, steps=10**9, minutes=1e-3)
    fit_judges(mels, rows, recipe, progress=seen.append)
    assert len(seen) < 10


def test_an_untrained_net_has_the_sizes_of_its_classes():
    net = build_net({"genre": ("a", "b", "c"), "drums": ("d", "e")}, (8, 16), MelSpec())
    assert {h: tuple(v.shape) for h, v in net(torch.zeros(2, 40, 64)).items()} == {"genre": (2, 3), "drums": (2, 2)}


def test_tempo_ranges_are_the_geometric_middle_and_two_and_a_half_deviations():
    rows = [row("funk", True, None, "clean", bpm) for bpm in (60.0, 240.0)] + [row("house", True, None, "clean", 124.0)]
    ranges = tempo_ranges(rows)
    assert ranges["funk"] == (pytest.approx(120.0), pytest.approx(2.5))
    assert ranges["house"] == (pytest.approx(124.0), pytest.approx(1 / 3))


def test_the_tempo_prior_weighs_genres_by_what_is_heard(judges):
    verdict = judges(corpus(1, 3)[0])
    judges.card = {}
    with pytest.raises(InvalidInputError, match="no 'tempi'"):
        judges.tempo_prior(verdict, 0)
    judges.card = {"tempi": dict.fromkeys(GENRES, (100.0, 0.4))}
    prior = judges.tempo_prior(verdict, 0)
    assert [r.weight for r in prior[:-1]] == pytest.approx(verdict.probabilities["genre"][0].tolist())
    assert prior[-1].weight < 0.1
