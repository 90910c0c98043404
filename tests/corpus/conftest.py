from pathlib import Path

import pytest

from musicldm.corpus.sound.soundfont import SoundFont
from musicldm.corpus.sound.soundfonts import find_soundfonts
from musicldm.errors import DataError


@pytest.fixture(scope="session")
def font_path() -> Path:
    try:
        return find_soundfonts()[0]  # an .sf2 loads faster than a compressed .sf3
    except DataError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def font(font_path: Path) -> SoundFont:
    return SoundFont(font_path)
