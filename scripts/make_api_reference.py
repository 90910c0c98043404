"""Writes docs/api.md from the docstrings of the public names: `python scripts/make_api_reference.py`.

The sources are parsed and never imported, so that it takes no time and needs nothing installed.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
OUT = ROOT / "docs" / "api.md"

PUBLIC: Mapping[str, str] = {
    "pipeline": "MusicLDMPipeline MusicLDMOutput",
    "model.pretrained": "PretrainedPipeline",
    "sampling.engines": "EnginePipeline",
    "sampling.running": "RunningCallsMixin",
    "errors": "MusicLDMError InvalidInputError CheckpointError DataError TrainingError MissingDependencyError",
    "model.settings": "GenerationDefaults",
    "generation.settings": "Settings describe_settings",
    "generation.generate": "GenerationRequest Loaded generate",
    "generation.takes": "FinishedTake",
    "generation.tags": "StoredTake read_tags model_hash",
    "model.clap": "Clap unit_vectors",
    "model.vae": "Vae MelDecoder",
    "model.vocoder": "Vocoder HifiGan VOCODERS vocoder_of",
    "model.decoding": "WaveDecoder VaeAndVocoder",
    "model.geometry": "AudioGeometry",
    "model.checksums": "read_sums verify write_sums",
    "events": "Progress Note ignore notes_for warn_of_notes",
    "sampling.denoiser": "Denoiser LeveledDenoiser",
    "sampling.schedulers": "SCHEDULERS SchedulerChoice make_scheduler short_name",
    "audio.mel": "MelSpec log_mel",
    "audio.levels": "loudness normalise",
    "audio.resampling": "resample",
    "audio.reading": "read",
    "audio.writing": "write read_settings",
    "corpus.build": "build_corpus Built",
    "corpus.truth": "Truth Part Section",
    "corpus.composing.arrangement": "compose",
    "corpus.styles.style": "Style Sound Swing",
    "corpus.sound.rendering": "render render_stems Rendered",
    "corpus.sound.soundfont": "SoundFont",
    "corpus.sound.soundfonts": "find_soundfonts",
    "corpus.sound.degradation": "degrade",
    "corpus.captions.captions": "caption captions",
    "corpus.captions.prompts": "evaluation_prompts EvaluationPrompt",
    "corpus.lexicon": "Lexicon",
    "data.prepare": "prepare Prepared",
    "data.manifest": "PrepareSettings read_manifest",
    "data.store": "ClipStore ClipRow",
    "data.arrays": "Sharded",
    "machine.parallel": "WorkerPool",
    "beats.beats": "Beats tempo_of_beats meter_of_beats",
    "beats.tracker": "BeatTracker",
    "beats.network": "NetworkConfig build_network load_network save_network",
    "beats.files": "beats_text audacity_labels with_clicks",
    "beats.picture": "picture",
    "training.run": "train",
    "training.loop.options": "LoopOptions",
    "training.tasks.vae": "VaeRecipe",
    "training.tasks.vocoder": "VocoderRecipe",
    "training.tasks.clap": "ClapRecipe",
    "training.tasks.ldm_recipe": "LdmRecipe",
    "training.tasks.consistency": "ConsistencyRecipe",
    "training.tasks.beats": "BeatRecipe",
    "training.tasks.beat_variation": "Variation",
    "training.tasks.judges": "JudgeRecipe",
    "training.mixup.mixing": (
        "MixupOptions Mixer Pairing whole_tempo tempo_group mix_waves mix_latents latent_cuts mix_embeddings"
    ),
    "training.mixup.preview": "Example examples picture",
    "training.assemble": "assemble",
    "listeners.embedders": "open_embedder Embedder TextEmbedding Identity",
    "listeners.judges": "Judges JudgeVerdict",
    "listeners.tempo": "tempo_of TempoRange",
    "novelty.index": "open_index NoveltyIndex",
    "novelty.build": "build_index BuildOptions",
    "novelty.check": "check NoveltyReport Likeness Copied TrainingPassage",
    "evaluation.evaluate": "Options evaluate",
    "evaluation.report.content": "EvaluationReport",
    "evaluation.figures.figure": "Figure",
    "evaluation.codec": "Codec",
    "evaluation.prompts": "named_tempo",
    "evaluation.metrics.estimate": "Estimate estimate difference spread_around",
    "evaluation.metrics.frechet": "frechet frechet_distance Gaussian Frechet",
    "evaluation.metrics.divergence": "divergence paired_divergence",
    "evaluation.metrics.inception": "inception inception_score",
    "evaluation.metrics.clap_score": "clap_score ClapScore",
    "evaluation.metrics.similarity": "nearest Nearest",
    "evaluation.metrics.retrieval": "retrieval ranks Retrieval",
    "evaluation.metrics.signal": "measure Signal",
    "evaluation.metrics.stft_distance": "stft_distance StftDistance",
    "evaluation.metrics.tempo": "tempo_met tempo_error",
    "evaluation.metrics.beat_stability": "beat_stability BeatStability",
}
"""Module below `musicldm` → what of it the reference shows, in this order."""

_SECTION = re.compile(r"(Args|Attributes|Returns|Raises):")
_ITEM = re.compile(r"    (\w[\w, ]*): (.*)")


def reference() -> str:
    """The whole document."""
    lines = [
        "# API reference",
        "",
        "Made from the docstrings by `scripts/make_api_reference.py`: change them there.",
        "",
    ]
    for module, names in PUBLIC.items():
        tree = ast.parse(source_of(module).read_text(encoding="utf-8"))
        summary = (ast.get_docstring(tree) or "").split("\n\n")[0].replace("\n", " ")
        lines += [f"## musicldm.{module}", "", *([summary, ""] if summary else [])]
        for name in names.split():
            lines += entry(tree.body, name)
    return "\n".join(lines)


def source_of(module: str) -> Path:
    """The file of a module below `musicldm`."""
    path = ROOT.joinpath("src", "musicldm", *module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def entry(body: list[ast.stmt], name: str) -> list[str]:
    """Heading, signature and text of a class, function or constant, with a class' public methods."""
    for index, node in enumerate(body):
        if isinstance(node, ast.FunctionDef) and node.name == name:
            return [f"### {name}", "", *described(node)]
        if isinstance(node, ast.ClassDef) and node.name == name:
            return [f"### {name}", "", *fenced(class_head(node)), *text_of(ast.get_docstring(node)), *methods(node)]
        if isinstance(node, ast.AnnAssign) and ast.unparse(node.target) == name:
            said = body[index + 1] if index + 1 < len(body) else None
            text = ast.literal_eval(said.value) if isinstance(said, ast.Expr) else None
            keys = [ast.literal_eval(key) for key in getattr(node.value, "keys", ())]
            listed = [", ".join(f"`{key}`" for key in keys), ""] if keys else []
            return [f"### {name}", "", *fenced(f"{name}: {ast.unparse(node.annotation)}"), *text_of(text), *listed]
    raise LookupError(f"there is no {name} here any more: change PUBLIC")


def methods(node: ast.ClassDef) -> Iterator[str]:
    for member in node.body:
        if isinstance(member, ast.FunctionDef) and (not member.name.startswith("_") or member.name == "__call__"):
            yield from (f"#### {node.name}.{member.name}", "", *described(member))


def class_head(node: ast.ClassDef) -> str:
    """The bases of a class, with the fields of a dataclass or else the arguments of `__init__`."""
    head = f"class {node.name}" + (f"({', '.join(map(ast.unparse, node.bases))})" if node.bases else "")
    fields = [ast.unparse(member) for member in node.body if isinstance(member, ast.AnnAssign)]
    if fields and any("dataclass" in ast.unparse(decorator) for decorator in node.decorator_list):
        return "\n    ".join([f"{head}:", *fields])
    starts = [member for member in node.body if isinstance(member, ast.FunctionDef) and member.name == "__init__"]
    return "\n\n".join([head, *(signature(start, node.name) for start in starts)])


def described(node: ast.FunctionDef) -> list[str]:
    marks = [f"@{ast.unparse(one)}" for one in node.decorator_list if ast.unparse(one) in ("property", "classmethod")]
    return [*fenced("\n".join([*marks, signature(node, f"def {node.name}")])), *text_of(ast.get_docstring(node))]


def signature(node: ast.FunctionDef, name: str) -> str:
    """`name(arguments) -> result` without self and cls, one argument a line where it would be long."""
    result = f" -> {ast.unparse(node.returns)}" if node.returns and node.name != "__init__" else ""
    arguments = [one for one in split_arguments(ast.unparse(node.args)) if one not in ("self", "cls")]
    line = f"{name}({', '.join(arguments)}){result}"
    return line if len(line) <= 100 else "\n    ".join([f"{name}(", *(f"{one}," for one in arguments)]) + f"\n){result}"


def split_arguments(text: str) -> list[str]:
    """The arguments at the commas outside all brackets, with spaces about the default of an annotated one."""
    parts, depth = [""], 0
    for letter in text:
        depth += (letter in "([{") - (letter in ")]}")
        if letter == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += letter
    return [part.strip().replace("=", " = ", 1) if ":" in part else part.strip() for part in parts]


def fenced(code: str) -> list[str]:
    return ["```python", code, "```", ""]


def text_of(docstring: str | None) -> list[str]:
    """A docstring in Markdown: its sections as lists."""
    out: list[str] = []
    inside = False
    for line in (docstring or "").splitlines():
        heading, item = _SECTION.fullmatch(line), _ITEM.fullmatch(line)
        inside = heading is not None or (inside and (not line or line.startswith("    ")))
        if heading:
            out += [f"**{heading[1]}**", ""]
        elif inside and item:
            out.append(f"- `{item[1]}`: {item[2]}")
        elif inside and line.strip():
            out.append(f"  {line.strip()}")
        else:
            out.append(line)
    return [*out, ""] if out else []


if __name__ == "__main__":
    OUT.write_text(reference(), encoding="utf-8")
