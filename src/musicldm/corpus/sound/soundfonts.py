"""The sound fonts of the machine: MIT-licensed ones by name, in the places where systems keep such files."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from musicldm.errors import DataError

FONT_NAMES = ("FluidR3_GM.sf2", "MuseScore_General_Full.sf2", "FluidR3Mono_GM.sf3")
_PACKAGES = "fluid-soundfont-gm musescore-general-soundfont-lossless fluidr3mono-gm-soundfont"
_DEBIAN = Path("/etc/debian_version")


def font_folders() -> tuple[Path, ...]:
    """Where sound fonts are on this system, the user's own places last."""
    if sys.platform == "win32":
        program_data, own = os.environ.get("PROGRAMDATA"), os.environ.get("LOCALAPPDATA")
        bases = [Path(base) / "soundfonts" for base in (program_data, own) if base]
        return (Path("C:/soundfonts"), *bases)
    shares = [Path(base) / "share" for base in ("/usr", "/usr/local", "/opt/homebrew", "/opt/local")]
    folders = [share / below for share in shares for below in ("sounds/sf3", "sounds/sf2", "soundfonts")]
    home = Path(os.path.expanduser("~"))  # noqa: PTH111 - stays as it is where there is no home
    if sys.platform == "darwin":
        banks = "Library/Audio/Sounds/Banks"
        return (*folders, Path("/") / banks, home / banks)
    return (*folders, Path(os.environ.get("XDG_DATA_HOME") or home / ".local/share") / "soundfonts")


def find_soundfonts() -> tuple[Path, ...]:
    """The MIT-licensed fonts that are on this machine, each where it is found first.

    Raises:
        DataError: there is none; the message says what to do on this system.
    """
    places = [[folder / name for folder in font_folders()] for name in FONT_NAMES]
    found = tuple(path for paths in places if (path := next(filter(Path.is_file, paths), None)) is not None)
    if not found:
        raise DataError(f"no sound font found: {_cure()}, or name an .sf2 or .sf3 file")
    return found


def _cure() -> str:
    if sys.platform == "linux" and _DEBIAN.exists():
        return f"apt-get install {_PACKAGES}"
    return f"put {FONT_NAMES[0]} (MIT) into {font_folders()[-1]}"
