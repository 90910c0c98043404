"""The parts of a model as functions over arrays: what mixtures are encoded, decoded, heard and read with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from musicldm.audio.mel import MelSpec, log_mel
from musicldm.data.encoders import embed_texts, embed_waves
from musicldm.model.vocoder import vocode

Array = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Studio:
    """Functions that take and give float32 arrays.

    Attributes:
        sample_rate: of the waves, in Hz.
        encode: waves (n, samples) to moments (n, 2 C, T, F), unscaled.
        decode: latents (n, C, T, F), unscaled, to waves (n, samples).
        listen: waves (n, samples) to CLAP embeddings (n, D) of unit norm.
        read: n texts to CLAP embeddings (n, D) of unit norm.
    """

    sample_rate: int
    encode: Callable[[Array], Array]
    decode: Callable[[Array], Array]
    listen: Callable[[Array], Array]
    read: Callable[[Sequence[str]], Array]


def open_studio(spec: MelSpec, vae: Any, vocoder: Any, clap: Any, tokenizer: Any, extractor: Any) -> Studio:
    """A studio of a model's parts, each on the device it is on.

    Args:
        spec: of the waves and of the log-mels that the VAE takes.
        vae: AutoencoderKL.
        vocoder: SpeechT5HifiGan.
        clap: ClapModel.
        tokenizer: of its text tower.
        extractor: of its audio tower.
    """
    device = next(vae.parameters()).device

    @torch.no_grad()
    def encode(waves: Array) -> Array:
        mel = log_mel(torch.from_numpy(waves), spec)
        posterior = vae.encode(mel[:, None].to(device)).latent_dist
        return np.asarray(torch.cat([posterior.mean, posterior.std], dim=1).float().cpu().numpy())

    @torch.no_grad()
    def decode(latents: Array) -> Array:
        mel = vae.decode(torch.from_numpy(latents).to(device)).sample[:, 0]
        return np.asarray(vocode(vocoder, mel).float().cpu().numpy())

    def listen(waves: Array) -> Array:
        return embed_waves(clap, extractor, waves, spec.sample_rate).astype(np.float32)

    def read(texts: Sequence[str]) -> Array:
        return embed_texts(clap, tokenizer, texts).astype(np.float32)

    return Studio(spec.sample_rate, encode, decode, listen, read)
