"""The settings of music to make: each is declared here once.

From a field come its option on the command line, its check, its tag in a file, its argument of the pipeline, and what a
page or an API shows of it. Ranges of what a model's folder may decide stand with the model's own settings.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from musicldm.declaration import as_words, check, check_all, declared, describe, left_to, setting
from musicldm.errors import InvalidInputError, unknown_choice
from musicldm.model.settings import GenerationDefaults

if TYPE_CHECKING:
    from musicldm.pipeline import MusicLDMPipeline

DEVICES = ("auto", "cpu", "cuda", "mps")
ENGINES = ("torch", "openvino")
DTYPES = ("auto", "float32", "bfloat16", "float16", "int8")
SEED_LIMIT = 2**63
TRIES = 4
"""How often a piece is made at most where nobody says it, the first time included."""
MUSIC, MACHINE, FILES, NOVELTY = "Music", "Model and machine", "Files", "Novelty"
PANELS = (MUSIC, MACHINE, FILES, NOVELTY)
"""Groups of settings, in the order in which they are shown."""


def seeds_for(n: int) -> str:
    """Which seeds are valid for so many variations, in words."""
    return f"-1 (random) or 0 to {SEED_LIMIT - n - 1}"


def _take_loudness(value: Any) -> str | float:
    from musicldm.audio.levels import check_loudness

    if isinstance(value, bool):
        raise TypeError
    return check_loudness(value)


def _take_similarity(value: Any) -> str:
    from musicldm.generation.rerolls import Limit

    Limit.of(str(value))
    return str(value)


def _audio_formats() -> Sequence[str]:
    from musicldm.audio.writing import ENCODINGS

    return tuple(ENCODINGS)


def _take_audio_format(value: Any) -> str:
    if value not in _audio_formats():
        raise unknown_choice("audio format", value, _audio_formats())
    return str(value)


def _schedulers() -> Sequence[str]:
    from musicldm.sampling.schedulers import SCHEDULERS

    return tuple(SCHEDULERS)


@dataclass(frozen=True)
class Settings:
    """What somebody wants but for the prompts; None leaves a value to the model, or open.

    Args:
        model: "default", a folder, or a hub id.
        device: one of `DEVICES`.
        engine: one of `ENGINES`.
        dtype: one of `DTYPES`; "auto" is what is fast on the machine.
        negative_prompt: what it should not sound like.
        duration: seconds.
        preset: which of the model's own settings fill in what is None.
        n: variations of each prompt; 1 where None.
        seed: of the first of them, -1 for a random one; so where None.
        steps: denoising steps.
        guidance: weight of the prompt.
        guidance_interval: levels of noise between which it is on: "0.2,0.8", or two numbers.
        cache_interval: steps from one whole evaluation of the UNet to the next.
        scheduler: short name.
        audio_format: ending of the files; wav where None and nothing else says it.
        loudness: "peak" or LUFS.
        lora: file or folder of a LoRA for the model's UNet.
        lora_scale: how much of it.
        max_similarity: how near to a training clip music may come: cosine, "0.9", or how unusual, "99%": nearer than
            99 in 100 training clips are to another. What is nearer is made again.
        tries: how often a piece is made at most, the first time included; `TRIES` where None.
        novelty_index: "default", or the folder of an index; the default one where None.

    Raises:
        InvalidInputError: a value outside its range, as far as that can be said without the model.
    """

    model: str = setting("default", help="A folder, or a hub id: ucsd-reach/musicldm.", panel=MACHINE, loads=True)
    device: str = setting("auto", choices=DEVICES, help="Where to compute.", panel=MACHINE, loads=True)
    engine: str = setting("torch", choices=ENGINES, help="What computes.", panel=MACHINE, loads=True)
    dtype: str = setting(
        "auto", choices=DTYPES, help="auto: bfloat16 if in hardware.", panel=MACHINE, shown="", loads=True
    )
    negative_prompt: str | None = setting(
        None, help='What it should not sound like, as in "low quality".', panel=MUSIC, argument="negative_prompt"
    )
    duration: float | None = left_to(GenerationDefaults, "audio_length_in_s", help="Seconds.", panel=MUSIC)
    preset: str = setting(
        "default",
        help="The model's own settings by name.",
        panel=MUSIC,
        metavar="draft|default|best",
        shown="",
        argument="preset",
    )
    n: int | None = setting(
        None,
        at_least=1,
        help="Variations; all are written, best first.",
        panel=MUSIC,
        flags=("-n",),
        shown="1",
        stored=False,
    )
    seed: int | None = setting(
        None,
        at_least=-1,
        at_most=SEED_LIMIT - 2,
        words=seeds_for(1),
        help="Same seed, same music; -1 is random.",
        panel=MUSIC,
        shown="-1",
        stored=False,
    )
    steps: int | None = left_to(GenerationDefaults, "num_inference_steps", help="Denoising steps.", panel=MUSIC)
    guidance: float | None = left_to(
        GenerationDefaults, "guidance_scale", help="How strictly to follow the prompt; 1 is off.", panel=MUSIC
    )
    guidance_interval: tuple[float, float] | str | None = left_to(
        GenerationDefaults,
        "guidance_interval",
        help="Follow it between these levels of noise only; faster.",
        panel=MUSIC,
        metavar="LOW,HIGH",
    )
    cache_interval: int | None = left_to(
        GenerationDefaults, "cache_interval", help="Compute inner layers every so many steps only; faster.", panel=MUSIC
    )
    scheduler: str | None = left_to(
        GenerationDefaults, "scheduler", help="ddim, dpmsolver++, euler, unipc, …", panel=MUSIC, names=_schedulers
    )
    audio_format: str | None = setting(
        None,
        take=_take_audio_format,
        names=_audio_formats,
        help="Kind of file.",
        panel=FILES,
        flags=("--format",),
        metavar="wav|flac|ogg|mp3",
        shown="FILE's, or wav",
        stored=False,
    )
    loudness: str | float = setting(
        "peak",
        take=_take_loudness,
        words="'peak' or LUFS",
        help="peak: loudest sample at -1 dB; or LUFS, such as -14.",
        panel=FILES,
        metavar="peak|LUFS",
    )
    lora: str | None = setting(
        None, help="A LoRA: .safetensors file, or its folder.", panel=MACHINE, metavar="FILE", loads=True
    )
    lora_scale: float = setting(1.0, help="How much of it; 0 is none.", panel=MACHINE, loads=True)
    max_similarity: str | None = setting(
        None,
        take=_take_similarity,
        help="Make again what is nearer to a training clip: cosine, or share of clips.",
        panel=NOVELTY,
        metavar="0.9|99%",
        stored=False,
    )
    tries: int | None = setting(
        None, at_least=1, help="How often a piece is made at most.", panel=NOVELTY, shown=str(TRIES), stored=False
    )
    novelty_index: str | None = setting(
        None,
        help="Folder of musicldm novelty index.",
        panel=NOVELTY,
        metavar="INDEX",
        shown="default",
        stored=False,
    )

    def __post_init__(self) -> None:
        check_all(self, as_words)
        if self.engine == "openvino" and (self.device not in ("auto", "cpu") or self.dtype == "float16"):
            raise InvalidInputError(
                f"engine openvino with {self.device} and {self.dtype}: valid are cpu, and float32, bfloat16 or int8"
            )
        if self.engine != "openvino" and self.dtype == "int8":
            raise InvalidInputError(f"dtype int8 with engine {self.engine}: only engine openvino computes with int8")
        if self.max_similarity is None and (self.tries is not None or self.novelty_index is not None):
            raise InvalidInputError(
                "--tries and --novelty-index have a meaning only with --max-similarity, such as 0.9"
            )

    @classmethod
    def of(cls, given: Mapping[str, Any], stored: Mapping[str, Any] | None = None) -> Self:
        """From what somebody gave (None where nothing), else from a file's settings, else the defaults.

        A preset takes the place of what the file says of the same settings.

        Raises:
            InvalidInputError: no such setting, or a value outside its range.
        """
        known = {entry.name: entry.setting for entry in declared(cls)}
        for name in given:
            if name not in known:
                raise unknown_choice("setting", name, known)
        kept = dict(stored or {})
        if given.get("preset") is not None:
            kept = {name: value for name, value in kept.items() if not known[name].of_model}
        chosen = kept | {name: value for name, value in given.items() if value is not None}
        return cls(**{name: value for name, value in chosen.items() if value is not None})

    @classmethod
    def remembered(cls, tags: Mapping[str, Any]) -> dict[str, object]:
        """The settings among the tags of a file, checked; other tags and those that say nothing are left out.

        Raises:
            InvalidInputError: a value of another type or outside its range.
        """
        stored = [entry for entry in declared(cls) if entry.setting.stored and tags.get(entry.name) is not None]
        return {entry.name: check(entry, tags[entry.name], as_words) for entry in stored}

    def tags(self) -> dict[str, Any]:
        """What a file remembers of them."""
        values = asdict(self)
        return {entry.name: values[entry.name] for entry in declared(type(self)) if entry.setting.stored}

    def arguments(self) -> dict[str, Any]:
        """What the pipeline is called with; None leaves an argument to the model."""
        named = [(entry.setting.argument, entry.name) for entry in declared(type(self))]
        return {argument: getattr(self, name) for argument, name in named if argument is not None}

    def loaded_like(self, other: Settings) -> bool:
        """Whether a model that was loaded for the others serves for these."""
        return all(
            getattr(self, entry.name) == getattr(other, entry.name)
            for entry in declared(Settings)
            if entry.setting.loads
        )

    def settled(self, pipeline: MusicLDMPipeline) -> Self:
        """With the values that the model and the machine decide filled in, as a file remembers them.

        Raises:
            InvalidInputError: an unknown preset or scheduler.
        """
        from musicldm.sampling.schedulers import make_scheduler, short_name

        defaults = pipeline.generation_defaults.preset(self.preset)
        filled = {
            entry.name: getattr(defaults, entry.setting.of_model)
            for entry in declared(type(self))
            if entry.setting.of_model and getattr(self, entry.name) is None
        }
        scheduler = self.scheduler or defaults.scheduler
        active = pipeline.scheduler if scheduler is None else make_scheduler(scheduler, pipeline.scheduler.config)
        filled["scheduler"] = self.scheduler or short_name(active)
        filled["duration"] = self.duration or defaults.audio_length_in_s or pipeline.geometry.trained_seconds
        folder = Path(self.model)
        return replace(
            self,
            **filled,
            model=str(folder.resolve()) if self.model != "default" and folder.is_dir() else self.model,
            device=pipeline.device.type,
            dtype=str(pipeline.compute_dtype).removeprefix("torch."),
            lora=None if self.lora is None else str(Path(self.lora).resolve()),
        )


def describe_settings(
    model: GenerationDefaults | None = None, kind: type[Settings] = Settings
) -> list[dict[str, object]]:
    """All settings as plain data, with the defaults of a model: see `musicldm.declaration.describe`."""
    return describe(kind, model)
