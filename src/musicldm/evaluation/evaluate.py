"""A folder of generated music to a report: how good, how true to its prompts, how steady, and how new."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path

from musicldm import __version__
from musicldm.data.sources import Problem
from musicldm.errors import DataError
from musicldm.evaluation.clips import Piece, find_music
from musicldm.evaluation.collection import Collection
from musicldm.evaluation.features import ClipFeatures, FeatureOptions, embedder_of, extract_all, judges_of
from musicldm.evaluation.figures.figure import SECTIONS, Figure
from musicldm.evaluation.figures.novelty import nearest_of_both, percentile_figures, similarity_figures
from musicldm.evaluation.figures.prompts import judge_figures, text_figures
from musicldm.evaluation.figures.quality import clean_figure, embedder_figures
from musicldm.evaluation.figures.rhythm import stability_figures, tempo_figures
from musicldm.evaluation.figures.sound import sound_figures
from musicldm.evaluation.metrics.similarity import Nearest, nearest
from musicldm.evaluation.prompts import read_clip_prompts
from musicldm.evaluation.report.content import Closest, EvaluationReport, clip_lines, summary_of, versions
from musicldm.evaluation.training_set import nearest_in_index, open_training, training_blocks
from musicldm.events import Event, Listener, Note, ignore
from musicldm.listeners.embedders import Embedder, Floats
from musicldm.listeners.judges import Judges, judges_folder
from musicldm.machine.parallel import WorkerPool
from musicldm.model.folder import DEFAULT
from musicldm.novelty.index import NoveltyIndex

AUTO, NONE = "auto", "none"


@dataclass(frozen=True)
class Options:
    """What is evaluated, against what, and by whom.

    Args:
        generated: folder of audio, a corpus or a prepared folder.
        reference: the same of real music, for distances; None for none.
        training: what the model was trained on, for novelty: audio, prepared data, or a novelty index of it, "default"
            for that of the model that ships; None for none.
        prompts: file of prompts; None takes those in the folder and in its files.
        judges: folder of judges, or "default" for those that ship, which are an embedder too; None for none.
        embedders: names for `open_embedder`.
        beats: beat tracker's name; "auto" is the one that ships, where it is there; "none" is none.
        device: for the networks.
        seconds: of a longer clip only the middle is used.
        pool: where the work is done.
    """

    generated: Path
    reference: Path | None = None
    training: Path | None = None
    prompts: Path | None = None
    judges: Path | None = None
    embedders: tuple[str, ...] = (DEFAULT,)
    beats: str = AUTO
    device: str = AUTO
    seconds: float = 30.0
    pool: WorkerPool = field(default_factory=lambda: WorkerPool(workers=1))

    @property
    def features(self) -> FeatureOptions:
        """What is extracted from each clip."""
        judges = None if self.judges is None else str(judges_folder(self.judges))
        names = dict.fromkeys([*self.embedders, *([judges] if judges else [])])
        return FeatureOptions(tuple(names), judges, _beat_tracker(self.beats), True, self.seconds, self.device)


@dataclass(frozen=True)
class _Sources:
    """All that an evaluation needs, opened: what cannot be used is an error before hours of work."""

    pieces: Sequence[Piece]
    reference: Sequence[Piece]
    index: NoveltyIndex | None
    judges: Judges | None
    embedders: dict[str, Embedder]


@dataclass(frozen=True)
class _Results:
    """Figures and notes in order, and what is known of single clips."""

    figures: tuple[Figure | Note, ...]
    scores: dict[str, float] = field(default_factory=dict)
    closest: tuple[Closest, ...] = ()


def evaluate(options: Options, listen: Listener = ignore) -> EvaluationReport:
    """Everything that can be said with what is given.

    Args:
        options: what is evaluated.
        listen: gets progress. What makes a figure weak is part of the report.

    Raises:
        DataError: a folder without music, prompts that do not fit it, no clip that can be used, or a novelty index
            that none of the embedders made.
        CheckpointError: an embedder, judges or tracker that cannot be loaded.
        MissingDependencyError: something needs a package that is not installed.
    """
    sources = _open(options)
    generated = _collect(options.generated, sources.pieces, options, listen, "Listening")
    reference = None
    if options.reference is not None:
        reference = _collect(options.reference, sources.reference, options, listen, "Reference")
    texts = _text_results(generated, sources.embedders)
    near = _novelty_results(generated, reference, sources, options, listen)
    results = [
        *embedder_figures(generated, reference, sources.embedders),
        *texts.figures,
        *near.figures,
        *_other_figures(generated, reference, options, sources.judges),
    ]
    return _report(options, sources, (generated, reference), results, texts.scores, near.closest)


def _open(options: Options) -> _Sources:
    """Raises what `evaluate` raises of things that cannot be used."""
    prompts = None if options.prompts is None else read_clip_prompts(options.prompts)
    pieces = find_music(options.generated, prompts)
    reference = [] if options.reference is None else find_music(options.reference)
    index = None if options.training is None else open_training(options.training)
    features = options.features
    judges = None if options.judges is None else judges_of(str(options.judges))
    embedders = {name: embedder_of(name, features.device) for name in features.embedders}
    if index is not None:
        _check_index(index, embedders)
    return _Sources(pieces, reference, index, judges, embedders)


def _check_index(index: NoveltyIndex, embedders: dict[str, Embedder]) -> None:
    """Raises DataError where none of the embedders made the index."""
    if not any(index.made_with(embedder) for embedder in embedders.values()):
        made = index.manifest["embedder"]
        given = ", ".join(f"{each.identity.name} ({each.identity.weights})" for each in embedders.values())
        raise DataError(
            f"the novelty index {index.folder} was made with {made['name']} ({made['weights']}), and the embedders are "
            f"{given}: give --embedder {made['opened_as']}, or build the index again"
        )


def _collect(folder: Path, pieces: Sequence[Piece], options: Options, listen: Listener, what: str) -> Collection:
    """The clips of a folder that can be used.

    Raises:
        DataError: none of them can.
    """
    results = list(extract_all(pieces, options.features, options.pool, listen, what))
    clips = tuple(result for result in results if isinstance(result, ClipFeatures))
    problems = tuple(result for result in results if isinstance(result, Problem))
    if not clips:
        first = problems[0]
        raise DataError(
            f"{folder}: none of {len(results)} clips can be heard; {first.file} is {first.reason}: {first.detail}"
        )
    return Collection(folder, clips, problems)


def _text_results(generated: Collection, embedders: dict[str, Embedder]) -> _Results:
    """Figures of all embedders that read text, and the scores of the clips by the first of them."""
    figures: list[Figure | Note] = []
    scores: dict[str, float] = {}
    for name, embedder in embedders.items():
        if embedder.text is not None:
            notes: list[Note] = []
            read = partial(embedder.text, listen=partial(_keep_notes, notes))
            result = text_figures(generated, name, embedder.identity.name, read)
            figures += [*notes, *result.figures]
            scores = scores or dict(result.scores)
    if not generated.with_prompt().clips:
        figures.append(Note("no clip has a known prompt: give --prompts"))
    return _Results(tuple(figures), scores)


def _keep_notes(notes: list[Note], event: Event) -> None:
    if isinstance(event, Note):
        notes.append(event)


def _novelty_results(
    generated: Collection, reference: Collection | None, sources: _Sources, options: Options, listen: Listener
) -> _Results:
    """Novelty in all embedders with a text tower (CLAPs), and the nearest training clips by the first of them.

    With an index, in the embedder that it was made with.
    """
    figures: list[Figure] = []
    closest: tuple[Closest, ...] = ()
    index = sources.index
    for name, embedder in sources.embedders.items():
        if options.training is None or embedder.text is None or not (index is None or index.made_with(embedder)):
            continue
        names: list[str] = []
        search = _search(options, index, name, embedder, names, listen)
        near, real = nearest_of_both(generated, reference, search, name)
        figures += similarity_figures(near, real, embedder.identity.name)
        if index is not None:
            figures += percentile_figures(near, real, index.calibration, embedder.identity.name)
        pairs = zip(generated.clips, near.index, near.similarity, strict=True)
        closest = closest or tuple(Closest(clip.piece.name, names[at], float(cosine)) for clip, at, cosine in pairs)
    return _Results(tuple(figures), closest=closest)


def _search(
    options: Options, index: NoveltyIndex | None, name: str, embedder: Embedder, names: list[str], listen: Listener
) -> Callable[[Floats], Nearest]:
    """From unit embeddings to the nearest training clips; `names` gets those of the training clips by their number."""
    if index is not None:
        names += [clip.name for clip in index.clips]
        return partial(nearest_in_index, index)
    assert options.training is not None
    features = FeatureOptions((name,), sound=False, seconds=options.seconds, device=options.device)
    blocks = training_blocks(options.training, embedder, features, options.pool, names, listen)
    return partial(nearest, training=blocks)


def _other_figures(
    generated: Collection, reference: Collection | None, options: Options, judges: Judges | None
) -> Iterator[Figure | Note]:
    """What needs no embedder: judges' verdicts, tempo, beats and signal measures."""
    tempo_by = "librosa"
    if judges is not None and options.judges is not None:
        by = f"judges {options.judges.name}"
        yield from judge_figures(generated, judges, by)
        yield from clean_figure(generated, reference, by)
        tempo_by += ", genre by judges" if judges.card.get("tempi") else ""
    yield from tempo_figures(generated, reference, "tempo", tempo_by)
    beats = options.features.beats
    if beats is not None:
        by = f"beat tracker {beats}"
        yield from tempo_figures(generated, reference, "tracked", by)
        yield from stability_figures(generated, reference, by)
    yield from sound_figures(generated, reference)


def _report(
    options: Options,
    sources: _Sources,
    collections: tuple[Collection, Collection | None],
    results: Sequence[Figure | Note],
    scores: dict[str, float],
    closest: tuple[Closest, ...],
) -> EvaluationReport:
    generated, reference = collections
    figures = [result for result in results if isinstance(result, Figure)]
    notes = dict.fromkeys(result.text for result in results if isinstance(result, Note))
    return EvaluationReport(
        created=datetime.now().astimezone().isoformat(timespec="seconds"),
        musicldm=__version__,
        generated=summary_of(generated),
        reference=None if reference is None else summary_of(reference),
        training=None if options.training is None else str(options.training),
        embedders=tuple(embedder.identity for embedder in sources.embedders.values()),
        judges=None if sources.judges is None else sources.judges.card,
        beats=options.features.beats,
        seconds=options.seconds,
        figures=tuple(sorted(figures, key=lambda figure: SECTIONS.index(figure.section))),
        warnings=tuple(notes),
        left_out=generated.problems + (() if reference is None else reference.problems),
        clips=clip_lines(generated, scores, closest),
        reference_sounds=() if reference is None else tuple(clip.signal for clip in reference.clips if clip.signal),
        versions=versions(),
    )


def _beat_tracker(name: str) -> str | None:
    """The beat tracker that is used: none by "auto" where its packages are not installed."""
    if name == NONE:
        return None
    if name != AUTO:
        return name
    from musicldm.beats.network import DEFAULT as SHIPPED
    from musicldm.beats.network import missing_package

    return SHIPPED if missing_package() is None else None
