"""Sound as arrays: log-mel spectrograms, reading, resampling, loudness, and writing with the settings inside.

A wave is a mono float32 array (n_samples,) with full scale ±1, unless a docstring says otherwise.
"""

from __future__ import annotations

import io
import json
import math
import os
import struct
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from musicldm import __version__, files
from musicldm.errors import DataError, InvalidInputError, unknown_choice

if TYPE_CHECKING:
    import torch

Wave = npt.NDArray[np.float32]

ENCODINGS: dict[str, dict[str, Any]] = {
    "wav": {"format": "WAV", "subtype": "PCM_16"},
    "flac": {"format": "FLAC", "subtype": "PCM_16"},
    "ogg": {"format": "OGG", "subtype": "VORBIS", "compression_level": 0.2},
    "mp3": {"format": "MP3", "subtype": "MPEG_LAYER_III", "compression_level": 0.5, "bitrate_mode": "CONSTANT"},
}
"""File name endings that `write` knows, with libsndfile's settings: at 16 kHz 58 kbit/s for ogg, 80 for mp3."""

PEAK = 10 ** (-1 / 20)
"""Largest sample that leaves a file, -1 dB below full scale: lossy decoders overshoot a little."""
MAX_GAIN = 10 ** (40 / 20)
"""A nearly silent wave is not raised further than this factor: what is left in it is noise."""
LUFS_RANGE = (-60.0, -5.0)


@dataclass(frozen=True)
class MelSpec:
    """What a log-mel spectrogram is made of; the defaults are the published MusicLDM's.

    Args:
        sample_rate: samples a second.
        n_fft: length of the Fourier transform in samples.
        win_length: length of the periodic Hann window in samples, at most `n_fft`.
        hop_length: samples from one frame to the next.
        n_mels: number of mel bins.
        f_min: lower edge of the first bin in Hz.
        f_max: upper edge of the last bin in Hz, at most half the sample rate.
        floor: smallest magnitude before the logarithm.

    Raises:
        InvalidInputError: a value outside its range.
    """

    sample_rate: int = 16000
    n_fft: int = 1024
    win_length: int = 1024
    hop_length: int = 160
    n_mels: int = 64
    f_min: float = 0.0
    f_max: float = 8000.0
    floor: float = 1e-5

    def __post_init__(self) -> None:
        for name in ("sample_rate", "n_fft", "win_length", "hop_length", "n_mels"):
            if getattr(self, name) < 1:
                raise InvalidInputError(f"MelSpec {name} is {getattr(self, name)}: it must be at least 1")
        if not self.hop_length <= self.win_length <= self.n_fft:
            raise InvalidInputError(
                f"MelSpec hop_length {self.hop_length}, win_length {self.win_length}, n_fft {self.n_fft}: "
                "they must not decrease in this order"
            )
        if not 0 <= self.f_min < self.f_max <= self.sample_rate / 2:
            raise InvalidInputError(
                f"MelSpec f_min {self.f_min}, f_max {self.f_max}: valid is 0 <= f_min < f_max <= {self.sample_rate / 2}"
            )
        if not self.floor > 0:
            raise InvalidInputError(f"MelSpec floor is {self.floor}: it must be above 0")

    @property
    def frames_per_second(self) -> float:
        return self.sample_rate / self.hop_length

    def frames(self, n_samples: int) -> int:
        """Number of frames that `log_mel` gives for `n_samples` samples."""
        return (n_samples - self.hop_length) // self.hop_length + 1


def hz_to_mel(hz: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Frequency in Hz to mel on Slaney's scale: linear (3 mel a 200 Hz) to 1000 Hz, above it 27 mel a factor of 6.4."""
    hz = np.asarray(hz, dtype=np.float64)
    return np.where(hz < 1000.0, hz * 3 / 200, 15 + 27 * np.log(np.maximum(hz, 1000.0) / 1000) / np.log(6.4))


def mel_to_hz(mel: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Inverse of `hz_to_mel`."""
    mel = np.asarray(mel, dtype=np.float64)
    return np.where(mel < 15.0, mel * 200 / 3, 1000 * np.exp((np.maximum(mel, 15.0) - 15) / 27 * np.log(6.4)))


def mel_filters(spec: MelSpec) -> npt.NDArray[np.float64]:
    """Triangles (n_mels, n_fft // 2 + 1) on Slaney's scale, each of unit area over Hz (Slaney's normalisation)."""
    edges = mel_to_hz(np.linspace(hz_to_mel(spec.f_min), hz_to_mel(spec.f_max), spec.n_mels + 2))[:, None]
    bins = np.arange(spec.n_fft // 2 + 1) * spec.sample_rate / spec.n_fft
    left, centre, right = edges[:-2], edges[1:-1], edges[2:]
    triangles = np.minimum((bins - left) / (centre - left), (right - bins) / (right - centre))
    return np.asarray(np.maximum(triangles, 0) * 2 / (right - left))


@lru_cache(maxsize=32)
def _mel_constants(spec: MelSpec, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """Window (win_length,) and filters (n_fft // 2 + 1, n_mels) on a device; usable in autograd whoever asks first."""
    import torch

    with torch.inference_mode(mode=False):
        window = torch.hann_window(spec.win_length, dtype=torch.float32, device=device)
        filters = torch.tensor(mel_filters(spec).T, dtype=torch.float32, device=device).contiguous()
    return window, filters


def log_mel(waveform: torch.Tensor, spec: MelSpec | None = None) -> torch.Tensor:
    """Waveform (..., samples) to natural-log magnitude mel (..., frames, n_mels), float32, differentiable.

    The convention of HiFi-GAN (arXiv 2010.05646): reflection by (n_fft - hop) / 2 at both ends instead of centring,
    Slaney's mel scale and normalisation, magnitudes clamped at `spec.floor`. Frames: samples // hop_length.

    Raises:
        InvalidInputError: fewer samples than the reflection needs.
    """
    import torch

    spec = spec or MelSpec()
    left = (spec.n_fft - spec.hop_length) // 2
    right = spec.n_fft - spec.hop_length - left
    samples = waveform.shape[-1]
    if samples <= max(right, spec.hop_length - 1):
        needed = max(right + 1, spec.hop_length)
        raise InvalidInputError(f"a waveform of {samples} samples is too short for a log-mel: at least {needed}")
    window, filters = _mel_constants(spec, waveform.device)
    with torch.autocast(waveform.device.type, enabled=False):
        flat = waveform.float().reshape(-1, samples)
        padded = torch.nn.functional.pad(flat, (left, right), mode="reflect")
        spectrum = torch.stft(
            padded,
            n_fft=spec.n_fft,
            hop_length=spec.hop_length,
            win_length=spec.win_length,
            window=window,
            center=False,
            return_complex=True,
        )
        mel = spectrum.abs().transpose(-1, -2) @ filters
        return mel.clamp(min=spec.floor).log().reshape(*waveform.shape[:-1], *mel.shape[-2:])


def read(path: str | os.PathLike[str], sample_rate: int | None = None) -> tuple[Wave, int]:
    """Audio file of any rate and number of channels to a mono wave (mean of the channels) and its rate in Hz.

    Args:
        path: anything libsndfile reads: wav, flac, ogg, opus, mp3, aiff, …
        sample_rate: resample to this rate; None keeps the file's own.

    Raises:
        DataError: no such file, no audio in it, or samples that are not finite.
        OSError: the machine refuses to read it.
    """
    import soundfile

    try:
        channels, rate = soundfile.read(str(path), dtype="float32", always_2d=True)
    except soundfile.LibsndfileError as error:
        raise _unreadable(path, error) from error
    wave = np.ascontiguousarray(channels.mean(axis=1, dtype=np.float32))
    if not len(wave):
        raise DataError(f"{path}: the file holds no samples")
    if not np.isfinite(wave).all():
        raise DataError(f"{path}: the file holds samples that are not finite")
    return (wave, int(rate)) if sample_rate is None else (resample(wave, int(rate), sample_rate), sample_rate)


def _unreadable(path: str | os.PathLike[str], error: Exception) -> DataError:
    """What libsndfile's error says of a file; raises OSError where it is the machine that refused."""
    reason = str(error).rsplit(": ", 1)[-1].strip()
    try:
        files.check_readable(path)
    except FileNotFoundError:
        return DataError(f"{path}: no such file")
    except OSError as refused:
        if files.is_refusal(refused):
            raise
        reason = refused.strerror or reason
    return DataError(f"{path}: not an audio file that can be read ({reason})")


def resample(wave: Wave, source_rate: int, target_rate: int) -> Wave:
    """Wave (n,) at one rate in Hz to wave (about n * target / source,) at another, by soxr's high quality."""
    if min(source_rate, target_rate) < 1:
        raise InvalidInputError(f"sample rates {source_rate} and {target_rate}: both must be at least 1 Hz")
    if source_rate == target_rate:
        return wave
    import soxr

    return np.asarray(soxr.resample(wave, source_rate, target_rate), dtype=np.float32)


def loudness(wave: Wave, sample_rate: int) -> float:
    """Integrated loudness in LUFS (ITU-R BS.1770-4), -inf for silence; under 0.4 s, that of the wave repeated."""
    import pyloudnorm

    wave = np.asarray(wave, dtype=np.float64)
    if not wave.any():
        return -math.inf
    block = math.ceil(0.4 * sample_rate) + 1
    if len(wave) < block:
        wave = np.tile(wave, -(-block // len(wave)))
    with np.errstate(divide="ignore"):
        return float(pyloudnorm.Meter(sample_rate).integrated_loudness(wave))


def check_loudness(target: str | float) -> str | float:
    """`"peak"` or a number of LUFS as number or text, to `"peak"` or a float; anything else is an InvalidInputError."""
    low, high = LUFS_RANGE
    wrong = InvalidInputError(f"loudness {target!r}: valid is 'peak' or LUFS from {low:g} to {high:g}")
    if target == "peak":
        return "peak"
    try:
        lufs = float(target)
    except ValueError:
        raise wrong from None
    if not low <= lufs <= high:
        raise wrong
    return lufs


def normalise(wave: Wave, sample_rate: int, target: str | float = "peak") -> Wave:
    """Wave to a stated level; silence stays silence, and no sample of the result exceeds -1 dB of full scale.

    Args:
        wave: samples (n,).
        sample_rate: in Hz.
        target: `"peak"` scales the largest sample to -1 dB; a number is the integrated loudness in LUFS, where
            samples that would go over -1 dB are held by a look-ahead limiter.

    Raises:
        InvalidInputError: see `check_loudness`.
    """
    target = check_loudness(target)
    peak = float(np.abs(wave).max(initial=0.0))
    if peak == 0.0:
        return wave
    if isinstance(target, str):
        return (wave * np.float32(min(PEAK / peak, MAX_GAIN))).clip(-PEAK, PEAK)
    current = loudness(wave, sample_rate)
    gain = MAX_GAIN if current == -math.inf else min(10 ** ((target - current) / 20), MAX_GAIN)
    return limit(wave * np.float32(gain), sample_rate)


def limit(wave: Wave, sample_rate: int, ceiling: float = PEAK, seconds: float = 0.005) -> Wave:
    """Wave held at or under `ceiling` by a gain that falls and rises within `seconds` around each peak.

    The gain wanted at each sample is spread to its neighbourhood by a running minimum and then smoothed by a Hann
    window of the same length: an average of values that are each low enough is low enough.
    """
    if np.abs(wave).max(initial=0.0) <= ceiling:
        return wave
    from scipy.ndimage import convolve1d, minimum_filter1d

    width = 2 * max(1, round(seconds * sample_rate / 2)) + 1
    wanted = np.minimum(1.0, ceiling / np.maximum(np.abs(wave.astype(np.float64)), 1e-12))
    window = np.hanning(width + 2)[1:-1]
    gain = convolve1d(minimum_filter1d(wanted, width, mode="nearest"), window / window.sum(), mode="nearest")
    return np.asarray(wave * gain, dtype=np.float32).clip(-ceiling, ceiling)


def encode(
    wave: Wave, sample_rate: int, audio_format: str, *, settings: Mapping[str, Any] | None = None, title: str = ""
) -> bytes:
    """Wave (n,) to the bytes of an audio file, with its settings inside.

    Args:
        wave: samples; those over full scale are clipped.
        sample_rate: in Hz.
        audio_format: one of `ENCODINGS`.
        settings: anything JSON can hold; stored as JSON in ASCII in the comment tag, see `read_settings`.
        title: the title tag.

    Raises:
        InvalidInputError: an unknown format, or a sample rate that the format does not have.
    """
    import soundfile

    if audio_format not in ENCODINGS:
        raise unknown_choice("audio format", audio_format, ENCODINGS)
    comment = "" if settings is None else json.dumps(settings, ensure_ascii=True)
    tags = {"comment": comment, "title": title, "software": f"musicldm {__version__}" if comment else ""}
    file = io.BytesIO()
    try:
        with soundfile.SoundFile(file, "w", sample_rate, 1, **ENCODINGS[audio_format]) as sound:
            if audio_format != "wav":
                for tag, text in tags.items():
                    if text:
                        setattr(sound, tag, _ascii(text) if audio_format == "mp3" else text)
            # libsndfile's Vorbis writer puts each write on the stack: small blocks cannot overflow it.
            for start in range(0, len(wave), 8192):
                sound.write(np.clip(wave[start : start + 8192], -1.0, 1.0))
    except soundfile.LibsndfileError as error:
        raise InvalidInputError(f"{audio_format} cannot hold mono audio at {sample_rate} Hz: {error}") from error
    return file.getvalue() if audio_format != "wav" else _with_info_chunk(file.getvalue(), tags)


def _ascii(text: str) -> str:
    """Letters without their accents: libsndfile hands MP3 tags to LAME as Latin-1 whatever they are."""
    return unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()


def write(
    path: str | os.PathLike[str],
    wave: Wave,
    sample_rate: int,
    *,
    settings: Mapping[str, Any] | None = None,
    title: str = "",
) -> None:
    """`encode` into a file of the format its name ends in; the file is whole or not there.

    Raises:
        InvalidInputError: an ending that is none of `ENCODINGS`.
        OSError: the file cannot be written.
    """
    path = Path(path)
    content = encode(wave, sample_rate, path.suffix.lower().removeprefix("."), settings=settings, title=title)
    files.write_whole(path, content)


def read_settings(path: str | os.PathLike[str]) -> dict[str, Any]:
    """The settings that `write` stored in a file.

    Raises:
        DataError: no such file, no audio, or no settings of musicldm in it.
        OSError: the machine refuses to read it.
    """
    import soundfile

    try:
        with soundfile.SoundFile(str(path)) as sound:
            comment = _wav_comment(Path(path).read_bytes()) if sound.format == "WAV" else sound.comment
    except soundfile.LibsndfileError as error:
        raise _unreadable(path, error) from error
    try:
        settings = json.loads(comment)
    except ValueError:
        settings = None
    if not isinstance(settings, dict):
        raise DataError(f"{path}: no musicldm settings in this file")
    return settings


_INFO_NAMES = {"comment": b"ICMT", "title": b"INAM", "software": b"ISFT"}


def _with_info_chunk(content: bytes, tags: Mapping[str, str]) -> bytes:
    """WAV bytes with a LIST/INFO chunk at the end (Multimedia Programming Interface 1.0, 1991).

    Written here because libsndfile silently drops the strings of a WAV file where they exceed a few kilobytes.
    """
    body = b"INFO"
    for tag, text in tags.items():
        if text:
            data = text.encode() + b"\0"
            body += _INFO_NAMES[tag] + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2)
    if body == b"INFO":
        return content
    content += b"\0" * (len(content) % 2) + b"LIST" + struct.pack("<I", len(body)) + body
    return content[:4] + struct.pack("<I", len(content) - 8) + content[8:]


def _wav_comment(content: bytes) -> str:
    """The first ICMT entry of a WAV file's LIST/INFO chunks; empty where there is none."""
    lists = [chunk[4:] for name, chunk in _chunks(content[12:]) if name == b"LIST" and chunk[:4] == b"INFO"]
    comments = [data for chunk in lists for name, data in _chunks(chunk) if name == b"ICMT"]
    return comments[0].rstrip(b"\0").decode(errors="replace") if comments else ""


def _chunks(content: bytes) -> list[tuple[bytes, bytes]]:
    """RIFF bytes to (name, data) of its chunks, as far as they are whole."""
    found, start = [], 0
    while start + 8 <= len(content):
        size = int.from_bytes(content[start + 4 : start + 8], "little")
        found.append((content[start : start + 4], content[start + 8 : start + 8 + size]))
        start += 8 + size + size % 2
    return found
