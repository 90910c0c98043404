"""LDM: the UNet learns to denoise VAE latents under CLAP embeddings of the clip's audio or of one of its captions."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from diffusers import DDPMScheduler, DPMSolverMultistepScheduler, UNet2DConditionModel
from torch import Tensor, nn

from musicldm.audio.mel import MelSpec, log_mel
from musicldm.data.arrays import Sharded
from musicldm.data.conditions import Conditions
from musicldm.errors import InvalidInputError, unknown_choice
from musicldm.training.loop.attention import plain_where_small
from musicldm.training.loop.task import Batch, Losses, Schedule, Turn
from musicldm.training.networks.lora import add_lora, save_lora
from musicldm.training.mixup.examples import Examples, Mixing
from musicldm.training.mixup.mixing import MixupOptions
from musicldm.training.mixup.studio import Studio

PREDICTIONS = ("v_prediction", "epsilon")
STARTS = ("any", "downbeat")
_SUNG = 4
"""Held-out captions that validation makes music of, in so many steps with so much guidance."""
_SUNG_STEPS, _SUNG_GUIDANCE = 20, 2.5
_OUTER = ("conv_in", "conv_out", "time_embedding", "class_embedding")


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


def build_unet(recipe: LdmRecipe, latent_channels: int) -> UNet2DConditionModel:
    """A UNet with random weights whose class label is the CLAP embedding; without text tokens, as published."""
    deeper = len(recipe.channels) - 1
    return UNet2DConditionModel(
        sample_size=(max(recipe.crop_frames), 8),
        in_channels=latent_channels,
        out_channels=latent_channels,
        down_block_types=("DownBlock2D",) + ("CrossAttnDownBlock2D",) * deeper,
        up_block_types=("CrossAttnUpBlock2D",) * deeper + ("UpBlock2D",),
        block_out_channels=recipe.channels,
        layers_per_block=recipe.layers,
        norm_num_groups=recipe.groups,
        cross_attention_dim=recipe.channels,
        attention_head_dim=tuple(width // recipe.head_channels for width in recipe.channels),
        class_embed_type="simple_projection",
        projection_class_embeddings_input_dim=recipe.condition_width,
        class_embeddings_concat=True,
    )


@torch.no_grad()
def refit_condition(unet: Any, before: npt.NDArray[np.float32], after: npt.NDArray[np.float32]) -> float:
    """Makes a UNet that knows the embeddings of one CLAP take those of another.

    Ridge regression finds the affine map from the new embeddings to the old ones and folds it into the UNet's first
    layer over them.

    Args:
        unet: changed in place; its `class_embedding` is one linear layer ("simple_projection").
        before: (texts, D), embeddings of texts by the CLAP that the UNet was trained under.
        after: (texts, D'), of the same texts by the CLAP to come; D' is the layer's width, too.

    Returns:
        The share of the old embeddings' variance that the new ones explain, at most 1.
    """
    one = np.ones((len(after), 1))
    inputs = np.concatenate([after.astype(np.float64), one], axis=1)
    wanted = before.astype(np.float64)
    ridge = 1e-3 * len(inputs) / after.shape[1] * np.eye(inputs.shape[1])
    ridge[-1, -1] = 0.0
    solution = np.linalg.solve(inputs.T @ inputs + ridge, inputs.T @ wanted)
    unexplained = np.square(inputs @ solution - wanted).sum() / np.square(wanted - wanted.mean(axis=0)).sum()
    layer = unet.class_embedding
    weight = layer.weight.double().cpu()
    layer.bias.add_((weight @ torch.from_numpy(solution[-1])).to(layer.bias))
    layer.weight.copy_((weight @ torch.from_numpy(solution[:-1].T)).to(layer.weight))
    return float(1 - unexplained)


@torch.no_grad()
def spread_condition(unet: Any, embeddings: npt.NDArray[np.float32], floor: float, variance: float = 0.98) -> int:
    """Lets a UNet hear all that its CLAP tells: no direction of the embeddings reaches it weaker than `floor`.

    Genres lie far apart in the space of captions, tempi and instruments close together; and a layer that begins with
    small weights learns the large directions first. So the singular values of the layer over whitened embeddings (those
    with their variance made 1 in each direction) are raised to the floor where they are below it. What the mean
    embedding gives stays as it was.

    Args:
        unet: changed in place; its `class_embedding` is one linear layer ("simple_projection").
        embeddings: (texts, D) that it is trained under.
        floor: least standard deviation of the layer's response to each direction.
        variance: share of the embeddings' variance that counts as told; the rest is left alone.

    Returns:
        How many directions were raised.
    """
    mean = embeddings.mean(axis=0, dtype=np.float64)
    centred = embeddings - mean
    values, vectors = np.linalg.eigh(centred.T @ centred / len(centred))
    values, vectors = values[::-1], vectors[:, ::-1]
    layer = unet.class_embedding
    kept = min(int(np.searchsorted(np.cumsum(values) / values.sum(), variance)) + 1, *layer.weight.shape)
    deviations = torch.from_numpy(np.sqrt(values[:kept]))
    directions = torch.from_numpy(vectors[:, :kept].copy())
    weight = layer.weight.double().cpu()
    left, gains, right = torch.linalg.svd(weight @ directions * deviations, full_matrices=False)
    added = left @ torch.diag((floor - gains).clamp(min=0.0)) @ right / deviations @ directions.T
    layer.weight.add_(added.to(layer.weight))
    layer.bias.sub_((added @ torch.from_numpy(mean)).to(layer.bias))
    return int((gains < floor).sum())


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


class LdmTask:
    """Trains the UNet on latents (N, 2 C, T, F), means and deviations of the posterior, scaled."""

    name = "ldm"
    ema: tuple[str, ...] = ("unet",)
    goal = "loss"
    compiled = ("unet",)

    def __init__(
        self,
        recipe: LdmRecipe,
        latents: npt.NDArray[np.float16] | Sharded,
        conditions: Conditions,
        held_out: npt.NDArray[np.float16] | Sharded,
        held_out_conditions: Conditions,
        *,
        scaling_factor: float,
        unet: UNet2DConditionModel | None = None,
        studio: Studio | None = None,
        downbeats: Sequence[Sequence[int]] | None = None,
        held_out_downbeats: Sequence[Sequence[int]] | None = None,
        mixing: Mixing | None = None,
    ) -> None:
        self.recipe, self.latents = recipe, latents
        self.held_out, self.held_out_conditions = held_out, held_out_conditions
        self.scaling_factor, self.studio = scaling_factor, studio
        self.sample_rate = studio.sample_rate if studio is not None else MelSpec().sample_rate
        self._sung: tuple[npt.NDArray[np.float32], npt.NDArray[np.float32] | None] | None = None
        self.batch_size, self.schedule = recipe.batch_size, recipe.schedule
        self.examples = Examples(
            latents,
            conditions,
            crop_frames=recipe.crop_frames,
            drop=recipe.drop,
            text_share=recipe.text_share,
            caption_power=recipe.caption_power,
            downbeats=downbeats if recipe.start == "downbeat" else None,
            mixing=mixing,
        )
        model = unet if unet is not None else build_unet(recipe, latents.shape[1] // 2)
        plain_where_small(model)
        self.unet: Any = model
        self._before = copy.deepcopy(model.state_dict()) if recipe.blend < 1 else {}
        if recipe.lora_rank:
            add_lora(model, recipe.lora_rank)
        self.modules = nn.ModuleDict({"unet": model})
        self.turns: tuple[Turn, ...] = (
            Turn(
                "generator",
                ("unet",),
                recipe.learning_rate,
                (0.9, 0.99),
                recipe.weight_decay,
                optimizer="adamw" if recipe.lora_rank else recipe.optimizer,
                outer=tuple(f"unet.{name}" for name in _OUTER),
            ),
        )
        self.scheduler = build_scheduler(recipe)
        self.held_frames = min(max(recipe.crop_frames), held_out.shape[2])
        latest = held_out.shape[2] - self.held_frames
        known = held_out_downbeats if recipe.start == "downbeat" and held_out_downbeats else [()] * len(held_out)
        self.held_starts = [next((frame for frame in frames if frame <= latest), 0) for frames in known]

    def __len__(self) -> int:
        return len(self.latents)

    def batch(self, clips: npt.NDArray[np.int64], rng: np.random.Generator) -> Batch:
        """`latent` (B, C, T, F) scaled, and `condition` (B, D)."""
        moments, condition = self.examples.draw(clips, rng)
        latent, deviation = np.split(moments, 2, axis=1)
        if self.recipe.sample_posterior:
            latent = latent + deviation * rng.standard_normal(latent.shape, dtype=np.float32)
        return {"latent": torch.from_numpy(latent * self.scaling_factor), "condition": torch.from_numpy(condition)}

    def losses(self, turn: str, batch: Batch, progress: float) -> Losses | None:  # noqa: ARG002 - one turn
        latent = batch["latent"]
        noise = torch.randn(latent.shape, device=latent.device)
        steps = self._draw_steps(len(latent)).to(latent.device)
        errors = self._errors(latent, batch["condition"], noise, steps)
        return {"loss": (errors * self._weights(steps).to(errors)).mean()}

    def _draw_steps(self, count: int) -> Tensor:
        """Training steps (count,), alike within each half of the schedule."""
        half = self.recipe.train_timesteps // 2
        noisy = torch.rand(count) < self.recipe.noisy_share
        quiet_steps = torch.randint(0, half, (count,))
        return torch.where(noisy, torch.randint(half, self.recipe.train_timesteps, (count,)), quiet_steps)

    def _weights(self, steps: Tensor) -> Tensor:
        """Of the squared errors at each step (B,): min(SNR, γ) on those of the clean latent (arXiv 2303.09556).

        Squared errors of the noise are SNR times as large, those of v SNR + 1 times.
        """
        if not self.recipe.min_snr:
            return torch.ones(len(steps))
        alphas = self.scheduler.alphas_cumprod[steps.cpu()]
        ratio = alphas / (1 - alphas)
        own = ratio + 1 if self.recipe.prediction == "v_prediction" else ratio
        weights: Tensor = ratio.clamp(max=self.recipe.min_snr) / own
        return weights

    def _errors(self, latent: Tensor, condition: Tensor, noise: Tensor, steps: Tensor) -> Tensor:
        """Mean squared error of each example (B,)."""
        noisy = self.scheduler.add_noise(latent, noise, steps)
        target = noise
        if self.recipe.prediction == "v_prediction":
            target = self.scheduler.get_velocity(latent, noise, steps)
        predicted = self.unet(noisy, steps, encoder_hidden_states=None, class_labels=condition).sample
        return F.mse_loss(predicted.float(), target, reduction="none").mean(dim=(1, 2, 3))

    def _validation_errors(self, latent: Tensor, condition: Tensor, noise: Tensor, steps: Tensor) -> Tensor:
        """What `validate` tells of each example (B,)."""
        return self._errors(latent, condition, noise, steps)

    def validate(self) -> dict[str, float]:
        """Loss at four fixed noise levels on held-out crops under their captions, the same draws each time.

        And, where there is a studio, the mean cosine of a few captions and what is sung of them.
        """
        rng = np.random.default_rng(0)
        device = next(self.modules.parameters()).device
        count = min(64, len(self.held_out))
        crops = [
            self.held_out[clip][:, start : start + self.held_frames]
            for clip, start in enumerate(self.held_starts[:count])
        ]
        mean, _ = np.split(np.asarray(crops, dtype=np.float32), 2, axis=1)
        latent = torch.from_numpy(mean * self.scaling_factor)
        noise = torch.from_numpy(rng.standard_normal(mean.shape, dtype=np.float32))
        text = self.held_out_conditions
        condition = torch.from_numpy(text.text[text.first[:count]].astype(np.float32))
        figures = {}
        for level in (0.1, 0.35, 0.6, 0.85):
            step = int(level * self.recipe.train_timesteps)
            losses = [
                self._validation_errors(
                    latent[i : i + 8].to(device),
                    condition[i : i + 8].to(device),
                    noise[i : i + 8].to(device),
                    torch.full((len(latent[i : i + 8]),), step, device=device),
                )
                for i in range(0, count, 8)
            ]
            figures[f"loss_at_{step}"] = float(torch.cat(losses).mean())
        figures = {"loss": float(np.mean(list(figures.values()))), **figures}
        self._sung = self._sing()
        if self.studio is not None and self._sung[1] is not None:
            heard = self.studio.listen(self._sung[1])
            figures["clap_score"] = float((heard * self._captions()).sum(axis=1).mean())
        return figures

    def samples(self) -> dict[str, npt.NDArray[np.float32]]:
        """Held-out captions sung, the first ones: latents, and sound and its log-mel where there is a studio."""
        latents, waves = self._sung or self._sing()
        self._sung = None
        out: dict[str, npt.NDArray[np.float32]] = {}
        for index, latent in enumerate(latents):
            out[f"caption{index}/latent"] = latent[0].T.copy()
            if waves is not None:
                out[f"caption{index}/wave"] = waves[index]
                spec = MelSpec(sample_rate=self.sample_rate, f_max=self.sample_rate / 2)
                out[f"caption{index}/mel"] = log_mel(torch.from_numpy(waves[index]), spec).T.numpy()
        return out

    def _sing(self) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32] | None]:
        """Latents (n, C, T, F), scaled, of the first held-out captions, and their waves."""
        device = next(self.modules.parameters()).device
        empty = torch.from_numpy(self.held_out_conditions.empty.astype(np.float32)).to(device)
        latents = self._sample(torch.from_numpy(self._captions()).to(device), empty).cpu().numpy()
        return latents, self._waves(latents)

    def _waves(self, latents: npt.NDArray[np.float32]) -> npt.NDArray[np.float32] | None:
        return None if self.studio is None else self.studio.decode(latents / np.float32(self.scaling_factor))

    def _captions(self) -> npt.NDArray[np.float32]:
        """Embeddings (n, D) of the captions that validation sings."""
        text = self.held_out_conditions
        return text.text[text.first[:-1][:_SUNG]].astype(np.float32)

    def _sample(self, condition: Tensor, empty: Tensor) -> Tensor:
        scheduler = sampling_scheduler(self.recipe)
        scheduler.set_timesteps(_SUNG_STEPS)
        labels = torch.cat([empty.expand_as(condition), condition])
        shape = (len(condition), self.latents.shape[1] // 2, *self.latents.shape[2:])
        latent = torch.randn(shape, generator=torch.Generator().manual_seed(0)).to(condition.device)
        for step in scheduler.timesteps:
            seen: Any = self.unet(torch.cat([latent] * 2), step, None, class_labels=labels).sample.float()
            without, with_text = seen.chunk(2)
            latent = scheduler.step(without + _SUNG_GUIDANCE * (with_text - without), step, latent).prev_sample
        return latent

    def export(self, folder: Path) -> None:
        if self.recipe.lora_rank:
            save_lora(self.unet, folder)
        else:
            self._blended().save_pretrained(folder / "unet")
        self._export_scheduler(folder)

    def _blended(self) -> UNet2DConditionModel:
        """The UNet, or a copy with part of the weights that it went on from."""
        if self.recipe.blend == 1:
            return self.unet
        unet = copy.deepcopy(self.unet)
        for name, value in unet.state_dict().items():
            value.copy_(torch.lerp(self._before[name].to(value), value, self.recipe.blend))
        return unet

    def _export_scheduler(self, folder: Path) -> None:
        if not self.recipe.lora_rank:
            sampling_scheduler(self.recipe).save_pretrained(folder / "scheduler")
