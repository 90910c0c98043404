"""How well audio fits a condition: the cosine of CLAP embeddings, and the order it gives."""

from __future__ import annotations

from typing import Any

import torch

from musicldm.model.clap import wake
from musicldm.model.clap_input import clap_input

_CHUNK = 4


def can_score(text_encoder: Any, feature_extractor: Any) -> bool:
    """Whether a checkpoint has what it takes to embed audio."""
    return feature_extractor is not None and hasattr(text_encoder, "get_audio_features")


def audio_embeddings(
    text_encoder: Any, feature_extractor: Any, audio: torch.Tensor, sample_rate: int, device: torch.device
) -> torch.Tensor:
    """Waves (n, samples) at a rate in Hz to unit embeddings (n, projection) by CLAP's audio tower."""
    wake(text_encoder)
    parts = []
    for chunk in torch.split(audio, _CHUNK):
        inputs = clap_input(feature_extractor, chunk.cpu().numpy(), sample_rate)
        features = inputs["input_features"].to(device, text_encoder.dtype)
        parts.append(text_encoder.get_audio_features(features, inputs["is_longer"].to(device)).pooler_output)
    return torch.cat(parts)


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
