"""`musicldm mixup preview`: what training with mixup is fed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from musicldm.cli import options
from musicldm.cli.display import silence_libraries
from musicldm.errors import InvalidInputError

mixup = typer.Typer(help="Beat-synchronous mixup of training clips.", add_completion=False)


@mixup.callback(invoke_without_command=True)
def _help(context: typer.Context) -> None:
    """Beat-synchronous mixup of training clips."""
    if context.invoked_subcommand is None:
        print(context.get_help())


@mixup.command()
def preview(
    data: Annotated[Path, typer.Argument(help="Folder that `musicldm prepare` made.")],
    kind: Annotated[str, typer.Option(metavar="bam|blm|simple", show_default=True)] = "blm",
    count: Annotated[int, typer.Option("-n", help="How many mixtures.", show_default=True)] = 8,
    out: Annotated[Path, typer.Option(help="Folder for them.", show_default=True)] = Path("mixup-preview"),
    mixup_with: Annotated[
        str | None, typer.Option(metavar="A,B,…", help="Improvements, as in `musicldm train`.")
    ] = None,
    model: Annotated[str, typer.Option(help="Whose VAE and vocoder blm is heard through.")] = "default",
    seed: Annotated[int, options.seed()] = 0,
) -> None:
    """Write sources and mixtures to hear, and pictures of their beats; nothing is overwritten."""
    from musicldm.audio.writing import encode
    from musicldm.cli.train import improvements
    from musicldm.data.store import ClipStore
    from musicldm.files import write_new
    from musicldm.training.mixup.mixing import MixupOptions
    from musicldm.training.mixup.preview import examples, picture

    if count < 1:
        raise InvalidInputError(f"-n {count}: it must be at least 1")
    if kind == "none":
        raise InvalidInputError("unknown mixup kind 'none' for a preview: choose one of simple, bam, blm")
    mixing: Any = {"kind": kind, **improvements(mixup_with)}
    chosen = MixupOptions(**mixing)
    store = ClipStore(data)
    parts = _parts(model, store) if kind == "blm" else None
    rate = store.spec.sample_rate
    for number, example in enumerate(examples(store, chosen, parts, count, seed), start=1):
        out.mkdir(parents=True, exist_ok=True)
        stem = f"{kind}-{number:02}"
        title = f"{kind}, λ {example.pairing.weight:.2f} of the anchor"
        write_new(out, stem, "png", picture(example, rate, title))
        for name in ("anchor", "partner", "mixture"):
            written = write_new(out, f"{stem}-{name}", "wav", encode(getattr(example, name), rate, "wav"))
        print(f"{written}\t{example.names[0]}\t{example.names[1]}\t{example.pairing.weight:.2f}")


def _parts(model: str, store: Any) -> Any:
    from musicldm.generation.maker import load_pipeline
    from musicldm.generation.settings import Settings
    from musicldm.model.clap import Clap
    from musicldm.model.vae import Vae
    from musicldm.model.vocoder import vocoder_of
    from musicldm.training.array_parts import ModelParts

    silence_libraries()
    pipeline = load_pipeline(Settings(model=model, device="cpu", dtype="float32"))
    clap = Clap(pipeline.text_encoder, pipeline.tokenizer, pipeline.feature_extractor)
    return ModelParts(store.spec, Vae(pipeline.vae), vocoder_of(pipeline.vocoder), clap)
