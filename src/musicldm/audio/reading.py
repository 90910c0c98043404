"""Audio files of any kind to waves."""

from __future__ import annotations

import os

import numpy as np

from musicldm import files
from musicldm.audio import Wave
from musicldm.audio.resampling import resample
from musicldm.errors import DataError


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
