"""A folder of generated music to a `Report`: how good, how true to its prompts, how steady, and how new."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path

from musicldm import __version__
from musicldm.data.sources import Problem
from musicldm.errors import DataError
from musicldm.evaluation.compare import distance_figures, divergence_figures, novelty
from musicldm.evaluation.describe import sound_figures, stability_figures, variety_figures
from musicldm.evaluation.follow import judge_figures, tempo_figures, text_figures
from musicldm.evaluation.hearing import Heard, Listening, hear_all, opened, opened_judges
from musicldm.evaluation.metrics.similarity import nearest
from musicldm.evaluation.music import Piece, find_music, read_prompts
from musicldm.evaluation.report.figures import SECTIONS, Collection, Figure
from musicldm.evaluation.report.report import Closest, Report, about, clip_lines, versions
from musicldm.evaluation.training_set import nearest_in_index, open_training, training_blocks
from musicldm.listeners.embedders import Embedder
from musicldm.listeners.judges import judges_folder
from musicldm.machine.parallel import Engine
from musicldm.model.folder import DEFAULT
from musicldm.novelty.index import NoveltyIndex

AUTO, NONE = "auto", "none"
Progress = Callable[[str, int, int], None]


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
        seconds: of a longer clip its middle is heard.
        engine: who listens.
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
    engine: Engine = field(default_factory=lambda: Engine(workers=1))

    @property
    def listening(self) -> Listening:
        """What is heard in each clip."""
        judges = None if self.judges is None else str(judges_folder(self.judges))
        names = dict.fromkeys([*self.embedders, *([judges] if judges else [])])
        return Listening(tuple(names), judges, _tracker(self.beats), True, self.seconds, self.device)


def evaluate(options: Options, progress: Progress | None = None) -> Report:
    """Everything that can be said with what is given.

    Args:
        options: what is evaluated.
        progress: called with what is done, how much of it, and of how much.

    Raises:
        DataError: a folder without music, prompts that do not fit it, no clip that can be heard, or a novelty index
            that none of the embedders made.
        CheckpointError: an embedder, judges or tracker that cannot be loaded.
        MissingDependencyError: something needs a package that is not installed.
    """
    pieces = find_music(options.generated, None if options.prompts is None else read_prompts(options.prompts))
    others = None if options.reference is None else find_music(options.reference)
    # What cannot be used is said before hours of listening.
    index = None if options.training is None else open_training(options.training)
    listening = options.listening
    judges = None if options.judges is None else opened_judges(str(options.judges))
    embedders = {name: opened(name, listening.device) for name in listening.embedders}
    if index is not None:
        _check_index(index, embedders)
    with _noted() as notes:
        generated = _listen(options.generated, pieces, listening, options.engine, progress, "Listening")
        reference = None
        if options.reference is not None and others is not None:
            reference = _listen(options.reference, others, listening, options.engine, progress, "Reference")
        figures = _by_embedder(generated, reference, embedders)
        texts, scores = _by_text(generated, embedders)
        near, closest = _near(generated, reference, embedders, options, index, progress)
        figures += [*texts, *near, *_by_ear(generated, reference, options, listening)]
    return Report(
        created=datetime.now().astimezone().isoformat(timespec="seconds"),
        musicldm=__version__,
        generated=about(generated),
        reference=None if reference is None else about(reference),
        training=None if options.training is None else str(options.training),
        embedders=tuple(embedder.identity for embedder in embedders.values()),
        judges=None if judges is None else judges.card,
        beats=listening.beats,
        seconds=options.seconds,
        figures=tuple(sorted(figures, key=lambda figure: SECTIONS.index(figure.section))),
        warnings=tuple(notes),
        left_out=generated.problems + (() if reference is None else reference.problems),
        clips=clip_lines(generated, scores, closest),
        reference_sounds=() if reference is None else tuple(one.signal for one in reference.heard if one.signal),
        versions=versions(),
    )


@contextmanager
def _noted() -> Iterator[list[str]]:
    """Collects the warnings of this package, each once."""
    notes: list[str] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.filterwarnings("always", category=UserWarning)
        yield notes
    ours = [str(one.message) for one in caught if "musicldm" in Path(one.filename).parts]
    notes += dict.fromkeys(ours)


def _listen(
    folder: Path, pieces: Sequence[Piece], listening: Listening, engine: Engine, progress: Progress | None, what: str
) -> Collection:
    """The clips of a folder that can be heard.

    Raises:
        DataError: none of them can.
    """
    found = list(hear_all(pieces, listening, engine, None if progress is None else partial(progress, what)))
    heard = tuple(one for one in found if isinstance(one, Heard))
    problems = tuple(one for one in found if isinstance(one, Problem))
    if not heard:
        first = problems[0]
        raise DataError(
            f"{folder}: none of {len(found)} clips can be heard; {first.file} is {first.reason}: {first.detail}"
        )
    return Collection(folder, heard, problems)


def _check_index(index: NoveltyIndex, embedders: dict[str, Embedder]) -> None:
    """Raises DataError where none of the embedders made the index."""
    if not any(index.made_with(embedder) for embedder in embedders.values()):
        made = index.manifest["embedder"]
        given = ", ".join(f"{one.identity.name} ({one.identity.weights})" for one in embedders.values())
        raise DataError(
            f"the novelty index {index.folder} was made with {made['name']} ({made['weights']}), and the embedders are "
            f"{given}: give --embedder {made['opened_as']}, or build the index again"
        )


def _by_embedder(generated: Collection, reference: Collection | None, embedders: dict[str, Embedder]) -> list[Figure]:
    figures: list[Figure] = []
    for name, embedder in embedders.items():
        by = embedder.identity.name
        if reference is not None:
            figures += distance_figures(generated, reference, name, by)
        if embedder.classes is not None:
            if reference is not None:
                figures += divergence_figures(generated, reference, name, by)
            figures += variety_figures(generated, name, by)
    return figures


def _by_text(generated: Collection, embedders: dict[str, Embedder]) -> tuple[list[Figure], dict[str, float]]:
    """Figures of all embedders that read text, and the scores of the clips by the first of them."""
    figures: list[Figure] = []
    first: dict[str, float] = {}
    for name, embedder in embedders.items():
        if embedder.text is not None:
            found, scores = text_figures(generated, name, embedder.identity.name, embedder.text)
            figures, first = figures + found, first or scores
    if not generated.with_prompt().heard:
        warnings.warn("no clip has a known prompt: give --prompts", UserWarning, stacklevel=2)
    return figures, first


def _near(
    generated: Collection,
    reference: Collection | None,
    embedders: dict[str, Embedder],
    options: Options,
    index: NoveltyIndex | None,
    progress: Progress | None,
) -> tuple[list[Figure], tuple[Closest, ...]]:
    """Novelty in all embedders with a text tower (CLAPs), and the nearest training clips by the first of them.

    With an index, in the embedder that it was made with.
    """
    figures: list[Figure] = []
    first: tuple[Closest, ...] = ()
    usual = None if index is None else index.calibration
    for name, embedder in embedders.items():
        if options.training is None or embedder.text is None or not (index is None or index.made_with(embedder)):
            continue
        names: list[str] = []
        if index is not None:
            find = partial(nearest_in_index, index)
            names += [clip.name for clip in index.clips]
        else:
            heard = None if progress is None else partial(progress, "Training set")
            listening = Listening((name,), sound=False, seconds=options.seconds, device=options.device)
            blocks = training_blocks(options.training, embedder, listening, options.engine, names, heard)
            find = partial(nearest, training=blocks)
        found, near = novelty(generated, reference, find, name, embedder.identity.name, usual)
        figures += found
        pairs = zip(generated.heard, near.index, near.similarity, strict=True)
        first = first or tuple(Closest(one.piece.name, names[index], float(cosine)) for one, index, cosine in pairs)
    return figures, first


def _by_ear(
    generated: Collection, reference: Collection | None, options: Options, listening: Listening
) -> Iterator[Figure]:
    """What needs no embedder: judges' verdicts, tempo, beats and signal measures."""
    tempo_by = "librosa"
    if options.judges is not None:
        judges = opened_judges(str(options.judges))
        yield from judge_figures(generated, reference, judges, f"judges {options.judges.name}")
        tempo_by += ", genre by judges" if judges.card.get("tempi") else ""
    yield from tempo_figures(generated, reference, "tempo", tempo_by)
    if listening.beats is not None:
        by = f"beat tracker {listening.beats}"
        yield from tempo_figures(generated, reference, "tracked", by)
        yield from stability_figures(generated, reference, by)
    yield from sound_figures(generated, reference)


def _tracker(name: str) -> str | None:
    """The beat tracker that is used: none by "auto" where its packages are not installed."""
    if name == NONE:
        return None
    if name != AUTO:
        return name
    from musicldm.beats.network import DEFAULT as SHIPPED
    from musicldm.beats.network import missing_package

    return SHIPPED if missing_package() is None else None
