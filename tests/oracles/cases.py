"""What is asked of both pipelines, the reference and ours; arguments have upstream's names."""

from __future__ import annotations

from typing import Any

PROMPT = "happy techno with fast drums"
PAIR = ["sad jazz piano", "loud rock guitar solo"]
SEED = 7
STEPS = 5

CASES: dict[str, dict[str, Any]] = {
    "ddim": {"prompt": PROMPT},
    "ddim_eta1": {"prompt": PROMPT, "eta": 1.0},
    "unguided": {"prompt": PROMPT, "guidance_scale": 1.0},
    "unguided_eta1": {"prompt": PROMPT, "guidance_scale": 1.0, "eta": 1.0},
    "negative": {"prompt": PROMPT, "negative_prompt": "low quality, muffled", "guidance_scale": 3.5},
    "three_ranked": {"prompt": PROMPT, "num_waveforms_per_prompt": 3},
    "list": {"prompt": PAIR},
    "list_negatives": {"prompt": PAIR, "negative_prompt": ["noisy", "low quality"]},
    "full_length": {"prompt": PROMPT, "audio_length_in_s": None},
    "dpmsolver++": {"prompt": PROMPT, "scheduler": "dpmsolver++"},
    "lms": {"prompt": PROMPT, "scheduler": "lms"},
    "euler": {"prompt": PROMPT, "scheduler": "euler"},
    "latents": {"prompt": PROMPT, "latents": True},
    "embeddings": {"prompt_embeds": True, "negative_prompt_embeds": True},
}
"""Cases by name; for tensors, True says that the stored one is passed. 5.0 s but for the full length of 10.24 s."""

SCHEDULER_CLASSES = {
    "dpmsolver++": "DPMSolverMultistepScheduler",
    "lms": "LMSDiscreteScheduler",
    "euler": "EulerDiscreteScheduler",
}
SECONDS = 5.0
LATENT_SHAPE = (1, 8, 125, 16)
