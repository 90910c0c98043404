import json
from pathlib import Path

import numpy as np
import pytest
import torch

from musicldm.audio.mel import MelSpec, log_mel
from musicldm.audio.reading import read
from musicldm.data.store import ClipRow
from musicldm.errors import CheckpointError, DataError, InvalidInputError
from musicldm.listeners.judges import DRUMS, HEADS, Judges, build_net, classes_of, labels_of
from tests.tiny_judges import GENRES, Clips, corpus, row, trained_judges
from tests.tolerances import layers, sums

FIRST_EDITION = Path(__file__).resolve().parents[1] / "oracles" / "first_edition"
ROUNDING = layers(16, 24 * 9, size=10)
"""Of probabilities: three blocks of convolution, norm and activation, and what reads them; logits of about ten."""


@pytest.fixture(scope="module")
def judges(tmp_path_factory: pytest.TempPathFactory) -> Judges:
    return trained_judges(tmp_path_factory.mktemp("judges"), Clips(*corpus(200, 1)))


def test_probabilities_add_to_one_and_best_is_the_largest(judges):
    mels, _ = corpus(5, 3)
    verdict = judges(mels)
    for head in HEADS:
        table = verdict.probabilities[head]
        assert table.shape == (5, len(judges.classes[head]))
        np.testing.assert_allclose(table.sum(axis=1), 1, rtol=0, atol=sums(2 * table.shape[1]))
        for index, name in enumerate(verdict.best(head)):
            assert verdict.probability(head, name)[index] == table[index].max()


def test_batches_do_not_change_a_verdict(judges):
    mels, _ = corpus(7, 4)
    whole, single = judges(mels), judges(mels, batch_size=1)
    np.testing.assert_allclose(whole.probabilities["genre"], single.probabilities["genre"], rtol=0, atol=ROUNDING)


def test_a_steady_sound_gets_the_same_verdict_at_another_length(judges):
    mels, _ = corpus(6, 5)
    assert judges(np.concatenate([mels, mels, mels], axis=1)).best("genre") == judges(mels).best("genre")


def test_waves_are_judged_by_their_log_mels(judges):
    waves = np.random.default_rng(0).normal(0, 0.1, (2, 16000)).astype(np.float32)
    mels = log_mel(torch.from_numpy(waves), MelSpec()).numpy()
    heard = judges(waves).probabilities["genre"]
    np.testing.assert_allclose(heard, judges(mels).probabilities["genre"], rtol=0, atol=ROUNDING)
    np.testing.assert_allclose(heard[:1], judges(waves[0]).probabilities["genre"], rtol=0, atol=ROUNDING)


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


def test_the_judges_that_ship_are_right_on_composed_clips_of_other_seeds():
    clips = json.loads((FIRST_EDITION / "judged.json").read_text(encoding="utf-8"))
    waves = np.stack([read(FIRST_EDITION / clip["file"])[0][:163840] for clip in clips])
    shipped = Judges.load()
    verdict = shipped(waves)
    assert sum(judged == clip["genre"] for judged, clip in zip(verdict.best("genre"), clips, strict=True)) >= 9
    drums = [DRUMS[clip["drums"]] for clip in clips]
    assert sum(judged == wanted for judged, wanted in zip(verdict.best("drums"), drums, strict=True)) >= 9
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


def test_an_untrained_net_has_the_sizes_of_its_classes():
    net = build_net({"genre": ("a", "b", "c"), "drums": ("d", "e")}, (8, 16), MelSpec())
    assert {h: tuple(v.shape) for h, v in net(torch.zeros(2, 40, 64)).items()} == {"genre": (2, 3), "drums": (2, 2)}


def test_the_tempo_prior_weighs_genres_by_their_probabilities(judges):
    verdict = judges(corpus(1, 3)[0])
    judges.card = {}
    with pytest.raises(InvalidInputError, match="no 'tempi'"):
        judges.tempo_prior(verdict, 0)
    judges.card = {"tempi": dict.fromkeys(GENRES, (100.0, 0.4))}
    prior = judges.tempo_prior(verdict, 0)
    assert [r.weight for r in prior[:-1]] == pytest.approx(verdict.probabilities["genre"][0].tolist())
    assert prior[-1].weight < 0.1
