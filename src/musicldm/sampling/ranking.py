"""How well audio fits a condition: the cosine of CLAP embeddings, and the order it gives."""

from __future__ import annotations

import torch


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
