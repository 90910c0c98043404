"""Sizes and settings of an LDM training, and the noise schedule that training and sampling share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from diffusers import DDPMScheduler, DPMSolverMultistepScheduler

from musicldm.errors import InvalidInputError, unknown_choice
from musicldm.training.loop.task import Schedule
from musicldm.training.mixup.mixing import MixupOptions

PREDICTIONS = ("v_prediction", "epsilon")
STARTS = ("any", "downbeat")


@dataclass(frozen=True)
class LdmRecipe:
    """Sizes and settings of an LDM training; the defaults make the shipped model's.

    Args:
        channels: widths of the UNet; attention at all levels but the first.
        prediction: "v_prediction" (arXiv 2202.00512) or "epsilon", as the published model.
        crop_frames: latent frames of the training crops, a length for each batch drawn from these, at most a clip's.
        start: where crops begin: "any" frame, as published; or a "downbeat", where the data know the clip's, so
            that the phase of the beat is known under any noise. Music then begins on the first beat.
        optimizer: "muon" or "adamw", as the published model.
        sample_posterior: train on draws from the VAE's posterior, not on its means. Channels that the KL term has
            emptied are noise in a draw, which nothing can predict.
        text_share: probability that the condition is a caption's embedding and not the audio's.
        caption_power: a clip's captions are drawn in proportion to their number of words to this power: long ones say
            more of what is to be learned. 0 draws them alike.
        noisy_share: share of the training steps that are of the noisier half of the schedule, where it is decided what
            the music is; 0.5 draws all alike, as published.
        drop: probability that the condition is the embedding of the empty string (arXiv 2207.12598).
        min_snr: γ of the loss weights min(SNR, γ) / SNR on the noise (arXiv 2303.09556), or what they are for v; 0 is
            without weights.
        condition_floor: least gain of the condition layer, see `spread_condition`; 0 leaves the layer as it is.
        lora_rank: of the factors that train beside weights that stay; 0 trains the weights. Then `optimizer` is AdamW,
            and `condition_floor` does not count.
        blend: share (0 to 1) of the trained weights in those that are exported, the rest being those that training went
            on from: their mean is often better than either (Wortsman et al. 2022, arXiv 2109.01903).
        mixup: of the training clips.
        schedule: of the rate and the averages.
    """

    channels: tuple[int, ...] = (64, 128, 192)
    layers: int = 1
    groups: int = 32
    head_channels: int = 32
    condition_width: int = 512
    prediction: Literal["v_prediction", "epsilon"] = "v_prediction"
    beta_start: float = 0.0015
    beta_end: float = 0.0195
    train_timesteps: int = 1000
    batch_size: int = 24
    crop_frames: tuple[int, ...] = (64, 96)
    start: Literal["any", "downbeat"] = "downbeat"
    optimizer: Literal["muon", "adamw"] = "muon"
    learning_rate: float = 1e-3
    weight_decay: float = 0.01
    sample_posterior: bool = False
    text_share: float = 0.8
    caption_power: float = 2.0
    noisy_share: float = 0.75
    drop: float = 0.1
    min_snr: float = 0.0
    condition_floor: float = 0.6
    lora_rank: int = 0
    blend: float = 1.0
    mixup: MixupOptions = MixupOptions()  # noqa: RUF009 - frozen
    schedule: Schedule = Schedule()  # noqa: RUF009 - frozen

    def __post_init__(self) -> None:
        if self.prediction not in PREDICTIONS:
            raise InvalidInputError(f"unknown prediction {self.prediction!r}: choose one of {', '.join(PREDICTIONS)}")
        if self.start not in STARTS:
            raise unknown_choice("start", self.start, STARTS)
        if self.lora_rank < 0:
            raise InvalidInputError(f"lora_rank is {self.lora_rank}: it must be 0, for no LoRA, or a positive rank")
        if self.min_snr < 0:
            raise InvalidInputError(f"min_snr is {self.min_snr}: it must be 0, for no weights, or a positive γ")
        if self.caption_power < 0:
            raise InvalidInputError(f"caption_power is {self.caption_power}: it must be 0, for no weights, or positive")
        for name in ("text_share", "drop", "noisy_share", "blend"):
            if not 0 <= getattr(self, name) <= 1:
                raise InvalidInputError(f"{name} is {getattr(self, name)}: it must be between 0 and 1")


_PUBLISHED = LdmRecipe(
    channels=(128, 256, 384, 640),
    layers=2,
    prediction="epsilon",
    crop_frames=(256,),
    start="any",
    optimizer="adamw",
    learning_rate=3e-5,
    sample_posterior=True,
    text_share=0.0,
    caption_power=0.0,
    noisy_share=0.5,
    condition_floor=0.0,
    schedule=Schedule(warmup=1000, decay=0.0, ema_decay=0.9999),
)
"""Of the released configuration and the first author's training code; what they leave open is as in the default."""

RECIPES: Mapping[str, LdmRecipe] = {
    "default": LdmRecipe(),
    "text": LdmRecipe(text_share=1.0),  # captions alone: the audio tower may be trained later, or never
    "published": _PUBLISHED,
    "appendix": replace(_PUBLISHED, crop_frames=(128,)),  # 128 mel bins, VAE ÷8
}


def build_scheduler(recipe: LdmRecipe) -> DDPMScheduler:
    """The forward process: β linear in √β, `train_timesteps` of them."""
    return DDPMScheduler(**noise_schedule(recipe), clip_sample=False)


def sampling_scheduler(recipe: LdmRecipe) -> DPMSolverMultistepScheduler:
    """The scheduler that goes into the checkpoint: DPM-Solver++ 2M (arXiv 2211.01095) on the same β."""
    return DPMSolverMultistepScheduler(**noise_schedule(recipe), timestep_spacing="linspace")


def noise_schedule(recipe: LdmRecipe) -> dict[str, Any]:
    """What any scheduler of diffusers needs to know of the forward process."""
    return {
        "num_train_timesteps": recipe.train_timesteps,
        "beta_start": recipe.beta_start,
        "beta_end": recipe.beta_end,
        "beta_schedule": "scaled_linear",
        "prediction_type": recipe.prediction,
    }
