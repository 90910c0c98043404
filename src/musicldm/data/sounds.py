"""A source's bytes to one wave at the wanted rate, channels and level, in blocks, however long it is."""

from __future__ import annotations

import errno
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt
import soundfile

from musicldm.audio import Wave
from musicldm.audio.levels import MAX_GAIN, normalise
from musicldm.data.sources import PYAV
from musicldm.errors import DataError, MissingDependencyError
from musicldm.files import is_refusal, named

NORMALISATIONS = ("peak", "loudness", "none")
SILENCE = 10 ** (-60 / 20)
"""A peak below this, -60 dB of full scale, is silence."""
PUBLISHED_PEAK = 0.5
LUFS = -16.0
"""As loud as mastered music (-10 LUFS at a peak of 1) is at the published peak of 0.5."""
SCRATCH = "sound."
"""Beginning of the names of temporary files with decoded sound, where the system gives them names at all."""
_BLOCK = 1 << 16

Block = npt.NDArray[np.float32]


def decode(file: IO[bytes], suffix: str, rate: int, scratch: Path) -> tuple[Wave, dict[str, str]]:
    """Audio of any rate, channels and length to its mono wave (n,) at `rate` Hz and its tags.

    As `decode_channels`.
    """
    wave, tags = decode_channels(file, suffix, rate, 1, scratch)
    return wave[:, 0], tags


def decode_channels(
    file: IO[bytes], suffix: str, rate: int, channels: int, scratch: Path
) -> tuple[Wave, dict[str, str]]:
    """Audio of any rate and length to its wave (n, channels) at `rate` Hz and its tags.

    One channel is the mean of all. Two are left and right; where a file has not just two, both are the mean.
    The wave lies in an unlinked file in `scratch`, so that hours of it take no memory.

    Raises:
        DataError: no audio, no samples, or samples that are not finite.
        MissingDependencyError: the suffix is one of `PYAV`, which is not installed.
        OSError: the machine refuses: the file cannot be read, or the disk of `scratch` is full.
    """
    tags: dict[str, str] = {}
    watched = _Watched(file)
    with tempfile.TemporaryFile(dir=scratch, prefix=SCRATCH) as kept:
        try:
            for block in _resampled(_folded(watched, suffix, tags, channels), rate, channels):
                with named(scratch):
                    kept.write(np.ascontiguousarray(block).tobytes())
        except DataError as error:
            watched.check()
            if is_refusal(error):
                raise MemoryError from error
            raise
        watched.check()
        if not kept.tell():
            raise DataError("the file holds no samples")
        with named(scratch):
            kept.flush()
        return np.memmap(kept, dtype=np.float32, mode="r+").reshape(-1, channels), tags


class _Watched:
    """A file that keeps what the system refuses on reading it.

    libsndfile takes an error in a callback for the end of the file, and what was read so far for the whole.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file: Any = file
        self._refused: OSError | None = None
        self.name = getattr(file, "name", "<none>")

    def check(self) -> None:
        """Raises what was refused, with the name of the file."""
        if self._refused is not None:
            with named(self.name):
                raise self._refused

    def readinto(self, buffer: Any) -> int:
        return int(self._kept(self._file.readinto, buffer) or 0)

    def read(self, size: int = -1) -> bytes:
        return bytes(self._kept(self._file.read, size) or b"")

    def seek(self, offset: int, whence: int = 0) -> int:
        return int(self._kept(self._file.seek, offset, whence) or 0)

    def tell(self) -> int:
        return int(self._kept(self._file.tell) or 0)

    def _kept(self, call: Callable[..., Any], *arguments: Any) -> Any:
        """The result of a call; None where it fails, at once after a refusal."""
        try:
            return None if self._refused is not None else call(*arguments)
        except ValueError:
            return None
        except OSError as error:
            if error.errno != errno.EINVAL:  # a place before the first byte, to which a broken header leads
                self._refused = error
            return None


def _folded(file: _Watched, suffix: str, tags: dict[str, str], channels: int) -> Iterator[tuple[int, Block]]:
    """Rate in Hz and wanted channels (n, channels) of each block; fills `tags` on the way."""
    blocks = _by_pyav(file, tags) if suffix in PYAV else _by_soundfile(file, tags)
    for rate, block in blocks:
        if not np.isfinite(block).all():
            raise DataError("the file holds samples that are not finite")
        if block.shape[1] != channels:
            block = np.repeat(block.mean(axis=1, dtype=np.float32, keepdims=True), channels, axis=1)
        yield rate, block


class _Forward(soundfile.SoundFile):
    """A file that is read from its beginning to its end.

    soundfile seeks to where it is after each read of a file that can seek, and MP3 goes wrong for a while after that.
    """

    def seekable(self) -> bool:
        return False


def _by_soundfile(file: _Watched, tags: dict[str, str]) -> Iterator[tuple[int, Block]]:
    try:
        with _Forward(file) as sound:
            tags.update({key: value for key, value in sound.copy_metadata().items() if value})
            while len(block := sound.read(_BLOCK, dtype="float32", always_2d=True)):
                yield sound.samplerate, block
    except (soundfile.LibsndfileError, RuntimeError, ValueError) as error:
        raise DataError(f"no audio that can be read ({str(error).rsplit(': ', 1)[-1].strip() or 'unknown'})") from None


def _by_pyav(file: _Watched, tags: dict[str, str]) -> Iterator[tuple[int, Block]]:
    try:
        import av
    except ImportError:
        raise MissingDependencyError("av", "aac") from None
    try:
        with av.open(file, mode="r") as container:
            tags.update({key.lower(): value for key, value in container.metadata.items() if value})
            planar: Any = av.AudioResampler(format="fltp")
            for frame in container.decode(audio=0):
                for plane in planar.resample(frame):
                    yield plane.sample_rate, plane.to_ndarray().T
    except (av.FFmpegError, IndexError) as error:
        raise DataError(f"no audio that can be read ({error})") from None


def _resampled(blocks: Iterator[tuple[int, Block]], rate: int, channels: int) -> Iterator[Block]:
    """Blocks (n, channels) at one rate to blocks at another, by soxr's high quality.

    A file whose rate changes is refused.
    """
    import soxr

    stream, source = None, rate
    for source, block in blocks:
        if source == rate and stream is None:
            yield block
            continue
        if stream is None:
            stream, first = soxr.ResampleStream(source, rate, channels, dtype="float32"), source
        if source != first:
            raise DataError(f"the sample rate changes from {first} to {source} Hz")
        yield stream.resample_chunk(block)
    if stream is not None:
        yield stream.resample_chunk(np.zeros((0, channels), np.float32), last=True).reshape(-1, channels)


def level(wave: Wave, rate: int, how: str) -> Wave:
    """Wave to the level that trainings get; it may be changed in place.

    Args:
        wave: (n,).
        rate: in Hz.
        how: "peak" takes out the mean and scales the peak to 0.5, as the published training; "loudness" takes out the
            mean and scales to -16 LUFS; "none" leaves every sample as it is. A gain is at most 40 dB.
    """
    if how == "none":
        return wave
    wave -= np.float32(wave.mean(dtype=np.float64))
    if how == "loudness":
        return normalise(wave, rate, LUFS)
    wave *= np.float32(min(PUBLISHED_PEAK / max(peak(wave), 1e-9), MAX_GAIN))
    return wave


def like(channels: Wave, before: Wave, after: Wave) -> Wave:
    """Sound (n, channels) with the level that its mono wave was brought to, `before` to `after`; both (m,).

    The gain is that of `level`, by least squares; what would exceed full scale is clipped when it is stored. Its mean
    is taken out.
    """
    mean = before.mean(dtype=np.float64)
    centred = before - np.float32(mean)
    power = float(np.dot(centred, centred))
    gain = float(np.dot(centred, after)) / power if power else 1.0
    return np.asarray((channels - channels.mean(axis=0, dtype=np.float64)) * gain, dtype=np.float32)


def peak(wave: Wave) -> float:
    """Largest magnitude of a wave of at least one sample."""
    return max(float(wave.max()), -float(wave.min()))
