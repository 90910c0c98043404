"""What a training on latents needs: those of the clips, their embeddings, a UNet, and the model around it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from diffusers import AutoencoderKL, UNet2DConditionModel
from transformers import AutoTokenizer, ClapFeatureExtractor, ClapModel, SpeechT5HifiGan

from musicldm.audio.mel import MelSpec
from musicldm.data.arrays import Sharded
from musicldm.data.embeddings import ClipEmbeddings, stored_embeddings, stored_latents
from musicldm.data.encoders import embed_texts
from musicldm.data.store import ClipStore
from musicldm.errors import CheckpointError, InvalidInputError
from musicldm.events import Note
from musicldm.model.clap import Clap
from musicldm.model.identity import texts_name
from musicldm.model.mels import read_config
from musicldm.model.parts import load_part
from musicldm.model.vae import Vae
from musicldm.model.vocoder import vocoder_of
from musicldm.training.array_parts import ArrayParts, ModelParts
from musicldm.training.mixup.examples import Mixing
from musicldm.training.mixup.mixing import Mixer
from musicldm.training.networks.unet import build_unet, refit_condition, spread_condition
from musicldm.training.setup import Setup, held_out_count
from musicldm.training.tasks.ldm_recipe import LdmRecipe

_REFIT_CAPTIONS = 8192


@dataclass(frozen=True)
class LatentClips:
    """What the UNet learns from.

    Attributes:
        moments: (N, 2 C, T, F), means and deviations of the posteriors, unscaled.
        embeddings: of the same clips.
        downbeats: latent frames of each clip; None where the data know none.
    """

    moments: npt.NDArray[np.float16] | Sharded
    embeddings: ClipEmbeddings
    downbeats: Sequence[Sequence[int]] | None = None

    def part(self, clips: slice) -> LatentClips:
        """Some of the clips, one after the other."""
        downbeats = None if self.downbeats is None else self.downbeats[clips]
        return LatentClips(self.moments[clips], self.embeddings.part(clips), downbeats)


@dataclass(frozen=True)
class LatentInputs:
    """What an `LdmTask` is made from beside its recipe.

    Args:
        train: what to learn from.
        held_out: what to validate with.
        spec: of the log-mels that the latents are of.
        scaling_factor: of the latents.
        unet: to train.
        parts: of the model, by which validation makes its samples audible; None where it has no vocoder.
        mixing: mixes clips, where wanted.
    """

    train: LatentClips
    held_out: LatentClips
    spec: MelSpec
    scaling_factor: float
    unet: UNet2DConditionModel
    parts: ArrayParts | None = None
    mixing: Mixing | None = None


def load_inputs(setup: Setup, recipe: LdmRecipe, task: str) -> LatentInputs:
    """Loads the parts and prepares what is missing of latents and embeddings.

    Args:
        setup: with a `model`.
        recipe: of the training.
        task: its name, for errors.

    Raises:
        InvalidInputError: no model; log-mels, latents or embeddings that do not fit together; or a LoRA or blend
            without weights to begin with.
        CheckpointError: a model folder that lacks a part.
    """
    folder = _checked_model(setup, recipe, task)
    vae = Vae(_on(setup, load_part(AutoencoderKL, folder, "vae")))
    clap = Clap(
        _on(setup, load_part(ClapModel, folder, "text_encoder")),
        load_part(AutoTokenizer, folder, "tokenizer"),
        load_part(ClapFeatureExtractor, folder, "feature_extractor"),
    )
    store = setup.store
    moments = stored_latents(store, vae, setup.listen)
    embeddings = stored_embeddings(store, clap, sounds=recipe.text_share < 1, listen=setup.listen)
    unet = _unet(setup, recipe, clap, embeddings, moments.shape[1] // 2)
    clips = LatentClips(moments, embeddings, downbeat_frames(store, moments.shape[2]))
    parts = _parts(setup, folder, vae, clap)
    kept = slice(0, len(store) - held_out_count(len(store)))
    return LatentInputs(
        clips.part(kept),
        clips.part(slice(kept.stop, len(store))),
        store.spec,
        vae.scaling_factor,
        unet,
        parts,
        _mixing(recipe, store.part(kept), parts, folder),
    )


def _checked_model(setup: Setup, recipe: LdmRecipe, task: str) -> Path:
    """The model folder; raises what its configurations and the recipe alone can say."""
    if setup.model is None:
        raise InvalidInputError(f"training of {task} needs --model: a folder with vae/ and text_encoder/ (CLAP) in it")
    setup.check_mels()
    if setup.init is not None:
        _check_channels(setup.init, setup.model)
    if recipe.lora_rank and setup.init is None:
        raise InvalidInputError("a LoRA changes a model that is there: give --init")
    if recipe.blend < 1 and (setup.init is None or recipe.lora_rank):
        raise InvalidInputError(f"blend is {recipe.blend}: it is for all weights of a model that goes on from --init")
    return setup.model


def _check_channels(init: Path, model: Path) -> None:
    has, wanted = read_config(init, "unet").get("in_channels"), read_config(model, "vae").get("latent_channels")
    if has is not None and wanted is not None and has != wanted:
        raise InvalidInputError(
            f"the UNet in {init} takes latents of {has} channels, and the VAE of --model makes {wanted}: give a "
            f"--model whose VAE makes {has}, or train without --init"
        )


def _on(setup: Setup, module: Any) -> Any:
    return module.to(setup.device).eval()


def _unet(
    setup: Setup, recipe: LdmRecipe, clap: Clap, embeddings: ClipEmbeddings, latent_channels: int
) -> UNet2DConditionModel:
    """That of `init`, fitted to the CLAP, or a new one; its condition layer spread where the recipe says so."""
    unet = setup.load_init(UNet2DConditionModel, "unet")
    if unet is None:
        unet = build_unet(replace(recipe, condition_width=embeddings.text.shape[1]), latent_channels)
    else:
        assert setup.init is not None
        _check_width(unet, setup.init, embeddings)
        _fit_to_clap(unet, setup, setup.init, clap, embeddings)
    if recipe.condition_floor > 0 and not recipe.lora_rank:
        raised = spread_condition(unet, embeddings.text.astype(np.float32), recipe.condition_floor)
        setup.listen(Note(f"condition layer: {raised} directions of the captions raised to {recipe.condition_floor}"))
    return unet


def _check_width(unet: UNet2DConditionModel, init: Path, embeddings: ClipEmbeddings) -> None:
    wanted, given = unet.config.projection_class_embeddings_input_dim, embeddings.text.shape[1]
    if wanted != given:
        raise InvalidInputError(
            f"the UNet in {init} takes CLAP embeddings of {wanted} numbers, and those of --model have {given}: give a "
            f"--model whose CLAP makes {wanted}, or train without --init"
        )


def _fit_to_clap(unet: UNet2DConditionModel, setup: Setup, init: Path, clap: Clap, embeddings: ClipEmbeddings) -> None:
    """Where `init` brings a CLAP other than the one to train under, fits the UNet's condition layer to the new one."""
    if not (init / "text_encoder").is_dir():
        return
    old = _on(setup, load_part(ClapModel, init, "text_encoder"))
    if texts_name(old) == texts_name(clap.model):
        return
    captions = [caption for row in setup.store.rows for caption in row.captions]
    chosen = np.unique(np.linspace(0, len(captions) - 1, num=_REFIT_CAPTIONS).astype(int))
    old_clap = Clap(old, load_part(AutoTokenizer, init, "tokenizer"))
    before = embed_texts(old_clap, [captions[index] for index in chosen])
    share = refit_condition(unet, before.astype(np.float32), embeddings.text[chosen].astype(np.float32))
    setup.listen(Note(f"condition layer refitted to the new CLAP, which explains {share:.0%} of the old one"))


def _parts(setup: Setup, folder: Path, vae: Vae, clap: Clap) -> ModelParts | None:
    if not (folder / "vocoder").is_dir():
        return None
    vocoder = vocoder_of(_on(setup, load_part(SpeechT5HifiGan, folder, "vocoder")))
    return ModelParts(setup.store.spec, vae, vocoder, clap)


def _mixing(recipe: LdmRecipe, store: ClipStore, parts: ArrayParts | None, model: Path) -> Mixing | None:
    if recipe.mixup.kind == "none":
        return None
    if parts is None:
        raise CheckpointError(f"mixup needs the whole model: {model} has no vocoder/")
    mixer = Mixer.of_rows(store.rows, store.waves.shape[1] / store.spec.sample_rate, recipe.mixup)
    return Mixing(mixer, parts, store.waves, [row.captions for row in store.rows])


def downbeat_frames(store: ClipStore, frames: int) -> list[list[int]]:
    """The latent frames nearest to the downbeats of each clip, none where the data know none."""
    per_second = frames * store.spec.sample_rate / store.waves.shape[1]
    return [[round(time * per_second) for time in row.fields.get("downbeats", ())] for row in store.rows]
