"""Settings in, finished takes out: what the command line, a page and an API call."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from musicldm.events import Listener, Note, Progress, warn_of_notes
from musicldm.generation.maker import Cancelled, Maker
from musicldm.generation.rerolls import Checker, remake
from musicldm.generation.settings import Settings
from musicldm.generation.tags import StoredTake
from musicldm.generation.takes import (
    Batch,
    FinishedTake,
    Row,
    Take,
    best_first,
    by_piece,
    finish,
    in_batches,
    levelled,
    make_rows,
)


@dataclass(frozen=True)
class GenerationRequest:
    """What is to be made, checked as far as that can be done without the model.

    Args:
        settings: see there.
        rows: the waves to make, those of a piece side by side.
        model_hash: of the model that made the file which is repeated; None where that does not matter.
    """

    settings: Settings
    rows: tuple[Row, ...]
    model_hash: str | None = None

    @classmethod
    def of(
        cls,
        prompts: Sequence[str],
        given: Mapping[str, Any],
        stored: StoredTake | None = None,
        kind: type[Settings] = Settings,
    ) -> Self:
        """From what somebody asks for.

        Args:
            prompts: texts, one a piece; none repeats the stored one.
            given: settings by name; what is None or missing is from the stored take, or the default.
            stored: the take that is repeated.
            kind: the declaration of the settings.

        Raises:
            InvalidInputError: no prompt, no such setting, or a value outside its range.
        """
        settings = kind.of(given, None if stored is None else stored.settings)
        rows = make_rows(prompts, settings.n, settings.seed, stored)
        same_model = given.get("model") is None and given.get("lora") is None
        return cls(settings, tuple(rows), stored.model_hash if stored is not None and same_model else None)


@dataclass(frozen=True)
class Loaded:
    """A model in memory and, where a limit is set, what compares music with the training set.

    Args:
        maker: batches to takes.
        checker: None without a limit.
    """

    maker: Maker
    checker: Checker | None

    @classmethod
    def of(cls, settings: Settings) -> Loaded:
        """Loads both.

        Raises:
            InvalidInputError: a device that this machine does not have.
            CheckpointError: the model or its LoRA cannot be loaded.
            DataError: no such novelty index, or a damaged one.
            MissingDependencyError: peft for a LoRA, or openvino, is not installed.
        """
        checker = Checker.open(settings)
        return cls(Maker(settings), checker)


def never() -> bool:
    """Never asks to stop."""
    return False


def generate(
    request: GenerationRequest,
    loaded: Loaded | None = None,
    *,
    listen: Listener = warn_of_notes,
    stop: Callable[[], bool] = never,
) -> Iterator[FinishedTake]:
    """Makes what is asked for; a piece's takes come as soon as all of them are made, best first.

    Args:
        request: what to make.
        loaded: a model that is in memory, for settings of the same kind (`Settings.loaded_like`); loaded here where
            None.
        listen: gets progress over all steps of the denoising, and notes.
        stop: asked between steps; once it is true there is no further take. Those that came before are finished.

    Raises:
        InvalidInputError: a preset or scheduler that the model does not have, or no finite sound at this precision.
        MusicLDMError: what `Loaded.of` raises.
    """
    if loaded is None:
        listen(Progress(0, 0, "Loading the model"))
        loaded = Loaded.of(request.settings)
    maker, settings = loaded.maker, request.settings
    settings.settled(maker.pipeline)
    model_hash, rate = maker.model_hash, maker.sample_rate
    if request.model_hash not in (None, model_hash):
        listen(Note("the model is not the one that made the file: the music will differ"))
    batches = in_batches(request.rows, maker.waves_at_once(len(request.rows), settings))
    make = _Making(maker, settings, len(batches), listen, stop)
    try:
        for takes in by_piece(batches, make):
            yield from finish(_checked(takes, make, loaded.checker, listen), model_hash, rate)
    except Cancelled:
        return


def _checked(takes: list[Take], make: _Making, checker: Checker | None, listen: Listener) -> list[Take]:
    """The takes of a prompt, those that are too close to the training set made again."""
    if checker is None:
        return best_first(takes)
    rate = make.maker.sample_rate
    return remake(takes, make, lambda take: checker(levelled(take, rate), rate), checker, listen)


class _Making:
    """Batches to takes; tells how far all of them are, and stops when it is asked to."""

    def __init__(
        self, maker: Maker, settings: Settings, calls: int, listen: Listener, stop: Callable[[], bool]
    ) -> None:
        self.maker, self._settings, self._calls, self._listen, self._stop = maker, settings, calls, listen, stop
        self._done = 0
        listen(Progress(0, 0, "Making music"))

    def __call__(self, batch: Batch) -> list[Take]:
        if self._stop():
            raise Cancelled
        return self.maker.make(batch, self._settings, self._after_step, self._listen)

    def _after_step(self, steps_of_call: int) -> bool:
        self._done += 1
        # What is made again was not counted.
        total = max(self._done, self._calls * steps_of_call)
        self._listen(Progress(self._done, total, "Making music"))
        return not self._stop()
