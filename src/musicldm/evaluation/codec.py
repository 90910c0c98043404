"""The codec of a model, its VAE and vocoder together, over arrays: what it keeps of real clips."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch

from musicldm.model.parts import load_part
from musicldm.model.vae import Vae
from musicldm.model.vocoder import vocoder_of

if TYPE_CHECKING:
    from diffusers import AutoencoderKL
    from transformers import SpeechT5HifiGan

Floats = npt.NDArray[np.float32]


class Codec:
    """The VAE and the vocoder of a model folder, on the CPU in single precision, by default one clip at a time.

    A clip's layers then stay in the processor's caches.
    """

    def __init__(self, vae: AutoencoderKL, vocoder: SpeechT5HifiGan) -> None:
        self.vae = Vae(vae.eval())
        self.vocoder = vocoder_of(vocoder.eval())

    @classmethod
    def load(cls, folder: Path | str) -> Codec:
        """Reads `vae/` and `vocoder/` of a model folder.

        Raises:
            CheckpointError: one of them is missing or unreadable.
        """
        from diffusers import AutoencoderKL
        from transformers import SpeechT5HifiGan

        return cls(load_part(AutoencoderKL, Path(folder), "vae"), load_part(SpeechT5HifiGan, Path(folder), "vocoder"))

    def mels(self, mels: npt.ArrayLike, *, batch_size: int = 1) -> Floats:
        """Log-mels (n, frames, bins) through the VAE alone, the posterior's mean decoded."""
        return _in_batches(lambda batch: self.vae.decode(self.vae.encode(batch)[0]), mels, batch_size)

    def waves(self, mels: npt.ArrayLike, *, batch_size: int = 1) -> Floats:
        """Log-mels (n, frames, bins) to waves (n, samples) by the vocoder."""
        return _in_batches(self.vocoder, mels, batch_size)

    def __call__(self, mels: npt.ArrayLike, *, batch_size: int = 1) -> Floats:
        """Log-mels (n, frames, bins) through VAE and vocoder to waves (n, samples)."""
        return self.waves(self.mels(mels, batch_size=batch_size), batch_size=batch_size)


@torch.inference_mode()
def _in_batches(turn: Callable[[torch.Tensor], torch.Tensor], mels: npt.ArrayLike, batch_size: int) -> Floats:
    source = np.asarray(mels)
    batches = (source[start : start + batch_size] for start in range(0, len(source), batch_size))
    return np.concatenate([turn(torch.from_numpy(np.array(batch, dtype=np.float32))).numpy() for batch in batches])
