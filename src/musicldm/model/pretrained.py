"""A pipeline in a model folder or on the hub: loaded with every weight checked, saved whole, with LoRAs."""

from __future__ import annotations

import inspect
import math
import os
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Self

import torch
from diffusers import DiffusionPipeline
from diffusers.loaders import StableDiffusionLoraLoaderMixin
from diffusers.utils import is_peft_available

from musicldm import files
from musicldm.errors import InvalidInputError, MissingDependencyError
from musicldm.machine.devices import choose_device, dtypes_of_parts, fast_dtype
from musicldm.machine.memory import give_back, narrow, stored_in_float32
from musicldm.model import checksums, hub, lora, parts, weights
from musicldm.model import folder as resolve
from musicldm.model.errors import checkpoint_errors
from musicldm.model.settings import FILE_NAME, GenerationDefaults

_LOADED_OTHERWISE = ("device_map", "quantization_config", "variant")
"""Options of `from_pretrained` under which parts are not simply read from a file of their folder."""


class PretrainedPipeline(DiffusionPipeline, StableDiffusionLoraLoaderMixin):
    """What `MusicLDMPipeline` has to load, save and change its parts; which parts there are, it says itself."""

    generation_defaults: GenerationDefaults
    _lora_loadable_modules = ["unet"]  # noqa: RUF012 (diffusers reads it as a class attribute)

    def __init__(self) -> None:
        super().__init__()
        self._lora_scales: dict[str, float] = {}

    def set_scheduler(self, scheduler: str) -> None:
        """Changes the scheduler to the one of a short name."""
        raise NotImplementedError

    def _scheduler_name(self) -> str | None:
        """Short name of the scheduler, None where it has none."""
        raise NotImplementedError

    @classmethod
    def from_pretrained(
        cls,
        pretrained_model_name_or_path: str | os.PathLike[str] = resolve.DEFAULT,
        *,
        verify: bool = True,
        **kwargs: Any,
    ) -> Self:
        """Loads a MusicLDM in float32, or in the `dtype` that is given.

        Args:
            pretrained_model_name_or_path: "default" for the model that ships with musicldm, a folder, or a hub id.
            verify: whether the files are compared with the folder's SHA256SUMS, where it has them.
            kwargs: those of `DiffusionPipeline.from_pretrained`; `scheduler` may also be a short name, and `dtype`
                "auto": bfloat16 but for CLAP where this machine's best device has it in hardware, else float32.

        Raises:
            CheckpointError: no such model, no MusicLDM, a file that is missing or corrupt, or weights that lack a
                tensor, have one too many, or one of another shape.
            InvalidInputError: an unknown scheduler.
        """
        name = kwargs.pop("scheduler") if isinstance(kwargs.get("scheduler"), str) else None
        _settle_dtype(kwargs)
        passed = frozenset(key for key, value in kwargs.items() if key in resolve.COMPONENTS and value is not None)
        folder = resolve.resolve(
            pretrained_model_name_or_path, download=partial(cls._fetch, **kwargs), verify=verify, passed=passed
        )
        defaults = kwargs.pop("generation_defaults", None) or GenerationDefaults.load(folder)
        narrowed = {} if passed else _take_narrowed(kwargs, folder)
        loaded = parts.load_parts(folder, kwargs, passed)
        with checkpoint_errors(f"{folder}: the model cannot be loaded"):
            pipeline: Self = super().from_pretrained(str(folder), generation_defaults=defaults, **{**kwargs, **loaded})
        pipeline._settle_weights(narrowed)
        if name is not None:
            pipeline.set_scheduler(name)
        elif defaults.scheduler is not None and "scheduler" not in passed:
            with checkpoint_errors(f"{folder}: the scheduler of {FILE_NAME}"):
                pipeline.set_scheduler(defaults.scheduler)
        return pipeline

    def _settle_weights(self, narrowed: Mapping[str, torch.dtype]) -> None:
        """Brings freshly loaded parts to their precision and to the memory layout that is fastest on a CPU."""
        for part, dtype in narrowed.items():
            narrow(getattr(self, part), dtype)
        self.vae.to(memory_format=torch.channels_last)
        if self.unet.dtype == torch.bfloat16:  # in float32 it would be no faster
            self.unet.to(memory_format=torch.channels_last)
        give_back(self.unet)

    @classmethod
    def from_pipe(cls, pipeline: DiffusionPipeline, **kwargs: Any) -> Self:
        """A pipeline on the parts and with the settings of another one.

        The parts stay as they are: diffusers would convert those of the other pipeline to float32, while it may be
        using them.

        Args:
            pipeline: that has them.
            kwargs: parts and `generation_defaults` that take the place of the other's, and `dtype`, to which all parts,
                the shared ones too, are converted where it is given.
        """
        dtype = kwargs.pop("dtype", None) or kwargs.pop("torch_dtype", None)
        taken = inspect.signature(cls.__init__).parameters
        made = cls(**{name: part for name, part in pipeline.components.items() if name in taken} | kwargs)
        if (name := pipeline.config.get("_name_or_path")) is not None:
            made.register_to_config(_name_or_path=name)
        return made if dtype is None else made.to(dtype=dtype)

    @classmethod
    def _fetch(cls, hub_id: str, **kwargs: Any) -> Path:
        """Downloads a model from the hub, or finds it in the cache, and gives its folder."""
        with checkpoint_errors(f"{hub_id}: the model cannot be fetched from the hub"):
            folder = Path(cls.download(hub_id, **kwargs))
            hub.fetch_extras(hub_id, kwargs)
        return folder

    def save_pretrained(self, save_directory: str | os.PathLike[str], **kwargs: Any) -> None:
        """Saves all parts, the generation settings and SHA256SUMS, so that they travel with the model.

        Every file is whole or not there. A model that is in the folder already is replaced, and what else is beside
        it stays.

        Args:
            save_directory: a folder that is new, empty (but for hidden files, a README and a licence), or holds a
                MusicLDM.
            kwargs: those of `DiffusionPipeline.save_pretrained`.

        Raises:
            DataError: `save_directory` holds other things than a model.
            InvalidInputError: `save_directory` is a file.
        """
        folder = Path(save_directory)
        resolve.check_save_folder(folder)
        folder.mkdir(parents=True, exist_ok=True)
        if kwargs.get("push_to_hub"):
            kwargs.setdefault("repo_id", folder.resolve().name)
        listed_all = (folder / checksums.FILE_NAME).exists()
        with files.scratch(folder / "model") as made:
            replace(self.generation_defaults, scheduler=self._scheduler_name()).save(made)
            super().save_pretrained(str(made), **kwargs)
            saved = files.move_into(made, folder)
        weights.remove_replaced_weights(folder, saved)
        checksums.write_sums(folder, None if listed_all else {name.partition("/")[0] for name in saved})

    def load_lora(self, path: str | os.PathLike[str], scale: float = 1.0, adapter_name: str | None = None) -> None:
        """Adds a LoRA to the UNet.

        diffusers' own `load_lora_weights`, `set_adapters`, `fuse_lora` and `unload_lora_weights` work too; this one
        checks before it changes anything.

        Args:
            path: a .safetensors file in diffusers' format, or a folder with pytorch_lora_weights.safetensors.
            scale: how much of it; 0 is none, 1 all, more exaggerates.
            adapter_name: to speak of it in `set_adapters`; diffusers makes one where None.

        Raises:
            CheckpointError: no such file, no LoRA, or one for another model.
            InvalidInputError: a scale that is not finite.
            MissingDependencyError: peft is not installed.
        """
        if not math.isfinite(scale):
            raise InvalidInputError(f"LoRA scale {scale}: it must be a finite number")
        if not is_peft_available():
            raise MissingDependencyError("peft", "lora")
        state = lora.read_lora(Path(path), self.unet)
        loaded = getattr(self.unet, "peft_config", {})
        name = adapter_name or f"lora_{len(loaded)}"
        if name in loaded:
            raise InvalidInputError(f"adapter_name {name!r} is there already: choose another, or unload it first")
        active = self.unet.active_adapters() if loaded else []
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Already found a `peft_config`")
            self.unet.load_lora_adapter(state, prefix="unet", adapter_name=name)
        self._lora_scales = {adapter: self._lora_scales.get(adapter, 1.0) for adapter in active} | {name: scale}
        self.unet.set_adapters(list(self._lora_scales), list(self._lora_scales.values()))

    def fuse_lora(self, components: Sequence[str] = ("unet",), **kwargs: Any) -> None:
        """Adds the active LoRAs to the weights they change, for speed; `kwargs` as in diffusers."""
        super().fuse_lora(list(components), **kwargs)

    def unfuse_lora(self, components: Sequence[str] = ("unet",), **kwargs: Any) -> None:
        """Takes them out again."""
        super().unfuse_lora(list(components), **kwargs)

    @property
    def components(self) -> dict[str, Any]:
        """All that a second pipeline on the same parts needs: `MusicLDMPipeline(**pipe.components)`."""
        return {**super().components, "generation_defaults": self.generation_defaults}


def _settle_dtype(options: dict[str, Any]) -> None:
    """Fills in the `dtype` of `from_pretrained`: float32 where nothing is said, and what "auto" means here."""
    if options.get("dtype") is None and options.get("torch_dtype") is None:
        options["dtype"] = torch.float32
    if "auto" in (options.get("dtype"), options.get("torch_dtype")):
        options.pop("torch_dtype", None)
        options["dtype"] = dtypes_of_parts(fast_dtype(choose_device("auto")))


def _take_narrowed(options: dict[str, Any], folder: Path) -> dict[str, torch.dtype]:
    """The parts that are to be in half precision and stored in float32, in which `options` are changed to load them.

    Converted part by part afterwards, they need less memory at once.
    """
    wanted = options.get("dtype")
    if not isinstance(wanted, torch.dtype | dict) or any(options.get(name) for name in _LOADED_OTHERWISE):
        return {}
    by_part = wanted if isinstance(wanted, dict) else {"default": wanted}
    dtypes = {part: by_part.get(part, by_part.get("default")) for part in ("unet", "vae", "vocoder")}
    halves = {
        part: dtype
        for part, dtype in dtypes.items()
        if dtype in (torch.bfloat16, torch.float16) and stored_in_float32(folder / part)
    }
    if halves:
        options["dtype"] = {**by_part, **dict.fromkeys(halves, torch.float32)}
    return halves
