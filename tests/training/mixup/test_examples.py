from collections.abc import Sequence

import numpy as np
import pytest

from musicldm.data.embeddings import ClipEmbeddings
from musicldm.training.mixup.examples import Examples, Mixing
from musicldm.training.mixup.mixing import Mixer, MixupOptions

CLIPS, FRAMES, HOP, RATE = 2, 32, 100, 1000
SECONDS = FRAMES * HOP / RATE
CAPTIONS = [["one", "uno"], ["two", "due"]]


class Recorder:
    """Parts that remember what they were given: waves are encoded as their mean level."""

    sample_rate = RATE

    def __init__(self) -> None:
        self.heard: list[np.ndarray] = []
        self.texts: list[str] = []
        self.encoded: list[np.ndarray] = []

    def encode(self, waves: np.ndarray) -> np.ndarray:
        self.encoded.append(waves[0])
        return np.zeros((1, 4, waves.shape[1] // HOP, 3), np.float32)

    def decode(self, latents: np.ndarray) -> np.ndarray:
        return latents.mean(axis=(1, 3)).repeat(HOP, axis=1)

    def embed_waves(self, waves: np.ndarray) -> np.ndarray:
        self.heard.append(waves[0])
        return np.full((1, 4), 0.25, np.float32)

    def embed_texts(self, texts: Sequence[str]) -> np.ndarray:
        self.texts += texts
        return np.full((1, 4), 0.5, np.float32)


def examples(recorder: Recorder, text_share: float, drop: float = 0.0, **options: object) -> Examples:
    """Clip 0 is all ones, clip 1 all zeros; their captions' embeddings are axes 0 and 1, their sounds' 2 and 3."""
    latents = np.zeros((CLIPS, 4, FRAMES, 3), np.float16)
    latents[0, :2] = 1.0
    axes = np.eye(4, dtype=np.float16)
    conditions = ClipEmbeddings(axes[[0, 0, 1, 1]], np.array([0, 2, 4]), axes[2:], np.full(4, -1, np.float16))
    downbeats = [[0.2, 0.6, 3.0], [0.4, 0.8, 3.0]]
    mixup = MixupOptions(**{"kind": "blm", "probability": 1.0, "other_partner": True} | options)
    mixer = Mixer([[0.2, 0.6], [0.4, 0.8]], downbeats, [None, None], SECONDS, mixup)
    waves = np.stack([np.full(FRAMES * HOP, 20000, np.int16), np.arange(FRAMES * HOP, dtype=np.int16)])
    mixing = Mixing(mixer, recorder, waves, CAPTIONS)
    return Examples(latents, conditions, crop_frames=(8,), drop=drop, text_share=text_share, mixing=mixing)


def draw(made: Examples, count: int = 20, clip: int = 0) -> tuple[np.ndarray, np.ndarray]:
    return made.draw(np.full(count, clip), np.random.default_rng(0))


@pytest.mark.parametrize("text_share", [0.0, 1.0])
def test_mixed_conditions_have_the_weight_of_the_mixed_latents(text_share: float) -> None:
    moments, condition = draw(examples(Recorder(), text_share, captions="mixed", sound_condition="mixed"))
    weight = moments[:, 0, 0, 0]
    assert moments.shape == (20, 4, 8, 3)
    assert 0.05 < weight.std() < 0.3
    assert np.allclose(moments[:, :2], weight[:, None, None, None])
    axis = 0 if text_share else 2
    assert np.allclose(np.linalg.norm(condition, axis=1), 1, atol=1e-5)
    assert np.allclose(condition[:, axis] * (1 - weight), condition[:, axis + 1] * weight, atol=1e-3)


def test_the_anchors_caption_alone_is_kept_as_published() -> None:
    recorder = Recorder()
    _, condition = draw(examples(recorder, 1.0))
    assert np.array_equal(condition, np.eye(4, dtype=np.float32)[[0] * 20])
    assert not recorder.texts


def test_joined_captions_begin_with_the_anchors() -> None:
    recorder = Recorder()
    _, condition = draw(examples(recorder, 1.0, captions="joined"), clip=1)
    assert (condition == 0.5).all()
    assert set(recorder.texts) == {f"{a}, mixed with {b}" for a in ("two", "due") for b in ("one", "uno")}


def test_a_latent_mixture_is_embedded_as_it_decodes() -> None:
    recorder = Recorder()
    moments, condition = draw(examples(recorder, 0.0), count=3)
    assert (condition == 0.25).all()
    assert np.allclose(recorder.heard, moments[:, 0, :, 0].repeat(HOP, axis=1))


def test_a_mixture_of_waves_is_encoded_and_embedded() -> None:
    recorder = Recorder()
    moments, condition = draw(examples(recorder, 0.0, kind="bam"), count=4)
    assert moments.shape == (4, 4, 8, 3)
    assert (condition == 0.25).all()
    assert np.array_equal(recorder.heard, recorder.encoded)
    for wave in recorder.encoded:
        # A constant and a ramp of one step a sample: a ramp, whose slope tells the weight.
        assert wave.shape == (8 * HOP,)
        assert np.allclose(np.diff(wave), np.diff(wave)[0], atol=1e-5)
        assert np.diff(wave)[0] > 0
        assert 0 < np.abs(wave).max() <= 0.5 + 1e-6


def test_mixtures_are_dropped_to_the_empty_prompt_as_often_as_clips() -> None:
    _, condition = draw(examples(Recorder(), 1.0, drop=0.3), count=1000)
    assert (condition[:, 0] == -1).mean() == pytest.approx(0.3, abs=0.05)


def test_clips_that_are_not_mixed_stay_whole() -> None:
    moments, condition = draw(examples(Recorder(), 1.0, probability=0.0))
    assert np.array_equal(moments[:, :2], np.ones((20, 2, 8, 3), np.float32))
    assert np.array_equal(condition[:, 0], np.ones(20, np.float32))


def test_the_same_generator_draws_the_same_examples() -> None:
    made = examples(Recorder(), 0.5, sound_condition="mixed")
    for first, second in zip(draw(made), draw(made), strict=True):
        assert np.array_equal(first, second)


@pytest.mark.parametrize(("power", "share"), [(0.0, 0.5), (1.0, 0.75), (2.0, 0.9)])
def test_captions_are_drawn_in_proportion_to_their_words_to_a_power(power: float, share: float) -> None:
    """Each clip has one caption of two words and one of six; those of the other clip have as many as nobody draws."""
    axes = np.eye(4, dtype=np.float16)
    words = np.array([900, 900, 2, 6])
    conditions = ClipEmbeddings(axes, np.array([0, 2, 4]), axes[:2], axes[0], words)
    latents = np.zeros((CLIPS, 4, FRAMES, 3), np.float16)
    made = Examples(latents, conditions, crop_frames=(8,), drop=0.0, text_share=1.0, caption_power=power)
    _, condition = draw(made, count=4000, clip=1)
    assert condition[:, 3].mean() == pytest.approx(share, abs=0.03)
    assert condition[:, :2].sum() == 0


def ramp(count: int, downbeats: Sequence[Sequence[int]] | None, crop_frames: Sequence[int] = (8,)) -> np.ndarray:
    """First frames of examples of a clip whose latents are the numbers of their frames."""
    latents = np.broadcast_to(np.arange(FRAMES, dtype=np.float16)[:, None], (1, 4, FRAMES, 3))
    conditions = ClipEmbeddings(
        np.eye(4, dtype=np.float16)[:1], np.array([0, 1]), np.eye(4, dtype=np.float16)[:1], np.zeros(4, np.float16)
    )
    made = Examples(latents, conditions, crop_frames=crop_frames, drop=0.0, text_share=1.0, downbeats=downbeats)
    return draw(made, count)[0][:, 0, 0, 0]


def test_examples_begin_on_every_downbeat_that_leaves_room_and_nowhere_else() -> None:
    assert set(ramp(200, [[3, 13, 24, 25]])) == {3, 13, 24}


def test_clips_without_an_early_downbeat_begin_anywhere() -> None:
    for downbeats in (None, [[]], [[25]]):
        assert set(ramp(600, downbeats)) == set(range(25))


def test_each_batch_has_one_of_the_lengths_and_long_ones_are_the_clip() -> None:
    latents = np.zeros((1, 4, FRAMES, 3), np.float16)
    conditions = ClipEmbeddings(
        np.eye(4, dtype=np.float16)[:1], np.array([0, 1]), np.eye(4, dtype=np.float16)[:1], np.zeros(4, np.float16)
    )
    made = Examples(latents, conditions, crop_frames=(8, 16, 99), drop=0.0, text_share=1.0)
    rng = np.random.default_rng(0)
    shapes = [made.draw(np.zeros(3, int), rng)[0].shape for _ in range(60)]
    assert {shape[2] for shape in shapes} == {8, 16, FRAMES}
    assert all(shape[0] == 3 for shape in shapes)


@pytest.mark.parametrize(("kind", "starts"), [("blm", {0}), ("bam", {0}), ("simple", set(range(25)))])
def test_mixtures_in_time_with_the_beat_begin_where_it_does(kind: str, starts: set[int]) -> None:
    made = examples(Recorder(), 1.0, kind=kind)
    made.downbeats = [[0], [0]]
    rng = np.random.default_rng(0)
    assert {made._start_in(FRAMES, 8, made.mixing, rng) for _ in range(600)} == starts
