"""LDM: the UNet learns to denoise VAE latents under CLAP embeddings of the clip's audio or of one of its captions."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from diffusers import SchedulerMixin, UNet2DConditionModel
from torch import Tensor, nn

from musicldm.audio.mel import log_mel
from musicldm.sampling.denoising import denoise, step_options
from musicldm.sampling.guidance import Conditions, predict
from musicldm.sampling.torch_unet import TorchUnet
from musicldm.training.loop.attention import plain_where_small
from musicldm.training.loop.task import Batch, Losses, Turn, Validation
from musicldm.training.mixup.examples import Examples
from musicldm.training.networks.lora import add_lora, save_lora
from musicldm.training.setup import Setup
from musicldm.training.tasks.ldm_inputs import LatentInputs, load_inputs
from musicldm.training.tasks.ldm_recipe import RECIPES, LdmRecipe, build_scheduler, sampling_scheduler

_SAMPLES = 4
"""Held-out captions that validation makes music of, in so many steps with so much guidance."""
_SAMPLE_STEPS, _SAMPLE_GUIDANCE = 20, 2.5
_OUTER = ("conv_in", "conv_out", "time_embedding", "class_embedding")


class LdmTask:
    """Trains the UNet on latents, means and deviations of the posterior, scaled."""

    name = "ldm"
    ema: tuple[str, ...] = ("unet",)
    goal = "loss"
    compiled = ("unet",)

    def __init__(self, recipe: LdmRecipe, inputs: LatentInputs) -> None:
        self.recipe, self.train, self.held_out = recipe, inputs.train, inputs.held_out
        self.spec, self.scaling_factor, self.parts = inputs.spec, inputs.scaling_factor, inputs.parts
        self.sample_rate = inputs.spec.sample_rate
        self.batch_size, self.schedule = recipe.batch_size, recipe.schedule
        self.examples = Examples(
            self.train.moments,
            self.train.embeddings,
            crop_frames=recipe.crop_frames,
            drop=recipe.drop,
            text_share=recipe.text_share,
            caption_power=recipe.caption_power,
            downbeats=self.train.downbeats if recipe.start == "downbeat" else None,
            mixing=inputs.mixing,
        )
        model = inputs.unet
        plain_where_small(model)
        self.unet: Any = model
        self._before = copy.deepcopy(model.state_dict()) if recipe.blend < 1 else {}
        if recipe.lora_rank:
            add_lora(model, recipe.lora_rank)
        self.modules = nn.ModuleDict({"unet": model})
        self.turns: tuple[Turn, ...] = (self._turn(),)
        self.scheduler = build_scheduler(recipe)
        self.held_frames = min(max(recipe.crop_frames), self.held_out.moments.shape[2])
        self.held_starts = self._starts()

    def _turn(self) -> Turn:
        recipe = self.recipe
        return Turn(
            "generator",
            ("unet",),
            recipe.learning_rate,
            (0.9, 0.99),
            recipe.weight_decay,
            optimizer="adamw" if recipe.lora_rank else recipe.optimizer,
            outer=tuple(f"unet.{name}" for name in _OUTER),
        )

    def _starts(self) -> list[int]:
        """First frames of the crops that validation takes: a downbeat, where training crops begin there."""
        downbeats, moments = self.held_out.downbeats, self.held_out.moments
        if self.recipe.start != "downbeat" or not downbeats:
            return [0] * len(moments)
        latest = moments.shape[2] - self.held_frames
        return [next((frame for frame in frames if frame <= latest), 0) for frames in downbeats]

    def __len__(self) -> int:
        return len(self.train.moments)

    def batch(self, clips: npt.NDArray[np.int64], rng: np.random.Generator) -> Batch:
        """`latent` (B, C, T, F) scaled, and `condition` (B, D)."""
        moments, condition = self.examples.draw(clips, rng)
        latent, deviation = np.split(moments, 2, axis=1)
        if self.recipe.sample_posterior:
            latent = latent + deviation * rng.standard_normal(latent.shape, dtype=np.float32)
        return {"latent": torch.from_numpy(latent * self.scaling_factor), "condition": torch.from_numpy(condition)}

    def losses(self, batch: Batch, progress: float) -> Iterator[Losses | None]:  # noqa: ARG002 - the same all along
        """Weighted squared errors at random noise levels."""
        latent = batch["latent"]
        noise = torch.randn(latent.shape, device=latent.device)
        steps = self.draw_steps(len(latent)).to(latent.device)
        errors = self.errors(latent, batch["condition"], noise, steps)
        yield {"loss": (errors * self.weights(steps).to(errors)).mean()}

    def draw_steps(self, count: int) -> Tensor:
        """Training steps (count,), alike within each half of the schedule."""
        half = self.recipe.train_timesteps // 2
        noisy = torch.rand(count) < self.recipe.noisy_share
        quiet_steps = torch.randint(0, half, (count,))
        return torch.where(noisy, torch.randint(half, self.recipe.train_timesteps, (count,)), quiet_steps)

    def weights(self, steps: Tensor) -> Tensor:
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

    def errors(self, latent: Tensor, condition: Tensor, noise: Tensor, steps: Tensor) -> Tensor:
        """Mean squared error of each example (B,)."""
        noisy = self.scheduler.add_noise(latent, noise, steps)
        target = noise
        if self.recipe.prediction == "v_prediction":
            target = self.scheduler.get_velocity(latent, noise, steps)
        predicted = self.unet(noisy, steps, encoder_hidden_states=None, class_labels=condition).sample
        return F.mse_loss(predicted.float(), target, reduction="none").mean(dim=(1, 2, 3))

    def validation_errors(self, latent: Tensor, condition: Tensor, noise: Tensor, steps: Tensor) -> Tensor:
        """What `validate` tells of each example (B,)."""
        return self.errors(latent, condition, noise, steps)

    def validate(self) -> Validation:
        """Loss at four fixed noise levels on held-out crops under their captions, the same draws each time.

        And music of a few captions: as latents; where the model's parts are there also as sound and its log-mel, and
        the mean cosine of captions and sound.
        """
        figures = self._held_out_losses()
        captions = self._captions()
        latents = self._sample(captions)
        waves = None if self.parts is None else self.parts.decode(latents / np.float32(self.scaling_factor))
        if self.parts is not None and waves is not None:
            figures["clap_score"] = float((self.parts.embed_waves(waves) * captions).sum(axis=1).mean())
        return Validation(figures, self._shown(latents, waves))

    def _held_out_losses(self) -> dict[str, float]:
        rng = np.random.default_rng(0)
        device = next(self.modules.parameters()).device
        count = min(64, len(self.held_out.moments))
        crops = [
            self.held_out.moments[clip][:, start : start + self.held_frames]
            for clip, start in enumerate(self.held_starts[:count])
        ]
        mean, _ = np.split(np.asarray(crops, dtype=np.float32), 2, axis=1)
        latent = torch.from_numpy(mean * self.scaling_factor)
        noise = torch.from_numpy(rng.standard_normal(mean.shape, dtype=np.float32))
        text = self.held_out.embeddings
        condition = torch.from_numpy(text.text[text.first[:count]].astype(np.float32))
        figures = {}
        for level in (0.1, 0.35, 0.6, 0.85):
            step = int(level * self.recipe.train_timesteps)
            losses = [
                self.validation_errors(
                    latent[i : i + 8].to(device),
                    condition[i : i + 8].to(device),
                    noise[i : i + 8].to(device),
                    torch.full((len(latent[i : i + 8]),), step, device=device),
                )
                for i in range(0, count, 8)
            ]
            figures[f"loss_at_{step}"] = float(torch.cat(losses).mean())
        return {"loss": float(np.mean(list(figures.values()))), **figures}

    def _shown(
        self, latents: npt.NDArray[np.float32], waves: npt.NDArray[np.float32] | None
    ) -> dict[str, npt.NDArray[np.float32]]:
        samples: dict[str, npt.NDArray[np.float32]] = {}
        for index, latent in enumerate(latents):
            samples[f"caption{index}/latent"] = latent[0].T.copy()
            if waves is not None:
                samples[f"caption{index}/wave"] = waves[index]
                samples[f"caption{index}/mel"] = log_mel(torch.from_numpy(waves[index]), self.spec).T.numpy()
        return samples

    def _captions(self) -> npt.NDArray[np.float32]:
        """Embeddings (n, D) of the captions that validation makes music of: of each of the first clips the first."""
        text = self.held_out.embeddings
        return text.text[text.first[:-1][:_SAMPLES]].astype(np.float32)

    def _sample(self, captions: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Latents (n, C, T, F), scaled, of captions' embeddings (n, D)."""
        device = next(self.modules.parameters()).device
        empty = torch.from_numpy(self.held_out.embeddings.empty.astype(np.float32)).to(device)
        condition = torch.from_numpy(captions).to(device)
        shape = (len(condition), self.train.moments.shape[1] // 2, *self.train.moments.shape[2:])
        generator = torch.Generator().manual_seed(0)
        noise = torch.randn(shape, generator=generator).to(device)
        scheduler, scale = self._sampler()
        conditions = Conditions(condition, empty.expand_as(condition))
        latents = denoise(
            lambda noisy, step: predict(TorchUnet(self.unet), noisy, step, conditions, scale),
            scheduler,
            scheduler.timesteps,
            noise,
            step_options(scheduler, 0.0, generator),
            lambda _index, _step, latents: latents,
        )
        return latents.cpu().numpy()

    def _sampler(self) -> tuple[SchedulerMixin, float]:
        """The scheduler of validation's samples, its timesteps set, and the scale of guidance."""
        scheduler = sampling_scheduler(self.recipe)
        scheduler.set_timesteps(_SAMPLE_STEPS)
        return scheduler, _SAMPLE_GUIDANCE

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


def make_task(setup: Setup) -> LdmTask:
    """The training of a new UNet, or of that in `init`, on latents and embeddings by the `model`'s VAE and CLAP."""
    recipe = setup.recipe_of(RECIPES)
    return LdmTask(recipe, load_inputs(setup, recipe, LdmTask.name))
