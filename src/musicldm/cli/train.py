"""`musicldm train`: one part of a model on prepared data."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from musicldm.cli import options
from musicldm.cli.display import silence_libraries
from musicldm.cli.ending import at_next_chance
from musicldm.errors import InvalidInputError, unknown_choice
from musicldm.events import Event, Listener, Note

_LDM = "LDM"
_LENGTH = "Length and machine"
_CONDITIONS = {"audio": 0.0, "text": 1.0}
_IMPROVEMENTS = ("fold-tempo", "other-partner", "match-loudness", "match-key")


def train(
    part: Annotated[
        str,
        typer.Argument(
            metavar="vae|vocoder|clap|ldm|distill|beats|judges",
            help="Part of the model, its few-step version, the beat tracker, or the judges.",
        ),
    ],
    data: Annotated[Path, typer.Option(help="Folder that `musicldm prepare` made.")],
    out: Annotated[Path, typer.Option(help="Folder of the run: checkpoint, log, samples and the trained part.")],
    recipe: Annotated[str, typer.Option(help="Sizes and settings by name.", show_default=True)] = "default",
    init: Annotated[
        str | None, typer.Option(metavar="MODEL", help="Start from the weights of this model: default, or a folder.")
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(metavar="MODEL", help="Model with the parts that this one builds on: ldm needs vae and CLAP."),
    ] = None,
    batch_size: Annotated[int | None, typer.Option(help="Clips in a batch.", show_default="the recipe's")] = None,
    learning_rate: Annotated[float | None, typer.Option(show_default="the recipe's")] = None,
    seed: Annotated[int, options.seed()] = 0,
    minutes: Annotated[
        float | None, typer.Option(help="End after this time in all; or give --steps.", rich_help_panel=_LENGTH)
    ] = None,
    steps: Annotated[
        int | None, typer.Option(help="End after this many steps in all.", rich_help_panel=_LENGTH)
    ] = None,
    patience: Annotated[
        int | None,
        typer.Option(help="End after so many validations without a better one.", rich_help_panel=_LENGTH),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from the checkpoint in --out.", rich_help_panel=_LENGTH)
    ] = False,
    device: Annotated[str, options.device(panel=_LENGTH)] = "auto",
    mixed_precision: Annotated[str, options.mixed_precision(panel=_LENGTH)] = "no",
    accumulate: Annotated[
        int, typer.Option(help="Batches whose gradients make one step.", show_default=True, rich_help_panel=_LENGTH)
    ] = 1,
    checkpointing: Annotated[
        bool, typer.Option("--checkpointing", help="Less memory, more time.", rich_help_panel=_LENGTH)
    ] = False,
    compile_parts: Annotated[
        bool, typer.Option("--compile", help="torch.compile, for long runs.", rich_help_panel=_LENGTH)
    ] = False,
    tracker: Annotated[
        str | None,
        typer.Option(metavar="trackio|wandb", help="Curves and samples go there too.", rich_help_panel=_LENGTH),
    ] = None,
    condition: Annotated[
        str | None,
        typer.Option(
            metavar="audio|text|both", help="CLAP embeddings of what.", show_default="recipe", rich_help_panel=_LDM
        ),
    ] = None,
    prediction: Annotated[
        str | None,
        typer.Option(metavar="v_prediction|epsilon", show_default="the recipe's", rich_help_panel=_LDM),
    ] = None,
    min_snr: Annotated[
        float | None, typer.Option(help="γ of min-SNR weights.", show_default="none", rich_help_panel=_LDM)
    ] = None,
    start: Annotated[
        str | None,
        typer.Option(
            metavar="any|downbeat", help="Where crops begin.", show_default="the recipe's", rich_help_panel=_LDM
        ),
    ] = None,
    lora: Annotated[
        int | None,
        typer.Option(metavar="RANK", help="Train a LoRA on --init instead of all weights.", rich_help_panel=_LDM),
    ] = None,
    blend: Annotated[
        float | None,
        typer.Option(help="Share of the trained weights, the rest --init's.", show_default="1", rich_help_panel=_LDM),
    ] = None,
    mixup: Annotated[
        str | None, typer.Option(metavar="none|simple|bam|blm", show_default="the recipe's", rich_help_panel=_LDM)
    ] = None,
    mixup_prob: Annotated[
        float | None, typer.Option(help="Of a clip's being mixed.", show_default="0.5", rich_help_panel=_LDM)
    ] = None,
    mixup_sound: Annotated[
        str | None,
        typer.Option(
            metavar="heard|mixed", help="Sound's embedding of a mixture.", show_default="heard", rich_help_panel=_LDM
        ),
    ] = None,
    mixup_captions: Annotated[
        str | None, typer.Option(metavar="anchor|joined|mixed", show_default="anchor", rich_help_panel=_LDM)
    ] = None,
    mixup_with: Annotated[
        str | None,
        typer.Option(metavar="A,B,…", help=f"Better than published: {', '.join(_IMPROVEMENTS)}.", rich_help_panel=_LDM),
    ] = None,
) -> None:
    """Train one part of a model; a run that was stopped goes on with --resume."""
    from musicldm.model.folder import parts_folder
    from musicldm.training.run import train as train_part

    silence_libraries()
    mixing = {"kind": mixup, "probability": mixup_prob, "sound_condition": mixup_sound, "captions": mixup_captions}
    changes = {"batch_size": batch_size, "learning_rate": learning_rate, "prediction": prediction, "min_snr": min_snr}
    changes |= {"start": start, "lora_rank": lora, "blend": blend}
    train_part(
        part,
        data=data,
        out=out,
        recipe=recipe,
        changes=_given(changes) | _condition(condition) | _mixup(_given(mixing) | improvements(mixup_with)),
        minutes=minutes,
        steps=steps,
        resume=resume,
        init=None if init is None else parts_folder(init),
        model=None if model is None else parts_folder(model),
        device=device,
        mixed_precision=mixed_precision,
        seed=seed,
        accumulate=accumulate,
        checkpointing=checkpointing,
        compile=compile_parts,
        patience=patience,
        experiment_tracker=tracker,
        report_seconds=1.0 if sys.stderr.isatty() else 30.0,
        ending=at_next_chance,
        listen=_printer(),
    )


def _printer() -> Listener:
    """A listener that prints notes and reports as lines, and of what is prepared first every tenth of the way."""
    from musicldm.training.loop.log import TrainingProgress

    told: dict[str, int] = {}

    def listen(event: Event) -> None:
        if isinstance(event, Note):
            print(event.text, file=sys.stderr)
        elif isinstance(event, TrainingProgress):
            print(event.line, file=sys.stderr, flush=True)
        elif event.total and (tenth := 10 * event.done // event.total) > told.get(event.what, -1):
            told[event.what] = tenth
            print(f"{event.what}: {event.done} of {event.total}", file=sys.stderr, flush=True)

    return listen


def _given(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _condition(condition: str | None) -> dict[str, Any]:
    """The share of captions among the conditions; "both" is that of the default recipe."""
    if condition is None:
        return {}
    from musicldm.training.tasks.ldm_recipe import LdmRecipe

    shares = {**_CONDITIONS, "both": LdmRecipe.text_share}
    if condition not in shares:
        raise unknown_choice("condition", condition, shares)
    return {"text_share": shares[condition]}


def improvements(names: str | None) -> dict[str, Any]:
    """Options of `MixupOptions` by their names on the command line.

    Raises:
        InvalidInputError: an unknown name.
    """
    chosen = {}
    for name in names.split(",") if names else ():
        if name.strip() not in _IMPROVEMENTS:
            raise unknown_choice("--mixup-with", name, _IMPROVEMENTS)
        chosen[name.strip().replace("-", "_")] = True
    return chosen


def _mixup(mixing: dict[str, Any]) -> dict[str, Any]:
    if not mixing:
        return {}
    from musicldm.training.mixup.mixing import KINDS, MixupOptions

    if "kind" not in mixing:
        raise InvalidInputError(f"how to mix is said, but not what: give --mixup, one of {', '.join(KINDS)}")
    return {"mixup": MixupOptions(**mixing)}
