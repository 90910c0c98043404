"""A model on its device, and batches to takes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from musicldm.errors import InvalidInputError
from musicldm.events import Listener, Note, notes_for
from musicldm.generation.settings import Settings
from musicldm.generation.tags import model_hash
from musicldm.generation.takes import BATCH, Batch, Take
from musicldm.machine.devices import choose_device, dtypes_of_parts, fast_dtype

if TYPE_CHECKING:
    import torch

    from musicldm.pipeline import MusicLDMOutput, MusicLDMPipeline

AfterStep = Callable[[int], bool]
"""Called after every evaluation of the denoiser with how many a call has; whether the call is to go on."""


class Cancelled(Exception):
    """A call was stopped between two steps: there is no music of it."""


class Maker:
    """Batches to takes, with a pipeline of the model that is wanted.

    Where nobody chose a precision, and the one that is fast here gives no finite sound, the model is loaded again in
    float32.

    Args:
        wanted: which model, where and how to compute; the other settings may differ from call to call.

    Attributes:
        pipeline: on its device.

    Raises:
        InvalidInputError: a device that this machine does not have.
        CheckpointError: the model or its LoRA cannot be loaded.
        MissingDependencyError: peft for a LoRA, or openvino, is not installed.
    """

    def __init__(self, wanted: Settings) -> None:
        self.wanted = wanted
        self.pipeline = load_pipeline(wanted)

    @property
    def sample_rate(self) -> int:
        """Of what it makes, in Hz."""
        return self.pipeline.sample_rate

    @property
    def model_hash(self) -> str:
        """See `musicldm.generation.tags.model_hash`."""
        return model_hash(Path(self.pipeline.config._name_or_path), self.wanted.lora)

    def waves_at_once(self, count: int, settings: Settings) -> int:
        """How many of so many waves a batch should have: what is fastest here, where it is worth while to find out."""
        if count <= BATCH:
            return BATCH
        settled = settings.settled(self.pipeline)
        guided = settled.guidance is None or settled.guidance > 1
        rows = self.pipeline.tune_unet_batch_size(settled.duration)
        return max(1, rows // (2 if guided else 1))

    def make(self, batch: Batch, settings: Settings, after_step: AfterStep, listen: Listener) -> list[Take]:
        """The waves of a batch that are kept, in its order.

        Args:
            batch: at least one row.
            settings: as wanted.
            after_step: see `AfterStep`.
            listen: gets notes of the pipeline, and one where the precision is changed.

        Raises:
            InvalidInputError: the model gives no finite sound at this precision.
            Cancelled: `after_step` said so.
        """
        import numpy as np

        settled = settings.settled(self.pipeline)
        result = self._call(batch, settings, after_step, listen)
        if not np.isfinite(result.audios).all():
            self._go_on_in_float32(settled, listen)
            return self.make(batch, settings, after_step, listen)
        scores: Sequence[float | None] = result.scores or [None] * len(batch)
        seeds = tuple(row.seed for row in batch)
        return [
            Take(wave, row, seeds, position, None if score is None else float(score), settled)
            for position, (wave, row, score) in enumerate(zip(result.audios, batch, scores, strict=True))
            if row.kept
        ]

    def _go_on_in_float32(self, settled: Settings, listen: Listener) -> None:
        dtype = settled.dtype
        if dtype == "float32" or self.wanted.dtype != "auto":
            advice = "" if dtype == "float32" else "; choose float32"
            raise InvalidInputError(f"dtype {dtype}: this model gives no finite sound in it{advice}")
        listen(Note(f"{dtype} gives no finite sound with this model: going on in float32"))
        self.pipeline = load_pipeline(replace(self.wanted, dtype="float32"))

    def _call(self, batch: Batch, settings: Settings, after_step: AfterStep, listen: Listener) -> MusicLDMOutput:
        import torch

        cancelled = False

        def on_step(pipeline: MusicLDMPipeline, *_: object) -> dict[str, torch.Tensor]:
            nonlocal cancelled
            if not after_step(pipeline.num_timesteps):
                cancelled = True
                pipeline.interrupt()
            return {}

        made = self.pipeline(
            [row.prompt for row in batch],
            **settings.arguments(),
            generator=[torch.Generator().manual_seed(row.seed) for row in batch],
            callback_on_step_end=on_step,
            callback_on_step_end_tensor_inputs=(),
            listen=notes_for(listen),
        )
        if cancelled:
            raise Cancelled
        assert not isinstance(made, tuple)
        return made


def load_pipeline(settings: Settings) -> MusicLDMPipeline:
    """The pipeline of the model that is wanted, on its device.

    Raises:
        InvalidInputError: a device that this machine does not have.
        CheckpointError: the model or its LoRA cannot be loaded.
        MissingDependencyError: peft for a LoRA, or openvino, is not installed.
    """
    import torch

    from musicldm.pipeline import MusicLDMPipeline

    openvino = settings.engine == "openvino"
    device = "cpu" if openvino else choose_device(settings.device)
    torch.backends.cudnn.deterministic = True
    dtype: torch.dtype = fast_dtype(device) if settings.dtype == "auto" else getattr(torch, settings.dtype)
    stored = torch.float32 if openvino else dtype
    pipeline = MusicLDMPipeline.from_pretrained(settings.model, dtype=dtypes_of_parts(stored))
    pipeline.to(device)
    pipeline.set_progress_bar_config(disable=True)
    if settings.lora is not None:
        pipeline.load_lora(settings.lora, settings.lora_scale)
        pipeline.fuse_lora()
        pipeline.unload_lora_weights()
    if openvino:
        pipeline.enable_openvino(dtype)
    return pipeline
