"""What the tests share."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

# Tests import helpers as tests.tiny_model, wherever pytest is started.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))


@pytest.fixture(scope="session")
def tiny_model_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A MusicLDM folder of the real classes at tiny size (16 kHz, random weights); read it, never change it."""
    from tests.tiny_model import build_tiny_model

    return build_tiny_model(tmp_path_factory.mktemp("tiny") / "model")
