from pathlib import Path

import pytest

from musicldm.corpus.rendering import SoundFont
from musicldm.corpus.soundfonts import find_soundfonts
from musicldm.errors import DataError


@pytest.fixture(scope="session")
def font_path() -> Path:
    try:
        return find_soundfonts()[-1]  # the .sf2 loads faster than the compressed .sf3
    except DataError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def font(font_path: Path) -> SoundFont:
    return SoundFont(font_path)
