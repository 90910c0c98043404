"""From the command line's words to a task and its loop: `train(part, data=…, out=…)`."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch

from musicldm.data.clips import ClipStore
from musicldm.data.conditions import Conditions, stored_conditions, stored_latents
from musicldm.data.encoders import embed_texts, latents_name, load_part, module_hash
from musicldm.data.mixup import Mixer
from musicldm.errors import CheckpointError, InvalidInputError, unknown_choice
from musicldm.training import beats, clap, consistency, decoder, ldm, vae, vocoder
from musicldm.training.assemble import SCHEDULER_CONFIG
from musicldm.training.examples import Mixing
from musicldm.training.loop import Loop, LoopOptions, make_accelerator
from musicldm.training.studio import Studio, open_studio
from musicldm.training.task import Task

HELD_OUT_SHARE = 0.02
HELD_OUT_MOST = 128
_REFIT_CAPTIONS = 8192
_TEXT_TOWER = ("text_model", "text_projection")

Recipe = TypeVar("Recipe")


@dataclass(frozen=True)
class Paths:
    """Where a training reads and starts.

    Args:
        data: prepared folder.
        out: folder of the run.
        init: model folder to start the weights from, instead of random ones.
        model: model folder whose other parts the training needs (the VAE and CLAP for ldm; the VAE for vocoder
            and decoder).
    """

    data: Path
    out: Path
    init: Path | None = None
    model: Path | None = None


def split(store: ClipStore) -> tuple[ClipStore, ClipStore]:
    """All clips but the last 2 % (1 to 128) to train on, and those to validate with."""
    count = held_out_count(len(store))
    return store.part(slice(0, len(store) - count)), store.part(slice(len(store) - count, len(store)))


def held_out_count(clips: int) -> int:
    """How many of all clips are held out.

    Raises:
        InvalidInputError: one clip alone, which cannot be split.
    """
    if clips < 2:
        raise InvalidInputError(f"there is {clips} clip: at least 2 are needed, one of them held out")
    return max(1, min(HELD_OUT_MOST, round(clips * HELD_OUT_SHARE)))


@dataclass(frozen=True)
class Wanted:
    """A recipe by name, and the settings in which this run differs from it."""

    recipe: str
    changes: Mapping[str, Any]

    def of(self, recipes: Mapping[str, Recipe]) -> Recipe:
        """The recipe among those of a part.

        Raises:
            InvalidInputError: an unknown name, or a setting that the part's recipes do not have.
        """
        if self.recipe not in recipes:
            raise unknown_choice("recipe", self.recipe, recipes)
        recipe: Any = recipes[self.recipe]
        known = [field.name for field in fields(recipe)]
        for name in self.changes:
            if name not in known:
                raise unknown_choice("setting", name, known)
        changed: Recipe = replace(recipe, **self.changes)
        return changed


def _load(kind: Any, folder: Path | None, part: str) -> Any:
    """The part of a model folder, models in float32 whatever they are stored in; None where no folder is given."""
    return None if folder is None else load_part(kind, folder, part)


def _vae_task(store: ClipStore, wanted: Wanted, paths: Paths, device: torch.device) -> Task:  # noqa: ARG001
    from diffusers import AutoencoderKL

    return vae.VaeTask(wanted.of(vae.RECIPES), *split(store), vae=_load(AutoencoderKL, paths.init, "vae"))


def _vocoder_task(store: ClipStore, wanted: Wanted, paths: Paths, device: torch.device) -> Task:  # noqa: ARG001
    from diffusers import AutoencoderKL
    from transformers import SpeechT5HifiGan

    return vocoder.VocoderTask(
        wanted.of(vocoder.RECIPES),
        *split(store),
        vocoder=_load(SpeechT5HifiGan, paths.init, "vocoder"),
        vae=_load(AutoencoderKL, paths.model, "vae"),
    )


def _decoder_task(store: ClipStore, wanted: Wanted, paths: Paths, device: torch.device) -> Task:
    from diffusers import AutoencoderKL

    from musicldm.model.decoder import Decoder

    if paths.model is None:
        raise InvalidInputError("training of decoder needs --model: a folder with the vae/ whose latents it decodes")
    settings = wanted.of(decoder.RECIPES)
    decoder.check_data(store)
    autoencoder = _load(AutoencoderKL, paths.model, "vae").to(device).eval()
    stored_latents(store, autoencoder, progress=_progress("latents"))
    return decoder.DecoderTask(
        settings, *split(store), latents_name(autoencoder), decoder=_load(Decoder, paths.init, "decoder")
    )


def _clap_task(store: ClipStore, wanted: Wanted, paths: Paths, device: torch.device) -> Task:  # noqa: ARG001
    return clap.make_task(wanted.of(clap.RECIPES), *split(store), init=paths.init)


def _ldm_task(store: ClipStore, wanted: Wanted, paths: Paths, device: torch.device) -> Task:
    return _latent_task(ldm.LdmTask, wanted.of(ldm.RECIPES), store, paths, device)


def _distill_task(store: ClipStore, wanted: Wanted, paths: Paths, device: torch.device) -> Task:
    if paths.init is None or not (paths.init / SCHEDULER_CONFIG).is_file():
        raise InvalidInputError("distillation needs its teacher, --init: a folder with unet/ and scheduler/ in it")
    if "prediction" in wanted.changes:
        raise InvalidInputError(
            f"prediction {wanted.changes['prediction']}: a student's is its teacher's, leave it out"
        )
    scheduler = json.loads((paths.init / SCHEDULER_CONFIG).read_text(encoding="utf-8"))
    settings = consistency.of_teacher(wanted.of(consistency.RECIPES), scheduler)
    return _latent_task(consistency.ConsistencyTask, settings, store, paths, device)


def _latent_task(
    task: type[ldm.LdmTask], settings: ldm.LdmRecipe, store: ClipStore, paths: Paths, device: torch.device
) -> Task:
    """A task on the latents and conditions of the clips."""
    from diffusers import AutoencoderKL, UNet2DConditionModel
    from transformers import AutoTokenizer, ClapFeatureExtractor, ClapModel, SpeechT5HifiGan

    if paths.model is None:
        raise InvalidInputError(
            f"training of {task.name} needs --model: a folder with vae/ and text_encoder/ (CLAP) in it"
        )
    autoencoder = _load(AutoencoderKL, paths.model, "vae").to(device).eval()
    clap_model = _load(ClapModel, paths.model, "text_encoder").to(device).eval()
    tokenizer = _load(AutoTokenizer, paths.model, "tokenizer")
    extractor = _load(ClapFeatureExtractor, paths.model, "feature_extractor")
    latents = stored_latents(store, autoencoder, progress=_progress("latents"))
    conditions = stored_conditions(
        store,
        clap_model,
        tokenizer,
        extractor,
        sounds=settings.text_share < 1,
        progress=_progress("embeddings"),
    )
    unet = _load(UNet2DConditionModel, paths.init, "unet")
    if unet is not None and paths.init is not None:
        _check_width(unet, paths.init, conditions)
        _take_over_condition(unet, paths.init, clap_model, store, conditions)
    if unet is None:
        unet = ldm.build_unet(replace(settings, condition_width=conditions.text.shape[1]), latents.shape[1] // 2)
    if settings.lora_rank and paths.init is None:
        raise InvalidInputError("a LoRA changes a model that is there: give --init")
    if settings.blend < 1 and (paths.init is None or settings.lora_rank):
        raise InvalidInputError(f"blend is {settings.blend}: it is for all weights of a model that goes on from --init")
    if settings.condition_floor > 0 and not settings.lora_rank:
        raised = ldm.spread_condition(unet, conditions.text.astype(np.float32), settings.condition_floor)
        print(
            f"condition layer: {raised} directions of the captions raised to {settings.condition_floor}",
            file=sys.stderr,
        )
    kept = slice(0, len(store) - held_out_count(len(store)))
    held = slice(kept.stop, len(store))
    studio = None
    if (paths.model / "vocoder").is_dir():
        vocoder_model = _load(SpeechT5HifiGan, paths.model, "vocoder").to(device).eval()
        studio = open_studio(store.spec, autoencoder, vocoder_model, clap_model, tokenizer, extractor)
    return task(
        settings,
        latents[kept],
        conditions.part(kept),
        latents[held],
        conditions.part(held),
        scaling_factor=autoencoder.config.scaling_factor,
        unet=unet,
        studio=studio,
        downbeats=downbeat_frames(store.part(kept), latents.shape[2]),
        held_out_downbeats=downbeat_frames(store.part(held), latents.shape[2]),
        mixing=_mixing(settings, store.part(kept), studio, paths.model),
    )


def downbeat_frames(store: ClipStore, frames: int) -> list[list[int]]:
    """The latent frames nearest to the downbeats of each clip, none where the data know none."""
    per_second = frames * store.spec.sample_rate / store.waves.shape[1]
    return [[round(time * per_second) for time in row.fields.get("downbeats", ())] for row in store.rows]


def _mixing(settings: ldm.LdmRecipe, store: ClipStore, studio: Studio | None, model: Path) -> Mixing | None:
    if settings.mixup.kind == "none":
        return None
    if studio is None:
        raise CheckpointError(f"mixup needs the whole model: {model} has no vocoder/")
    mixer = Mixer.of_rows(store.rows, store.waves.shape[1] / store.spec.sample_rate, settings.mixup)
    return Mixing(mixer, studio, store.waves, [row.captions for row in store.rows])


def _check_width(unet: Any, init: Path, conditions: Conditions) -> None:
    wanted, given = unet.config.projection_class_embeddings_input_dim, conditions.text.shape[1]
    if wanted != given:
        raise InvalidInputError(
            f"the UNet in {init} takes CLAP embeddings of {wanted} numbers, and those of --model have {given}: give a "
            f"--model whose CLAP makes {wanted}, or train without --init"
        )


def _beats_task(store: ClipStore, wanted: Wanted, paths: Paths, device: torch.device) -> Task:  # noqa: ARG001
    return beats.make_task(wanted.of(beats.RECIPES), *split(store), init=paths.init)


def _take_over_condition(unet: Any, init: Path, clap_model: Any, store: ClipStore, conditions: Conditions) -> None:
    """Where `init` brings a CLAP other than the one to train under, fits the UNet's condition layer to the new one."""
    from transformers import AutoTokenizer, ClapModel

    if not (init / "text_encoder").is_dir():
        return
    old = _load(ClapModel, init, "text_encoder").to(clap_model.device).eval()
    if all(module_hash(getattr(old, n)) == module_hash(getattr(clap_model, n)) for n in _TEXT_TOWER):
        return
    captions = [caption for row in store.rows for caption in row.captions]
    chosen = np.unique(np.linspace(0, len(captions) - 1, num=_REFIT_CAPTIONS).astype(int))
    before = embed_texts(old, _load(AutoTokenizer, init, "tokenizer"), [captions[index] for index in chosen])
    share = ldm.refit_condition(unet, before.astype(np.float32), conditions.text[chosen].astype(np.float32))
    print(f"condition layer refitted to the new CLAP, which explains {share:.0%} of the old one", file=sys.stderr)


_TASKS: Mapping[str, Callable[[ClipStore, Wanted, Paths, torch.device], Task]] = {
    "vae": _vae_task,
    "vocoder": _vocoder_task,
    "decoder": _decoder_task,
    "clap": _clap_task,
    "ldm": _ldm_task,
    "distill": _distill_task,
    "beats": _beats_task,
}
PARTS = tuple(_TASKS)


def _progress(what: str) -> Callable[[int, int], None]:
    """Says every tenth of the way how far a preparation is."""
    said = [-1]

    def report(done: int, total: int) -> None:
        tenth = 10 * done // total
        if tenth > said[0]:
            said[0] = tenth
            print(f"{what}: {done} of {total}", file=sys.stderr, flush=True)

    return report


def train(
    part: str,
    *,
    data: Path,
    out: Path,
    recipe: str = "default",
    changes: Mapping[str, Any] | None = None,
    minutes: float | None = None,
    steps: int | None = None,
    resume: bool = False,
    init: Path | None = None,
    model: Path | None = None,
    device: str = "auto",
    mixed_precision: str = "no",
    seed: int = 0,
    accumulate: int = 1,
    checkpointing: bool = False,
    compile: bool = False,
    patience: int | None = None,
    tracker: str | None = None,
) -> None:
    """Trains one part (`vae`, `vocoder`, `decoder`, `clap`, `ldm`, `beats`) on a prepared folder and writes it.

    `recipe` is a name in the part's `RECIPES`, `changes` are settings of it that are to be others; `init` and `model`
    are as in `Paths`, and all the rest as in `LoopOptions`.

    Raises:
        InvalidInputError: an unknown part, recipe, setting, device or tracker, or a length that is no length.
        DataError: a folder that is not prepared, or holds no clips.
        CheckpointError: a model folder that lacks a part.
        TrainingError: the training cannot go on.
        MissingDependencyError: a tracker that is not installed.
    """
    options = LoopOptions(
        out=out,
        steps=steps,
        minutes=minutes,
        device=device,
        mixed_precision=mixed_precision,
        seed=seed,
        resume=resume,
        accumulate=accumulate,
        checkpointing=checkpointing,
        compile=compile,
        patience=patience,
        tracker=tracker,
    )
    place = make_accelerator(device, mixed_precision).device
    torch.manual_seed(seed)
    Loop(make_task(part, Wanted(recipe, changes or {}), Paths(data, out, init, model), place), options).run()


def make_task(part: str, wanted: Wanted, paths: Paths, device: torch.device) -> Task:
    """What `train` trains, on data that it prepares further where latents or embeddings are missing.

    Raises:
        InvalidInputError: an unknown part, recipe or setting.
        DataError: a folder that is not prepared, or holds no clips.
        CheckpointError: a model folder that lacks a part.
    """
    if part not in _TASKS:
        raise unknown_choice("part", part, PARTS)
    return _TASKS[part](ClipStore(paths.data), wanted, paths, device)
