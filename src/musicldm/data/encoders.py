"""A model folder's encoders over prepared shards: VAE latents, and CLAP embeddings of captions and sounds."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from musicldm.data.arrays import Rows, fill, mapped
from musicldm.data.cutting import FULL_SCALE
from musicldm.data.manifest import CLIPS, Shard
from musicldm.data.store import read_rows
from musicldm.errors import CheckpointError, unknown_choice
from musicldm.machine.devices import choose_device
from musicldm.model.clap_input import clap_input
from musicldm.model.parts import load_part

KINDS = ("latents", "texts", "sounds")
PRECISIONS = {"no": None, "bf16": torch.bfloat16, "fp16": torch.float16}
_TEXTS, _WAVES = 64, 8
Embeddings = npt.NDArray[np.float16]


@dataclass(frozen=True)
class Encoders:
    """Parts of a model folder in evaluation mode; None for those it has not, or that are not asked for.

    `mixed_precision` ("no", "bf16" or "fp16") is that of the VAE alone, as embeddings of two tempi lie closer together
    than the steps of half precision; the latents keep their name, from which they differ less than 1 % of a deviation.
    """

    vae: Any = None
    clap: Any = None
    tokenizer: Any = None
    extractor: Any = None
    mixed_precision: str = "no"

    @classmethod
    def load(cls, folder: Path, device: str = "cpu", mixed_precision: str = "no") -> Encoders:
        """What is there of `vae/`, `text_encoder/` (CLAP) with `tokenizer/`, and `feature_extractor/`.

        Raises:
            InvalidInputError: a device that this machine does not have, or an unknown precision.
            CheckpointError: neither VAE nor CLAP is there, or one cannot be loaded.
        """
        if mixed_precision not in PRECISIONS:
            raise unknown_choice("mixed precision", mixed_precision, tuple(PRECISIONS))
        from diffusers import AutoencoderKL
        from diffusers.utils import logging as diffusers_logging
        from transformers import AutoTokenizer, ClapFeatureExtractor, ClapModel
        from transformers.utils import logging as transformers_logging

        for logging in (diffusers_logging, transformers_logging):
            logging.disable_progress_bar()
        kinds = {"vae": AutoencoderKL, "text_encoder": ClapModel, "tokenizer": AutoTokenizer}
        kinds["feature_extractor"] = ClapFeatureExtractor
        parts = [load_part(kind, folder, name) if (folder / name).is_dir() else None for name, kind in kinds.items()]
        vae, clap, tokenizer, extractor = parts
        if vae is None and (clap is None or (tokenizer is None and extractor is None)):
            raise CheckpointError(f"{folder} has no vae/ and no text_encoder/ with tokenizer/: give a model folder")
        place = choose_device(device)
        for model in (vae, clap):
            if model is not None:
                model.to(place).eval()
        return cls(vae, clap, tokenizer, extractor, mixed_precision)

    @classmethod
    @lru_cache(maxsize=1)
    def cached(cls, folder: Path, device: str, mixed_precision: str) -> Encoders:
        """As `load`, once in a process."""
        return cls.load(folder, device, mixed_precision)

    def vae_precision(self) -> AbstractContextManager[object]:
        """What the VAE is called under."""
        dtype = PRECISIONS[self.mixed_precision]
        return nullcontext() if dtype is None else torch.autocast(next(self.vae.parameters()).device.type, dtype)

    def array_names(self, kinds: Sequence[str] = KINDS) -> dict[str, str]:
        """The names of the arrays that these encoders make, of those wanted."""
        names = {}
        for kind in kinds:
            if kind not in KINDS:
                raise unknown_choice("kind of array", kind, KINDS)
            if kind == "latents" and self.vae is not None:
                names[kind] = latents_name(self.vae)
            elif kind == "texts" and self.clap is not None and self.tokenizer is not None:
                names[kind] = texts_name(self.clap)
            elif kind == "sounds" and self.clap is not None and self.extractor is not None:
                names[kind] = sounds_name(self.clap)
        return names


def module_hash(module: torch.nn.Module) -> str:
    """SHA-256 (16 hex digits) over names, shapes and values of all parameters and buffers."""
    digest = hashlib.sha256()
    for name, value in sorted(module.state_dict().items()):
        digest.update(f"{name} {tuple(value.shape)}".encode())
        digest.update(value.detach().to("cpu", torch.float32).contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]


def latents_name(vae: Any) -> str:
    """Of the array of this VAE's latents."""
    return f"latents-{module_hash(vae)}"


def texts_name(clap: Any) -> str:
    """Of the array of captions' embeddings by this CLAP's text tower."""
    return f"texts-{module_hash(clap.text_model)}{module_hash(clap.text_projection)}"


def sounds_name(clap: Any) -> str:
    """Of the array of sounds' embeddings by this CLAP's audio tower."""
    return f"sounds-{module_hash(clap.audio_model)}{module_hash(clap.audio_projection)}"


@dataclass(frozen=True)
class Known:
    """Rows that another shard has already: clips and captions of it, and those they are of the new one."""

    shard: Shard
    clips: slice
    captions: slice
    new_clips: slice
    new_captions: slice


def add_arrays(shard: Shard, encoders: Encoders, kinds: Sequence[str] = KINDS, known: Sequence[Known] = ()) -> bool:
    """Gives a shard those arrays that it has not yet; returns whether there were any.

    Args:
        shard: with its waves, log-mels and captions.
        encoders: what makes the arrays.
        kinds: of `KINDS`; those that the encoders cannot make are passed over.
        known: rows to copy where the other shard has the array.
    """
    added = False
    for kind, name in encoders.array_names(kinds).items():
        count = shard.captions if kind == "texts" else shard.clips
        file = f"{name}.npy"
        if file in shard.files or not count:
            continue
        rows = []
        for one in known:
            if file in one.shard.files:
                old, new = (one.captions, one.new_captions) if kind == "texts" else (one.clips, one.new_clips)
                rows.append((new, mapped(one.shard.folder / file)[old]))
        fill(shard.folder / file, count, rows, lambda places, kind=kind: _encode(kind, shard, encoders, places))  # type: ignore[misc]
        shard.add(file)
        shard.save()
        added = True
    return added


def _encode(kind: str, shard: Shard, encoders: Encoders, places: npt.NDArray[np.int64]) -> Iterator[Rows]:
    if kind == "texts":
        captions = [caption for row in read_rows(shard.folder / CLIPS) for caption in row.captions]
        yield embed_texts(encoders.clap, encoders.tokenizer, [captions[place] for place in places])
    elif kind == "latents":
        with encoders.vae_precision():
            yield from encode_mels(encoders.vae, mapped(shard.folder / "mels.npy"), places)
    else:
        yield from _encode_waves(encoders, shard, places)


@torch.no_grad()
def encode_mels(vae: Any, mels: Rows, places: npt.NDArray[np.int64]) -> Iterator[Embeddings]:
    """Means and standard deviations (n, 2 C, T, F) of the posterior of log-mels (N, frames, bins), unscaled.

    `vae` is an AutoencoderKL over (B, 1, frames, bins), whose weights are put into channels-last order. On its device,
    in its precision under the caller's autocast; one clip at a time on a CPU, whose caches that fits, else eight.
    """
    device = next(vae.parameters()).device
    size = 1 if device.type == "cpu" else 8
    vae.to(memory_format=torch.channels_last)
    for start in range(0, len(places), size):
        mel = torch.from_numpy(np.asarray(mels[places[start : start + size]], dtype=np.float32))
        posterior = vae.encode(mel[:, None].to(device)).latent_dist
        moments = torch.cat([posterior.mean, posterior.std], dim=1)
        yield moments.float().cpu().numpy().astype(np.float16)


@torch.no_grad()
def embed_texts(clap: Any, tokenizer: Any, texts: Sequence[str]) -> Embeddings:
    """Embeddings (len(texts), D), unit norm, of a CLAP that is put into evaluation mode.

    Texts of like length share a batch, padded to the longest in it.
    """
    clap.eval()
    device = next(clap.parameters()).device
    order = sorted(range(len(texts)), key=lambda index: len(texts[index]))
    out = np.zeros((len(texts), clap.config.projection_dim), dtype=np.float16)
    for start in range(0, len(order), _TEXTS):
        chosen = order[start : start + _TEXTS]
        tokens = tokenizer([texts[i] for i in chosen], padding=True, truncation=True, return_tensors="pt").to(device)
        out[chosen] = _unit(clap.get_text_features(tokens["input_ids"], tokens["attention_mask"]).pooler_output)
    return out


def _encode_waves(encoders: Encoders, shard: Shard, places: npt.NDArray[np.int64]) -> Iterator[Embeddings]:
    waves = mapped(shard.folder / "waves.npy")
    for start in range(0, len(places), _WAVES):
        batch = waves[places[start : start + _WAVES]].astype(np.float32) / np.float32(FULL_SCALE)
        yield embed_waves(encoders.clap, encoders.extractor, batch, shard.sample_rate)


@torch.no_grad()
def embed_waves(clap: Any, extractor: Any, waves: npt.NDArray[np.float32], sample_rate: int) -> Embeddings:
    """Embeddings (n, D), unit norm, of sounds (n, samples) by a CLAP that is put into evaluation mode.

    Sound is resampled to the extractor's rate: 48 kHz with the published CLAP.
    """
    clap.eval()
    device = next(clap.parameters()).device
    inputs = {name: value.to(device) for name, value in clap_input(extractor, waves, sample_rate).items()}
    return _unit(clap.get_audio_features(**inputs).pooler_output)


def _unit(embeddings: torch.Tensor) -> Embeddings:
    return torch.nn.functional.normalize(embeddings.float(), dim=-1).cpu().numpy().astype(np.float16)
