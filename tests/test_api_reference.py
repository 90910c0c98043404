"""docs/api.md says what the sources say, and leaves out nothing that the package itself calls public."""

from __future__ import annotations

import ast
import runpy
from pathlib import Path
from typing import Any

import pytest

import musicldm

SCRIPT = Path(__file__).resolve().parent.parent / "scripts" / "make_api_reference.py"


@pytest.fixture(scope="module")
def script() -> dict[str, Any]:
    return runpy.run_path(str(SCRIPT))


def test_the_reference_in_docs_is_that_of_the_sources(script: dict[str, Any]) -> None:
    kept = script["OUT"].read_text(encoding="utf-8")
    assert kept == script["reference"](), "run: python scripts/make_api_reference.py"


def test_all_public_names_of_the_package_are_in_the_reference(script: dict[str, Any]) -> None:
    shown = {name for names in script["PUBLIC"].values() for name in names.split()}
    assert set(musicldm.__all__) - {"__version__"} <= shown


def test_a_signature_is_read_whole(script: dict[str, Any]) -> None:
    source = "def f(self, a: dict[str, int] = {}, *, b: str = 'x, y') -> None: ..."
    found = script["signature"](ast.parse(source).body[0], "def f")
    assert found == "def f(a: dict[str, int] = {}, *, b: str = 'x, y') -> None"


def test_sections_of_a_docstring_become_lists_and_the_rest_stays(script: dict[str, Any]) -> None:
    docstring = (
        "Does it.\n\nArgs:\n    one, two: first\n        and more.\n\nRaises:\n    KeyError: no.\n\nLast words: kept."
    )
    expected = "Does it.\n\n**Args**\n\n- `one, two`: first\n  and more.\n\n**Raises**\n\n- `KeyError`: no.\n\n"
    assert "\n".join(script["text_of"](docstring)) == expected + "Last words: kept.\n"


def test_a_public_name_that_is_gone_is_an_error(script: dict[str, Any]) -> None:
    with pytest.raises(LookupError, match="no gone here"):
        script["entry"]([], "gone")
