"""Whether clips are what their prompts ask for: by an embedder of texts and sounds (CLAP), and by judges."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from musicldm.evaluation.collection import Collection
from musicldm.evaluation.features import ClipFeatures
from musicldm.evaluation.figures.figure import Baseline, Figure, mean_figure
from musicldm.evaluation.metrics.clap_score import clap_score
from musicldm.evaluation.metrics.retrieval import retrieval
from musicldm.events import Note
from musicldm.listeners.embedders import Floats
from musicldm.listeners.judges import DRUMS, HEADS, Judges

_LISTED = 5


@dataclass(frozen=True)
class TextResult:
    """Figures of one embedder, and its score of each clip by the clip's name."""

    figures: tuple[Figure | Note, ...] = ()
    scores: tuple[tuple[str, float], ...] = ()


def text_figures(generated: Collection, embedder: str, by: str, text: Callable[[Sequence[str]], Floats]) -> TextResult:
    """CLAP score and retrieval in one embedder; nothing without prompts.

    Args:
        generated: the clips.
        embedder: name under which their embeddings are kept.
        by: who that is.
        text: texts to embeddings (n, D) in the same space.
    """
    clips = generated.with_prompt()
    if not clips.clips:
        return TextResult()
    prompts = [str(clip.piece.prompt) for clip in clips.clips]
    different = sorted(set(prompts))
    numbers = {prompt: number for number, prompt in enumerate(different)}
    right = [numbers[prompt] for prompt in prompts]
    texts, sounds = text(different), clips.embeddings(embedder)
    figures = [_score_figure(texts[right], sounds, by), *_retrieval_figures(texts, sounds, right, by)]
    own = (texts[right] * sounds).sum(axis=1)
    names = [clip.piece.name for clip in clips.clips]
    return TextResult(tuple(figures), tuple(zip(names, own.tolist(), strict=True)))


def _score_figure(texts: Floats, sounds: Floats, by: str) -> Figure:
    score = clap_score(texts, sounds)
    beside = (None, "") if score.others is None else (score.others.mean, "other prompts")
    return Figure("prompts", "CLAP score", score.own, "higher", by, "", *beside)


def _retrieval_figures(texts: Floats, sounds: Floats, right: Sequence[int], by: str) -> Iterator[Figure | Note]:
    """Of at least two different prompts."""
    if len(texts) < 2:
        return
    result = retrieval(sounds, texts, right)
    yield from map(Note, result.notes)
    for depth, share in result.recall.items():
        yield Figure("prompts", f"R@{depth}", share, "higher", by, "", depth / result.prompts, "chance")
    chance = (result.prompts + 1) / 2
    yield Figure("prompts", "median rank", result.median_rank, "lower", by, "", chance, "chance")


def asked_classes(clip: ClipFeatures) -> dict[str, str]:
    """The classes that are known to be asked for in a clip, by head of the judges."""
    fields = clip.piece.fields
    keys = {"genre": "genre", "lead": "lead_family", "quality": "quality"}
    asked = {head: str(fields[key]) for head, key in keys.items() if fields.get(key) is not None}
    if isinstance(fields.get("drums"), bool):
        asked["drums"] = DRUMS[fields["drums"]]
    return asked


def judge_figures(generated: Collection, judges: Judges, by: str) -> Iterator[Figure | Note]:
    """Accuracy of each head where the attribute is known, beside the judges' own on held-out clips.

    Classes that the judges do not know are left out, with a note.
    """
    held_out, coded = judges.card.get("held_out", {}), judges.card.get("held_out_reconstructed", {})
    for head in HEADS:
        pairs = [(clip.verdict[head], asked_classes(clip).get(head)) for clip in generated.clips]
        unknown = [name for _, name in pairs if name is not None and name not in judges.classes[head]]
        if unknown:
            names = sorted(set(unknown))
            listed = ", ".join(names[:_LISTED]) + (", …" if len(names) > _LISTED else "")
            yield Note(f"{len(unknown)} clips ask for a {head} that the judges do not know: {listed}")
        hits = [verdict == name for verdict, name in pairs if name in judges.classes[head]]
        beside = Baseline(held_out[head], "judges on held-out clips") if head in held_out else Baseline()
        note = f"on a codec's reconstructions the judges are right in {coded[head]:.3f}" if head in coded else ""
        yield from mean_figure("prompts", f"{head} as asked", hits, beside, better="higher", by=by, note=note)
