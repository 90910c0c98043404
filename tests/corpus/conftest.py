from pathlib import Path

import pytest

from musicldm.corpus.build import FONT_PACKAGES, FONT_PATHS
from musicldm.corpus.sound.soundfont import SoundFont


@pytest.fixture(scope="session")
def font_path() -> Path:
    found = [path for path in FONT_PATHS if path.is_file()]
    if not found:
        pytest.skip(f"needs a sound font: apt-get install {FONT_PACKAGES}")
    return found[0]


@pytest.fixture(scope="session")
def font(font_path: Path) -> SoundFont:
    return SoundFont(font_path)
