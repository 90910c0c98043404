"""`Beats`, and the tracker's chunks and errors with small networks of random weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from musicldm.beats.beats import Beats, meter_of_beats, tempo_of_beats
from musicldm.beats.network import NetworkConfig, build_network
from musicldm.beats.tracker import BORDER, BeatTracker, chunk_starts
from musicldm.errors import InvalidInputError
from tests.tolerances import layers, sums

pytest.importorskip("beat_this")
RATE = 22050
TINY = NetworkConfig(
    transformer_dim=32, ff_mult=1, n_layers=1, stem_dim=8, partial_transformers=False, chunk_frames=128
)


class LoudFrames(torch.nn.Module):
    """Hears a beat where the spectrum is loud and a downbeat where it is louder still: frame by frame, no context."""

    def forward(self, spectrum: torch.Tensor) -> dict[str, torch.Tensor]:
        loud = spectrum.sum(dim=-1)
        return {"beat": loud - 100.0, "downbeat": loud - 350.0}


def clicks(times: np.ndarray, downbeats: np.ndarray, seconds: float, rate: int = RATE) -> np.ndarray:
    wave = np.zeros(round(seconds * rate), np.float32)
    for moment in times:
        wave[round(moment * rate)] = 0.9 if moment in downbeats else 0.05
    return wave


@pytest.mark.parametrize(("bpm", "meter"), [(60.0, 4), (97.3, 3), (120.0, 4), (181.0, 2)])
def test_clicks_of_known_tempo_and_meter_are_tracked_where_they_are(bpm: float, meter: int) -> None:
    times = np.arange(0.3, 40.0, 60 / bpm)
    tracker = BeatTracker(LoudFrames(), NetworkConfig(chunk_frames=500))
    found = tracker(clicks(times, times[1::meter], 40.5), RATE)
    heard = np.array(found.beats)[: len(times)]
    assert len(found.beats) - len(times) in (0, 1)  # the music ends, and one beat more may be expected
    assert np.abs(heard - times).max() <= 0.011
    assert np.abs(np.array(found.downbeats)[: len(times[1::meter])] - times[1::meter]).max() <= 0.011
    assert found.tempo == pytest.approx(bpm, rel=2e-3)
    assert found.meter == meter


def test_the_sample_rate_does_not_move_the_beats() -> None:
    times = np.arange(0.5, 10.0, 0.5)
    tracker = BeatTracker(LoudFrames(), NetworkConfig(chunk_frames=500))
    for rate in (16000, 44100, 48000):
        wave = np.repeat(clicks(times, times[::4], 10.5, 8000), rate // 8000) if rate != 44100 else None
        found = tracker(clicks(times, times[::4], 10.5, rate) * 2 if wave is None else wave, rate)
        assert np.abs(np.array(found.beats)[: len(times)] - times).max() <= 0.011


@pytest.mark.parametrize("seconds", [0.5, 2.3, 2.32, 2.56, 7.0, 13.37])
def test_chunks_give_the_logits_of_the_whole(seconds: float) -> None:
    """With a network that sees one frame only, chunks must make no difference at all."""
    wave = np.random.default_rng(0).normal(0, 0.1, round(seconds * RATE)).astype(np.float32)
    whole = BeatTracker(LoudFrames(), NetworkConfig(chunk_frames=10_000)).logits(wave, RATE)
    parts = BeatTracker(LoudFrames(), NetworkConfig(chunk_frames=128)).logits(wave, RATE)
    assert whole[0].shape == parts[0].shape == (len(wave) // 441 + 1,)
    for one, other in zip(whole, parts, strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=sums(128, np.abs(one).max() + 350.0))


def test_chunks_lie_where_those_of_beat_this_lie() -> None:
    """The formula of beat_this.inference.split_piece, which cannot be imported without torchaudio."""
    for count in (1, 100, 116, 117, 128, 500, 1000):
        starts = np.arange(-6, count - 6, 128 - 12)
        if count > 128 - 12:
            starts[-1] = count - (128 - 6)
        assert chunk_starts(count, 128) == starts.tolist()


def test_a_real_network_gives_for_chunks_what_it_gives_for_the_excerpts_alone() -> None:
    torch.manual_seed(0)
    network = build_network(TINY)
    wave = np.random.default_rng(0).normal(0, 0.1, 6 * RATE).astype(np.float32)
    tracker = BeatTracker(network, TINY)
    logits = tracker.logits(wave, RATE)[0]
    from musicldm.beats.spectrum import compress, magnitudes, reflected

    spectrum = compress(magnitudes(torch.from_numpy(reflected(wave))))
    first = torch.nn.functional.pad(spectrum[: 128 - BORDER], (0, 0, BORDER, 0))
    with torch.inference_mode():
        expected = network(first[None])["beat"][0, BORDER:-BORDER].numpy()
        second = network(spectrum[None, 110:238])["beat"][0, BORDER:-BORDER].numpy()
    allowed = layers(40, 4 * 32 * 3, size=np.abs(logits).max())
    np.testing.assert_allclose(logits[: 128 - 2 * BORDER], expected, rtol=0, atol=allowed)
    # The third chunk begins before the second ends, and the earlier one counts.
    np.testing.assert_allclose(logits[116:232], second, rtol=0, atol=allowed)


def test_sound_above_the_networks_top_frequency_does_not_reach_it() -> None:
    time = np.arange(3 * RATE) / RATE
    low = (0.1 * np.sin(2 * np.pi * 300 * time)).astype(np.float32)
    high = (0.3 * np.sin(2 * np.pi * 9500 * time) * (1 - np.cos(4 * np.pi * time))).astype(np.float32)
    tracker = BeatTracker(LoudFrames(), NetworkConfig(top_hz=7500.0))
    inside = slice(5, -5)
    assert np.abs(tracker.logits(low, RATE)[0] - tracker.logits(low + high, RATE)[0])[inside].max() < 1
    deaf = BeatTracker(LoudFrames(), NetworkConfig())
    assert np.abs(deaf.logits(low, RATE)[0] - deaf.logits(low + high, RATE)[0])[inside].max() > 5


def test_empty_and_silent_waves_have_no_beats() -> None:
    tracker = BeatTracker(LoudFrames(), NetworkConfig())
    nothing = Beats((), (), 0.0, 0)
    for samples in (0, 10, 600):
        assert tracker(np.zeros(samples, np.float32), RATE) == nothing
    assert tracker(np.zeros(3 * RATE, np.float32), RATE) == nothing


def test_what_is_no_mono_wave_of_finite_samples_is_refused() -> None:
    tracker = BeatTracker(LoudFrames(), NetworkConfig())
    for wave in (np.zeros((2, RATE), np.float32), np.full(RATE, np.nan, np.float32)):
        with pytest.raises(InvalidInputError, match="one mono wave of finite samples"):
            tracker(wave, RATE)


def test_tempo_and_meter_equal_those_worked_by_hand() -> None:
    assert tempo_of_beats(np.array([])) == tempo_of_beats(np.array([1.0])) == 0.0
    assert tempo_of_beats(np.array([0.0, 0.5, 1.0, 2.0, 2.5])) == pytest.approx(120.0)
    assert tempo_of_beats(np.array([0.0, 0.5, 1.5])) == pytest.approx(120.0)
    assert tempo_of_beats(np.round(np.arange(0, 20, 60 / 97) * 50) / 50) == pytest.approx(97, rel=2e-3)
    beats = np.arange(12.0)
    assert meter_of_beats(beats, beats[1::3]) == 3
    assert meter_of_beats(beats, np.array([0.0, 4.0, 6.0, 10.0])) == 4
    assert meter_of_beats(beats, beats[:1]) == meter_of_beats(beats, beats[:0]) == 0


def test_beats_are_numbered_as_beat_this_numbers_them() -> None:
    infer = _beat_this_numbers()
    beats = np.arange(0.0, 10.0, 0.5)
    for downbeats in (beats[0::4], beats[1::4], beats[3::4], beats[2::3], np.array([1.0, 3.0, 4.5, 6.5]), beats[6::4]):
        found = Beats.of(beats, downbeats)
        assert found.numbers() == tuple(infer(beats, downbeats).tolist())
    assert Beats.of(beats[:3], []).numbers() == tuple(infer(beats[:3], np.array([])).tolist()) == (2, 3, 4)


def _beat_this_numbers() -> Any:
    from beat_this.utils import infer_beat_numbers

    return infer_beat_numbers


def test_beats_that_contradict_themselves_are_refused() -> None:
    with pytest.raises(InvalidInputError, match="must ascend"):
        Beats((1.0, 1.0), (), 60.0, 0)
    with pytest.raises(InvalidInputError, match="one of the beats"):
        Beats((1.0, 2.0), (1.5,), 60.0, 0)


def test_the_front_end_works_without_torchaudio(tmp_path: Path) -> None:
    import subprocess
    import sys

    program = (
        "import sys; sys.modules['torchaudio'] = None\n"
        "from musicldm.beats.network import NetworkConfig, build_network\n"
        "from musicldm.beats.tracker import BeatTracker\n"
        "import numpy as np\n"
        "config = NetworkConfig(transformer_dim=32, n_layers=1, stem_dim=8, partial_transformers=False)\n"
        "BeatTracker(build_network(config), config)(np.zeros(22050, np.float32), 22050)\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, cwd=tmp_path)
