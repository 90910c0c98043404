"""`musicldm generate`: prompts to files of music, best first."""

from __future__ import annotations

import json
import math
import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from musicldm.cli.display import Advance, progress_bar, show_table, silence_libraries
from musicldm.cli.startup import loading_for_good
from musicldm.errors import InvalidInputError
from musicldm.machine.devices import choose_device, dtypes_of_parts, fast_dtype

if TYPE_CHECKING:
    from musicldm.audio import Wave
    from musicldm.generation.naming import Target
    from musicldm.generation.rerolls import Limit
    from musicldm.generation.settings import Batch, Choices, Row


def _option(help_text: str, panel: str, *names: str, metavar: str | None = None, default: str | bool = False) -> Any:
    return typer.Option(*names, help=help_text, rich_help_panel=panel, metavar=metavar, show_default=default)


_OWN = "the model's own"
_MUSIC, _MODEL, _FILES, _NOVELTY = "Music", "Model and machine", "Files", "Novelty"
_Prompts = Annotated[list[str] | None, typer.Argument(help="What it should sound like; several make one piece each.")]
_PromptsFile = Annotated[Path | None, _option("A text file with a prompt a line; - is standard input.", _MUSIC)]
_NegativePrompt = Annotated[str | None, _option('What it should not sound like, as in "low quality".', _MUSIC)]
_Duration = Annotated[float | None, _option("Seconds.", _MUSIC, default=_OWN)]
_Count = Annotated[int | None, _option("Variations; all are written, best first.", _MUSIC, "-n", default="1")]
_Seed = Annotated[int | None, _option("Same seed, same music; -1 is random.", _MUSIC, default="-1")]
_Steps = Annotated[int | None, _option("Denoising steps.", _MUSIC, default=_OWN)]
_Guidance = Annotated[float | None, _option("How strictly to follow the prompt; 1 is off.", _MUSIC, default=_OWN)]
_GuidanceInterval = Annotated[
    str | None,
    _option("Follow it between these levels of noise only; faster.", _MUSIC, metavar="LOW,HIGH", default=_OWN),
]
_CacheInterval = Annotated[
    int | None, _option("Compute inner layers every so many steps only; faster.", _MUSIC, default=_OWN)
]
_Preset = Annotated[str | None, _option("The model's own settings by name.", _MUSIC, metavar="draft|default|best")]
_Scheduler = Annotated[str | None, _option("ddim, dpmsolver++, euler, unipc, …", _MUSIC, default=_OWN)]
_FromFile = Annotated[
    Path | None, _option("Repeat a file of musicldm; other options override.", _MUSIC, metavar="FILE")
]
_Model = Annotated[str | None, _option("A folder, or a hub id: ucsd-reach/musicldm.", _MODEL, default="default")]
_Device = Annotated[str | None, _option("Where to compute.", _MODEL, metavar="auto|cpu|cuda|mps", default="auto")]
_Engine = Annotated[str | None, _option("What computes.", _MODEL, metavar="torch|openvino", default="torch")]
_Dtype = Annotated[
    str | None,
    _option("auto: bfloat16 if in hardware.", _MODEL, metavar="auto|float32|bfloat16|float16|int8"),
]
_Lora = Annotated[str | None, _option("A LoRA: .safetensors file, or its folder.", _MODEL, metavar="FILE")]
_LoraScale = Annotated[float | None, _option("How much of it; 0 is none.", _MODEL, default="1")]
_Out = Annotated[
    str | None,
    _option("Where to write.", _FILES, "-o", "--out", metavar="FILE|DIR", default="here, named by date and prompt"),
]
_Format = Annotated[
    str | None, _option("Kind of file.", _FILES, "--format", metavar="wav|flac|ogg|mp3", default="FILE's, or wav")
]
_Loudness = Annotated[
    str | None,
    _option("peak: loudest sample at -1 dB; or LUFS, such as -14.", _FILES, metavar="peak|LUFS", default="peak"),
]
_MaxSimilarity = Annotated[
    str | None,
    _option("Make again what is nearer to a training clip: cosine, or share of clips.", _NOVELTY, metavar="0.9|99%"),
]
_Tries = Annotated[int | None, _option("How often a piece is made at most.", _NOVELTY, default="4")]
_NoveltyIndex = Annotated[
    str | None, _option("Folder of musicldm novelty index.", _NOVELTY, metavar="INDEX", default="default")
]
_Json = Annotated[bool, _option("Print what was made as JSON.", _FILES, "--json")]


def generate(
    prompts: _Prompts = None,
    negative_prompt: _NegativePrompt = None,
    duration: _Duration = None,
    preset: _Preset = None,
    n: _Count = None,
    seed: _Seed = None,
    steps: _Steps = None,
    guidance: _Guidance = None,
    guidance_interval: _GuidanceInterval = None,
    cache_interval: _CacheInterval = None,
    scheduler: _Scheduler = None,
    prompts_file: _PromptsFile = None,
    from_file: _FromFile = None,
    model: _Model = None,
    device: _Device = None,
    engine: _Engine = None,
    dtype: _Dtype = None,
    lora: _Lora = None,
    lora_scale: _LoraScale = None,
    out: _Out = None,
    audio_format: _Format = None,
    loudness: _Loudness = None,
    max_similarity: _MaxSimilarity = None,
    tries: _Tries = None,
    novelty_index: _NoveltyIndex = None,
    as_json: _Json = False,
) -> None:
    """Make music from text."""
    with loading_for_good():
        from musicldm.generation.naming import Target
        from musicldm.generation.settings import Choices, load_settings, make_rows, read_prompts

    stored = load_settings(from_file) if from_file else {}
    given = {
        "negative_prompt": negative_prompt,
        "duration": duration,
        "preset": preset,
        "steps": steps,
        "guidance": guidance,
        "guidance_interval": guidance_interval,
        "cache_interval": cache_interval,
        "scheduler": scheduler,
        "model": model,
        "device": device,
        "engine": engine,
        "dtype": dtype,
        "lora": lora,
        "lora_scale": lora_scale,
        "loudness": loudness,
    }
    choices = Choices.of(given, stored)
    rows = make_rows([*(prompts or ()), *(read_prompts(prompts_file) if prompts_file else ())], n, seed, stored)
    fallback = from_file.suffix.lower().removeprefix(".") if from_file else "wav"
    is_folder = out is not None and out.endswith(("/", os.sep))
    limit = _limit(max_similarity, tries, novelty_index)
    target = Target.of(None if out is None else Path(out), is_folder, audio_format, fallback)
    known_hash = stored.get("model_hash") if model is lora is None else None
    made = make_music(choices, rows, target, known_hash, limit)
    if as_json:
        print(json.dumps({"files": made}, indent=2, ensure_ascii=False))
    else:
        _show(made)


def _limit(max_similarity: str | None, tries: int | None, index: str | None) -> Limit | None:
    from musicldm.generation.rerolls import Limit

    if max_similarity is None:
        if tries is not None or index is not None:
            raise InvalidInputError(
                "--tries and --novelty-index have a meaning only with --max-similarity, such as 0.9"
            )
        return None
    return Limit(max_similarity, 4 if tries is None else tries, index or "default")


@dataclass(frozen=True)
class Take:
    """One wave (n,) of a row, the seeds it was computed with, its place among them, and how well it fits its prompt.

    The score is None if unknown. `novelty` is what is told about how near it comes to the training set, None if nobody
    asked.
    """

    wave: Wave
    row: Row
    batch: tuple[int, ...]
    place: int
    score: float | None
    novelty: dict[str, Any] | None = None

    @property
    def seed(self) -> int:
        return self.row.seed


def make_music(
    choices: Choices,
    rows: Sequence[Row],
    target: Target,
    known_hash: str | None = None,
    limit: Limit | None = None,
) -> list[dict[str, Any]]:
    """Generates and writes all waves; gives what each file says about itself, with its `file`, in the order made.

    Args:
        choices: what the user wants.
        rows: prompts and seeds.
        target: where files go.
        known_hash: hash of the model that made the file which is repeated; another one is a warning.
        limit: how near music may come to the training set.
    """
    from musicldm.audio.levels import normalise
    from musicldm.audio.writing import encode
    from musicldm.generation.rerolls import Checker, remake
    from musicldm.generation.settings import describe_run, in_batches, model_hash

    with progress_bar("Loading the model"), loading_for_good():
        checker = None if limit is None else Checker.open(limit, choices.device)
        maker = Maker(choices)
    hash_of_model = model_hash(Path(maker.pipeline.config._name_or_path), choices.lora)
    if known_hash not in (None, hash_of_model):
        warnings.warn("the model is not the one that made the file: the music will differ", UserWarning, stacklevel=1)
    rate = maker.pipeline.sample_rate
    level = partial(normalise, sample_rate=rate, target=choices.loudness)
    made = []
    with progress_bar("Making music") as advance:
        batches = in_batches(rows, maker.waves_at_once(len(rows)))
        make = partial(maker, on_step=_count_steps(advance, len(batches)))
        for takes in _by_piece(batches, make):
            if checker is not None:
                takes = remake(takes, make, lambda take: checker(level(take.wave), rate), checker)
            for rank, take in enumerate(takes, 1):
                wave = level(take.wave)
                settings = describe_run(maker.choices, take.row.prompt, hash_of_model, rate)
                settings |= {"n": len(takes), "seed": take.seed, "batch": take.batch, "place": take.place}
                settings |= {"rank": rank, "score": take.score}
                if take.novelty is not None:
                    settings["novelty"] = take.novelty
                content = encode(wave, rate, target.audio_format, settings=settings, title=take.row.prompt)
                path = target.write(take.row.prompt, content)
                made.append({"file": str(path), "seconds": len(wave) / rate, **settings})
    return made


def _by_piece(batches: Sequence[Batch], make: Callable[[Batch], list[Take]]) -> Iterator[list[Take]]:
    """The takes of each prompt, best first, as soon as the last of them is made.

    They are in the order of their seeds where the model cannot score.
    """
    waiting: list[Take] = []
    for batch, following in zip(batches, [*batches[1:], ()], strict=True):
        waiting += make(batch)
        unfinished = following[0].piece if following else math.inf
        done = sum(take.row.piece < unfinished for take in waiting)
        for _, takes in groupby(waiting[:done], key=lambda take: take.row.piece):
            yield sorted(takes, key=lambda take: -math.inf if take.score is None else -take.score)
        waiting = waiting[done:]


class Maker:
    """Batches to takes, with a pipeline of the model that is wanted.

    Where nobody chose a precision, and the one that is fast here gives no finite sound, the model is loaded again in
    float32.

    Attributes:
        choices: those wanted, with what the model and the machine decide filled in.
        pipeline: on its device.
    """

    def __init__(self, wanted: Choices) -> None:
        self._wanted = wanted
        self._load("auto")

    def _load(self, dtype: str) -> None:
        wanted = replace(self._wanted, dtype=dtype) if self._wanted.dtype == "auto" else self._wanted
        self.pipeline = load_pipeline(wanted)
        self.choices = wanted.settled(self.pipeline)

    def waves_at_once(self, count: int) -> int:
        """How many of so many waves a batch should have: what is fastest here, where it is worth while to find out."""
        from musicldm.generation.settings import BATCH

        if count <= BATCH:
            return BATCH
        guided = self.choices.guidance is None or self.choices.guidance > 1
        rows: int = self.pipeline.tune_unet_batch_size(self.choices.duration)
        return max(1, rows // (2 if guided else 1))

    def __call__(self, batch: Batch, *, on_step: Callable[..., dict[str, Any]]) -> list[Take]:
        """The waves of a batch that are kept, in its order.

        Raises:
            InvalidInputError: the model gives no finite sound at this precision.
        """
        import numpy as np

        result = self._play(batch, on_step)
        if not np.isfinite(result.audios).all():
            dtype = self.choices.dtype
            if dtype == "float32" or self._wanted.dtype != "auto":
                advice = "" if dtype == "float32" else "; choose float32"
                raise InvalidInputError(f"dtype {dtype}: this model gives no finite sound in it{advice}")
            warnings.warn(f"{dtype} gives no finite sound with this model: going on in float32", stacklevel=1)
            self._load("float32")
            return self(batch, on_step=on_step)
        scores = result.scores or [None] * len(batch)
        seeds = tuple(row.seed for row in batch)
        return [
            Take(wave, row, seeds, place, None if score is None else float(score))
            for place, (wave, row, score) in enumerate(zip(result.audios, batch, scores, strict=True))
            if row.kept
        ]

    def _play(self, batch: Batch, on_step: Callable[..., dict[str, Any]]) -> Any:
        import torch

        choices = self.choices
        return self.pipeline(
            [row.prompt for row in batch],
            audio_length_in_s=choices.duration,
            num_inference_steps=choices.steps,
            guidance_scale=choices.guidance,
            guidance_interval=choices.guidance_interval,
            cache_interval=choices.cache_interval,
            negative_prompt=choices.negative_prompt,
            generator=[torch.Generator().manual_seed(row.seed) for row in batch],
            callback_on_step_end=on_step,
            callback_on_step_end_tensor_inputs=(),
        )


def load_pipeline(choices: Choices) -> Any:
    """The pipeline on its device with its scheduler, and the libraries silent.

    Raises:
        InvalidInputError: a device that this machine does not have, or an unknown scheduler.
        CheckpointError: the model or its LoRA cannot be loaded.
        MissingDependencyError: peft for a LoRA, or openvino, is not installed.
    """
    import torch

    from musicldm import MusicLDMPipeline

    silence_libraries()
    openvino = choices.engine == "openvino"
    device = "cpu" if openvino else choose_device(choices.device)
    torch.backends.cudnn.deterministic = True
    dtype = fast_dtype(device) if choices.dtype == "auto" else getattr(torch, choices.dtype)
    stored = torch.float32 if openvino else dtype
    pipeline = MusicLDMPipeline.from_pretrained(choices.model, dtype=dtypes_of_parts(stored)).to(device)
    pipeline.set_progress_bar_config(disable=True)
    if choices.lora is not None:
        pipeline.load_lora(choices.lora, choices.lora_scale)
        pipeline.fuse_lora()
        pipeline.unload_lora_weights()
    if openvino:
        pipeline.enable_openvino(dtype)
    scheduler = choices.scheduler or pipeline.generation_defaults.preset(choices.preset).scheduler
    if scheduler is not None:
        pipeline.set_scheduler(scheduler)
    return pipeline


def _count_steps(advance: Advance, calls: int) -> Callable[..., dict[str, Any]]:
    """A callback for the pipeline that moves the bar over all calls."""
    done = 0

    def on_step(pipeline: Any, *_: Any) -> dict[str, Any]:
        nonlocal done
        done += 1
        # What is made again was not counted.
        advance(done, max(done, calls * pipeline.num_timesteps))
        return {}

    return on_step


def _show(made: Sequence[dict[str, Any]]) -> None:
    heads = ["file", "seed", "score", "length"]
    rows = [
        [
            one["file"],
            str(one["seed"]),
            "-" if one["score"] is None else f"{one['score']:.3f}",
            f"{one['seconds']:.2f} s",
        ]
        for one in made
    ]
    if any("novelty" in one for one in made):
        heads += ["similarity", "verdict"]
        for row, one in zip(rows, made, strict=True):
            row += [f"{one['novelty']['similarity']:.3f}", one["novelty"]["verdict"]]
    show_table(heads, rows, numbers=("seed", "score", "length", "similarity"))
