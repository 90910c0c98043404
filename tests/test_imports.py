"""Imports go downward only (docs/architecture.md), and `import musicldm` stays light: both from the source files."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parent.parent / "src" / "musicldm"

ALLOWED = {
    "errors": set(),
    "audio": {"errors"},
    "checkpoints": {"errors", "audio"},
    "model": {"errors"},
    "sampling": {"errors", "audio", "checkpoints"},
    "pipeline": {"errors", "audio", "checkpoints", "sampling"},
    "corpus": {"errors", "audio"},
    "data": {"errors", "audio", "checkpoints"},
    "training": {"errors", "audio", "checkpoints", "model", "sampling", "data", "pipeline"},
    "evaluation": {"errors", "audio", "checkpoints", "sampling", "data", "pipeline"},
}
"""What each part may import besides itself; cli and the package's own names may import everything."""

FREE = {"__init__", "__main__", "cli"}
HEAVY = {"torch", "transformers", "diffusers", "numpy", "scipy", "soundfile", "librosa", "accelerate"}


def part_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def module_of(path: Path) -> str:
    parts = ("musicldm", *path.relative_to(PACKAGE).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported_modules(path: Path, tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Line and full name of all that a file imports anywhere in it, names taken from the package resolved."""
    package = module_of(path) if path.name == "__init__.py" else module_of(path).rpartition(".")[0]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            yield from ((node.lineno, f"{module}.{alias.name}") for alias in node.names)


def upward_imports(path: Path, source: str) -> list[str]:
    part = part_of(path)
    if part in FREE:
        return []
    found = []
    for line, name in imported_modules(path, ast.parse(source)):
        steps = name.split(".")
        if steps[0] != "musicldm":
            continue
        target = steps[1] if len(steps) > 1 else "__init__"
        if target not in {part, "__version__"} | ALLOWED.get(part, set()):
            found.append(f"{path.name}:{line}: {part} imports {name}")
    return found


def sources() -> list[Path]:
    return sorted(path for path in PACKAGE.rglob("*.py") if part_of(path) not in {"default_model", "__pycache__"})


def test_every_part_of_the_package_has_a_rule() -> None:
    assert {part_of(path) for path in sources()} - FREE <= set(ALLOWED)


def test_no_part_imports_upward() -> None:
    assert [line for path in sources() for line in upward_imports(path, path.read_text(encoding="utf-8"))] == []


@pytest.mark.parametrize(
    ("file", "source"),
    [
        ("training/loop.py", "from musicldm.evaluation import judges"),
        ("evaluation/shares.py", "def late():\n    import musicldm.training.loop"),
        ("data/clips.py", "from musicldm import pipeline"),
        ("corpus/build.py", "from ..data import clips"),
        ("sampling/noise.py", "from musicldm import MusicLDMPipeline"),
        ("errors.py", "from . import audio"),
    ],
)
def test_the_rule_finds_an_upward_import_in_every_form(file: str, source: str) -> None:
    assert len(upward_imports(PACKAGE / file, source)) == 1


@pytest.mark.parametrize(
    ("file", "source"),
    [
        ("training/loop.py", "from musicldm.data.clips import ClipStore"),
        ("sampling/noise.py", "from .geometry import AudioGeometry"),
        ("audio.py", "from musicldm import __version__"),
        ("cli/generate.py", "import musicldm.training.loop"),
    ],
)
def test_the_rule_lets_downward_imports_pass(file: str, source: str) -> None:
    assert upward_imports(PACKAGE / file, source) == []


def test_importing_the_package_loads_nothing_heavy() -> None:
    program = "import sys, musicldm; print(*{name.partition('.')[0] for name in sys.modules})"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    assert HEAVY & set(loaded) == set()


def test_every_public_name_is_there() -> None:
    import musicldm

    assert [name for name in musicldm.__all__ if not hasattr(musicldm, name)] == []
    assert musicldm.MusicLDMPipeline.__module__ == "musicldm.pipeline"


def test_an_unknown_name_is_an_attribute_error() -> None:
    import musicldm

    with pytest.raises(AttributeError, match="no attribute 'MusicGDM'"):
        musicldm.MusicGDM  # noqa: B018
