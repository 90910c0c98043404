"""What the tests share."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

# Tests import helpers as tests.tiny_model, wherever pytest is started.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))


@pytest.fixture(scope="session", autouse=True)
def own_caches(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Tests neither read nor write what the user's programs keep."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("caches")))
        yield


@pytest.fixture(scope="session")
def tiny_model_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A MusicLDM folder of the real classes at tiny size (16 kHz, random weights); read it, never change it."""
    from tests.tiny_model import build_tiny_model

    return build_tiny_model(tmp_path_factory.mktemp("tiny") / "model")


@pytest.fixture(scope="session")
def judges_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Untrained judges with a card; read it, never change it."""
    import torch

    from musicldm.audio.mel import MelSpec
    from musicldm.listeners.judges import DRUMS, Judges, build_net

    classes = {"genre": ("ambient", "techno"), "drums": DRUMS, "lead": ("flute", "none"), "quality": ("clean", "noisy")}
    folder = tmp_path_factory.mktemp("judges") / "some"
    torch.manual_seed(0)
    card = {"held_out": {"genre": 0.9, "drums": 0.8, "lead": 0.7, "quality": 0.6}, "clips": {"train": 12}}
    Judges(build_net(classes, (8, 8), MelSpec()), classes, (8, 8), MelSpec(), card).save(folder)
    return folder
