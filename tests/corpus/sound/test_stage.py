"""Places between the loudspeakers, by the difference in level of the two sides."""

import math

import numpy as np
import pytest

from musicldm.corpus.sound.instruments import INSTRUMENTS
from musicldm.corpus.sound.stage import Place, drum_place, place_of, stand


def wave(seed: int = 0) -> np.ndarray:
    return np.repeat(np.random.default_rng(seed).standard_normal((1, 4000)), 2, axis=0).astype(np.float32)


def difference(sides: np.ndarray) -> float:
    """Right against left in decibels."""
    left, right = np.mean(np.asarray(sides, np.float64) ** 2, axis=1)
    return 10 * math.log10(right / left)


@pytest.mark.parametrize("pan", [-0.6, -0.2, 0.0, 0.4])
def test_panning_follows_the_constant_power_law(pan):
    sides = stand(wave(), Place(pan))
    angle = (pan + 1) * math.pi / 4
    assert difference(sides) == pytest.approx(20 * math.log10(math.tan(angle)), abs=1e-4)
    assert np.mean(sides**2) == pytest.approx(np.mean(wave() ** 2), rel=1e-5)


def test_one_channel_stands_where_two_equal_ones_do():
    np.testing.assert_allclose(stand(wave()[:1], Place(0.3)), stand(wave(), Place(0.3)), atol=1e-6)


def test_width_scales_the_side_and_leaves_the_mid():
    stereo = np.random.default_rng(1).standard_normal((2, 4000)).astype(np.float32)
    for width in (0.0, 0.5, 1.3):
        sides = stand(stereo, Place(0.0, width))
        np.testing.assert_allclose(sides.sum(axis=0), stereo.sum(axis=0), atol=1e-5)
        np.testing.assert_allclose(sides[0] - sides[1], width * (stereo[0] - stereo[1]), atol=1e-5)


def test_lead_and_bass_stand_in_the_middle_whatever_plays_them():
    rng = np.random.default_rng(0)
    for name in ("violin", "saw lead", "distorted guitar"):
        assert place_of("lead", INSTRUMENTS[name], rng).pan == 0
    assert place_of("bass", INSTRUMENTS["reese bass"], rng) == Place(0.0, 0.0)


def test_a_part_stands_where_its_instrument_does_with_little_variation():
    for name, side in (("clean guitar", -1), ("steel guitar", 1), ("brass section", 1), ("harp", -1)):
        pans = [place_of("chords", INSTRUMENTS[name], np.random.default_rng(seed)).pan for seed in range(200)]
        assert np.sign(np.mean(pans)) == side
        assert 0.02 < np.std(pans) < 0.08
        assert min(side * np.array(pans)) > 0.1


def test_drums_stand_as_on_records():
    assert drum_place(36).pan == 0
    assert abs(drum_place(38).pan) < 0.1
    assert drum_place(42).pan == drum_place(46).pan > 0.3
    high, middle, low = (drum_place(key).pan for key in (50, 45, 41))
    assert high > middle > low
    assert high > 0 > low


def test_a_stage_of_no_width_is_mono():
    for seed, instrument in enumerate(INSTRUMENTS.values()):
        place = place_of("chords", instrument, np.random.default_rng(seed), 0.0)
        assert place == Place(0.0, 0.0)
    assert all(drum_place(key, 0.0) == Place(0.0, 0.0) for key in range(35, 88))


def test_every_place_is_between_the_loudspeakers():
    for instrument in INSTRUMENTS.values():
        for role in ("lead", "bass", "chords", "pad", "counter"):
            place = place_of(role, instrument, np.random.default_rng(3), 1.5)
            assert -1 <= place.pan <= 1
            assert 0 <= place.width <= 2
