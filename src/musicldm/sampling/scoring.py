"""How well audio fits a condition: the cosine of CLAP embeddings, and the order it gives."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from musicldm.audio import resample
from musicldm.sampling.conditioning import wake

_CHUNK = 4


def can_score(text_encoder: Any, feature_extractor: Any) -> bool:
    """Whether a checkpoint has what it takes to embed audio."""
    return feature_extractor is not None and hasattr(text_encoder, "get_audio_features")


def audio_embeddings(
    text_encoder: Any, feature_extractor: Any, audio: torch.Tensor, sample_rate: int, device: torch.device
) -> torch.Tensor:
    """Waves (n, samples) at a rate in Hz to unit embeddings (n, projection) by CLAP's audio tower."""
    wake(text_encoder)
    parts = [
        text_encoder.get_audio_features(
            **_features(feature_extractor, chunk.cpu().numpy(), sample_rate, device, text_encoder.dtype)
        ).pooler_output
        for chunk in torch.split(audio, _CHUNK)
    ]
    return torch.cat(parts)


def _features(
    feature_extractor: Any, waves: np.ndarray[Any, Any], sample_rate: int, device: torch.device, dtype: torch.dtype
) -> dict[str, torch.Tensor]:
    """Input of the audio tower, the same for the same waves.

    The extractor would cut a random piece out of a wave longer than it takes: here the middle is cut beforehand.
    """
    rate = feature_extractor.sampling_rate
    pieces = [_middle(resample(wave, sample_rate, rate), int(feature_extractor.nb_max_samples)) for wave in waves]
    batch = feature_extractor(pieces, sampling_rate=rate, return_tensors="pt")
    return {
        "input_features": batch["input_features"].to(device=device, dtype=dtype),
        # A fusing extractor calls one short wave long at random.
        "is_longer": torch.zeros(len(pieces), 1, dtype=torch.bool, device=device),
    }


def _middle(wave: np.ndarray[Any, Any], samples: int) -> np.ndarray[Any, Any]:
    start = max(0, (len(wave) - samples) // 2)
    return wave[start : start + samples]


def cosines(embeddings: torch.Tensor, conditions: torch.Tensor) -> list[float]:
    """Cosine of each of (n, d) embeddings with the condition (n, d) of the same row."""
    similarity = torch.nn.functional.cosine_similarity(embeddings.float(), conditions.float(), dim=-1)
    values: list[float] = similarity.cpu().tolist()
    return values


def order_within_prompts(scores: list[float], per_prompt: int) -> list[int]:
    """Indices of the audios, grouped by prompt as they came and best first within each; equal ones keep their order.

    What has no score (not a number) comes last.
    """

    def key(index: int) -> tuple[int, bool, float]:
        score = scores[index]
        return index // per_prompt, score != score, -score if score == score else 0.0

    return sorted(range(len(scores)), key=key)
