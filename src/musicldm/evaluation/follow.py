"""Whether clips are what their prompts ask for: by CLAP, by judges, by the tempo that is heard."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Literal

import numpy as np

from musicldm.evaluation.hearing import Heard
from musicldm.evaluation.metrics.clap_score import clap_score
from musicldm.evaluation.metrics.retrieval import retrieval
from musicldm.evaluation.report.figures import Collection, Figure, mean_figure
from musicldm.listeners.embedders import Floats
from musicldm.listeners.judges import DRUMS, HEADS, Judges
from musicldm.listeners.tempo import tempo_error, tempo_met

CLEAN = "clean"


def text_figures(
    generated: Collection, embedder: str, by: str, text: Callable[[Sequence[str]], Floats]
) -> tuple[list[Figure], dict[str, float]]:
    """CLAP score and retrieval in one embedder, and the score of each clip by name; nothing without prompts."""
    clips = generated.with_prompt()
    if not clips.heard:
        return [], {}
    prompts = [str(one.piece.prompt) for one in clips.heard]
    different = sorted(set(prompts))
    place = {prompt: number for number, prompt in enumerate(different)}
    right = [place[prompt] for prompt in prompts]
    vectors, sounds = text(different), clips.embeddings(embedder)
    score = clap_score(vectors[right], sounds)
    beside = (None, "") if score.others is None else (score.others.mean, "other prompts")
    figures = [Figure("prompts", "CLAP score", score.own, "higher", by, "", *beside)]
    if len(different) > 1:
        found = retrieval(sounds, vectors, right)
        for depth, share in found.recall.items():
            figures.append(Figure("prompts", f"R@{depth}", share, "higher", by, "", depth / found.prompts, "chance"))
        chance = (found.prompts + 1) / 2
        figures.append(Figure("prompts", "median rank", found.median_rank, "lower", by, "", chance, "chance"))
    own = (vectors[right] * sounds).sum(axis=1)
    return figures, {one.piece.name: float(value) for one, value in zip(clips.heard, own, strict=True)}


def wanted(one: Heard) -> dict[str, str]:
    """What is known that the judges should hear in a clip, by head."""
    fields = one.piece.fields
    found: dict[str, str] = {}
    if fields.get("genre") is not None:
        found["genre"] = str(fields["genre"])
    if isinstance(fields.get("drums"), bool):
        found["drums"] = DRUMS[fields["drums"]]
    if fields.get("lead_family") is not None:
        found["lead"] = str(fields["lead_family"])
    if fields.get("quality") is not None:
        found["quality"] = str(fields["quality"])
    return found


def judge_figures(generated: Collection, reference: Collection | None, judges: Judges, by: str) -> Iterator[Figure]:
    """Accuracy of each head where the attribute is known, beside their own on held-out clips; and quality.

    What the judges never learnt to hear is left out, with a warning.
    """
    held_out, coded = judges.card.get("held_out", {}), judges.card.get("held_out_reconstructed", {})
    for head in HEADS:
        asked = [(one.verdict[head], wanted(one)[head]) for one in generated.heard if head in wanted(one)]
        strange = sorted({name for _, name in asked} - set(judges.classes[head]))
        if strange:
            count = sum(name in strange for _, name in asked)
            listed = ", ".join(strange[:5]) + (", …" if len(strange) > 5 else "")
            warnings.warn(f"{count} clips ask for a {head} that the judges do not know: {listed}", stacklevel=2)
        hits = [heard == name for heard, name in asked if name not in strange]
        note = f"on a codec's reconstructions the judges are right in {coded[head]:.3f}" if head in coded else ""
        yield from mean_figure(
            "prompts",
            f"{head} as asked",
            hits,
            better="higher",
            by=by,
            beside=held_out.get(head),
            beside_what="judges on held-out clips" if head in held_out else "",
            note=note,
        )
    clean, real = ([one.verdict["quality"] == CLEAN for one in clips] for clips in _both(generated, reference))
    yield from mean_figure("quality", "judged clean", clean, better="higher", by=by, **_beside(real))


def tempo_figures(
    generated: Collection, reference: Collection | None, attribute: Literal["tempo", "tracked"], by: str
) -> Iterator[Figure]:
    """Tempo against the named one, where one is named; a clip with no tempo to hear is a miss.

    Beside it the same of a reference whose tempi are known: what this way of listening gives on real music.
    """
    mine, real = (
        [(float(heard), one.bpm) for one in clips if (heard := getattr(one, attribute)) is not None and one.bpm]
        for clips in _both(generated, reference)
    )
    for suffix, folded in (("", False), (", octaves folded", True)):
        met, theirs = (
            [math.isfinite(heard) and tempo_met(heard, bpm, folded=folded) for heard, bpm in pairs]
            for pairs in (mine, real)
        )
        yield from mean_figure("rhythm", f"tempo within 4 %{suffix}", met, better="higher", by=by, **_beside(theirs))
    for suffix, folded in (("", False), (", octaves folded", True)):
        errors, real_errors = (
            [100 * tempo_error(heard, bpm, folded=folded) for heard, bpm in pairs if math.isfinite(heard)]
            for pairs in (mine, real)
        )
        note = f"median {np.median(errors):.2f} %" if errors else ""
        yield from mean_figure(
            "rhythm", f"tempo error{suffix}", errors, better="lower", by=by, unit="%", note=note, **_beside(real_errors)
        )


def _both(generated: Collection, reference: Collection | None) -> tuple[Sequence[Heard], Sequence[Heard]]:
    return generated.heard, () if reference is None else reference.heard


def _beside(values: Sequence[float]) -> dict[str, object]:
    """The mean of a reference's values as what to compare with; nothing where there are none."""
    return {"beside": float(np.mean(values)), "beside_what": "reference"} if values else {}
