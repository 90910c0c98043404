"""What a task is made from: prepared data, a recipe, and the model folders that it starts from or builds on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, TypeVar

import torch

from musicldm.data.store import ClipStore
from musicldm.errors import InvalidInputError, unknown_choice
from musicldm.events import Listener, ignore
from musicldm.model.mels import ModelMels
from musicldm.model.parts import load_part

HELD_OUT_SHARE = 0.02
HELD_OUT_MOST = 128

Recipe = TypeVar("Recipe")


@dataclass(frozen=True)
class Setup:
    """What a task is made from.

    Args:
        store: the prepared data.
        recipe: by name.
        changes: settings in which this run differs from it.
        init: model folder to start the weights from, instead of random ones.
        model: model folder whose other parts the training needs (the VAE and CLAP for ldm; the VAE for vocoder and
            decoder).
        device: that it trains on.
        listen: gets progress of what is prepared first, and notes.
    """

    store: ClipStore
    recipe: str = "default"
    changes: Mapping[str, Any] = field(default_factory=dict)
    init: Path | None = None
    model: Path | None = None
    device: torch.device = torch.device("cpu")  # noqa: RUF009 - immutable
    listen: Listener = ignore

    def recipe_of(self, recipes: Mapping[str, Recipe]) -> Recipe:
        """The recipe among those of a part, with the changes.

        Raises:
            InvalidInputError: an unknown name, or a setting that the part's recipes do not have.
        """
        if self.recipe not in recipes:
            raise unknown_choice("recipe", self.recipe, recipes)
        recipe: Any = recipes[self.recipe]
        known = [setting.name for setting in fields(recipe)]
        for name in self.changes:
            if name not in known:
                raise unknown_choice("setting", name, known)
        changed: Recipe = replace(recipe, **self.changes)
        return changed

    def check_mels(self) -> None:
        """Nothing where the data have the log-mels of both models.

        Raises:
            InvalidInputError: they have others.
        """
        for folder in (self.init, self.model):
            if folder is not None:
                ModelMels.of_folder(folder).check(self.store.spec)

    def load_init(self, kind: Any, part: str) -> Any:
        """A part of `init`; None where no folder is given. Raises CheckpointError where it is not there."""
        return None if self.init is None else load_part(kind, self.init, part)

    def load_model(self, kind: Any, part: str) -> Any:
        """A part of `model`, likewise."""
        return None if self.model is None else load_part(kind, self.model, part)


def split(store: ClipStore, share: float = HELD_OUT_SHARE, most: int = HELD_OUT_MOST) -> tuple[ClipStore, ClipStore]:
    """The clips to train on, and those to validate with: the last `share` of them, at least one and at most `most`."""
    count = held_out_count(len(store), share, most)
    return store.part(slice(0, len(store) - count)), store.part(slice(len(store) - count, len(store)))


def held_out_count(clips: int, share: float = HELD_OUT_SHARE, most: int = HELD_OUT_MOST) -> int:
    """How many of all clips are held out.

    Raises:
        InvalidInputError: one clip alone, which cannot be split.
    """
    if clips < 2:
        raise InvalidInputError(f"there is {clips} clip: at least 2 are needed, one of them held out")
    return max(1, min(most, round(clips * share)))


def check_bins(wanted: int | None, store: ClipStore) -> None:
    """Nothing where a recipe takes any log-mels, or those of the data.

    Raises:
        InvalidInputError: it is for another number of mel bins.
    """
    if wanted is not None and wanted != store.spec.n_mels:
        raise InvalidInputError(
            f"this recipe is for {wanted} mel bins, and {store.folder} has {store.spec.n_mels}: "
            f"prepare with --mel-bins {wanted}, or choose another recipe"
        )
