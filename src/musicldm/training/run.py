"""From the command line's words to a task and its loop: `train(part, data=…, out=…)`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch

from musicldm.data.clips import ClipStore
from musicldm.data.conditions import Conditions, cached_conditions, embed_texts
from musicldm.data.latents import cached_latents, module_hash
from musicldm.errors import CheckpointError, InvalidInputError, unknown_choice
from musicldm.training import beats, clap, ldm, vae, vocoder
from musicldm.training.loop import Loop, LoopOptions, Task

HELD_OUT_SHARE = 0.02
HELD_OUT_MOST = 128
_REFIT_CAPTIONS = 8192
_TEXT_TOWER = ("text_model", "text_projection")

Recipe = TypeVar("Recipe")


@dataclass(frozen=True)
class Paths:
    """Where a training reads and starts.

    Args:
        data: corpus folder.
        out: folder of the run.
        init: model folder to start the weights from, instead of random ones.
        model: model folder whose other parts the training needs (the VAE and CLAP for ldm; the VAE for vocoder).
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
    """How many of a corpus' clips are held out.

    Raises:
        InvalidInputError: a corpus of one clip, which cannot be split.
    """
    if clips < 2:
        raise InvalidInputError(f"the corpus has {clips} clip: at least 2 are needed, one of them held out")
    return max(1, min(HELD_OUT_MOST, round(clips * HELD_OUT_SHARE)))


def _recipe(recipes: Mapping[str, Recipe], name: str) -> Recipe:
    if name not in recipes:
        raise unknown_choice("recipe", name, recipes)
    return recipes[name]


def _load(kind: Any, folder: Path | None, part: str) -> Any:
    """The part of a model folder, models in float32 whatever they are stored in; None where no folder is given."""
    if folder is None:
        return None
    if not (folder / part).is_dir():
        raise CheckpointError(f"{folder} has no {part}/: give a model folder that holds it")
    try:
        loaded = kind.from_pretrained(folder / part)
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{folder / part} cannot be loaded: {error}") from error
    return loaded.float() if isinstance(loaded, torch.nn.Module) else loaded


def _vae_task(store: ClipStore, recipe: str, paths: Paths, device: torch.device) -> Task:  # noqa: ARG001
    from diffusers import AutoencoderKL

    return vae.VaeTask(_recipe(vae.RECIPES, recipe), *split(store), vae=_load(AutoencoderKL, paths.init, "vae"))


def _vocoder_task(store: ClipStore, recipe: str, paths: Paths, device: torch.device) -> Task:  # noqa: ARG001
    from diffusers import AutoencoderKL
    from transformers import SpeechT5HifiGan

    return vocoder.VocoderTask(
        _recipe(vocoder.RECIPES, recipe),
        *split(store),
        vocoder=_load(SpeechT5HifiGan, paths.init, "vocoder"),
        vae=_load(AutoencoderKL, paths.model, "vae"),
    )


def _clap_task(store: ClipStore, recipe: str, paths: Paths, device: torch.device) -> Task:  # noqa: ARG001
    return clap.make_task(_recipe(clap.RECIPES, recipe), *split(store), init=paths.init, whole=store)


def _ldm_task(store: ClipStore, recipe: str, paths: Paths, device: torch.device) -> Task:
    from diffusers import AutoencoderKL, UNet2DConditionModel
    from transformers import AutoTokenizer, ClapFeatureExtractor, ClapModel

    settings = _recipe(ldm.RECIPES, recipe)
    if paths.model is None:
        raise InvalidInputError("training the ldm needs --model: a folder with vae/ and text_encoder/ (CLAP) in it")
    autoencoder = _load(AutoencoderKL, paths.model, "vae").to(device).eval()
    clap_model = _load(ClapModel, paths.model, "text_encoder").to(device).eval()
    tokenizer = _load(AutoTokenizer, paths.model, "tokenizer")
    extractor = _load(ClapFeatureExtractor, paths.model, "feature_extractor")
    latents = cached_latents(store, autoencoder, progress=_progress("latents"))
    conditions = cached_conditions(
        store,
        clap_model,
        tokenizer,
        extractor,
        sounds=settings.text_share < 1,
        progress=_progress("embeddings"),
    )
    unet = _load(UNet2DConditionModel, paths.init, "unet")
    if unet is not None and paths.init is not None:
        _take_over_condition(unet, paths.init, clap_model, store, conditions)
    kept = slice(0, len(store) - held_out_count(len(store)))
    held = slice(kept.stop, len(store))
    return ldm.LdmTask(
        settings,
        latents[kept],
        conditions.part(kept),
        latents[held],
        conditions.part(held),
        scaling_factor=autoencoder.config.scaling_factor,
        unet=unet,
    )


def _beats_task(store: ClipStore, recipe: str, paths: Paths, device: torch.device) -> Task:  # noqa: ARG001
    return beats.make_task(_recipe(beats.RECIPES, recipe), *split(store), init=paths.init)


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


_TASKS: Mapping[str, Callable[[ClipStore, str, Paths, torch.device], Task]] = {
    "vae": _vae_task,
    "vocoder": _vocoder_task,
    "clap": _clap_task,
    "ldm": _ldm_task,
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
    minutes: float | None = None,
    steps: int | None = None,
    resume: bool = False,
    init: Path | None = None,
    model: Path | None = None,
    device: str = "auto",
    mixed_precision: str = "no",
    seed: int = 0,
) -> None:
    """Trains one part (`vae`, `vocoder`, `clap`, `ldm`, `beats`) on a corpus folder and writes it into `out`.

    Raises:
        InvalidInputError: an unknown part, recipe or device, or a length that is no length.
        DataError: a corpus that is empty or unreadable.
        CheckpointError: a model folder that lacks a part.
        TrainingError: the training cannot go on.
    """
    if part not in _TASKS:
        raise unknown_choice("part", part, PARTS)
    options = LoopOptions(
        out=out,
        steps=steps,
        minutes=minutes,
        device=device,
        mixed_precision=mixed_precision,
        seed=seed,
        resume=resume,
    )
    from musicldm.training.loop import make_accelerator

    torch.manual_seed(seed)
    store = ClipStore(data, progress=_progress("features"))
    task = _TASKS[part](store, recipe, Paths(data, out, init, model), make_accelerator(device, mixed_precision).device)
    Loop(task, options).run()
