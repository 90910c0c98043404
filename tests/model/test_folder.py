"""Model names to folders, and what is no MusicLDM."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from musicldm import CheckpointError
from musicldm.model import checksums
from musicldm.model import folder as resolve


@pytest.fixture
def model(tiny_model_dir: Path, tmp_path: Path) -> Path:
    """A copy of the tiny model that a test may break."""
    return Path(shutil.copytree(tiny_model_dir, tmp_path / "model"))


def edit_index(folder: Path, **changes: Any) -> None:
    path = folder / resolve.INDEX
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_a_whole_folder_is_found_by_its_path(model: Path) -> None:
    assert resolve.resolve(model) == model
    assert resolve.resolve(str(model)) == model


def test_the_default_model_is_the_one_in_the_package(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resolve, "DEFAULT_FOLDER", model)
    assert resolve.resolve("default") == model


def test_a_missing_default_model_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resolve, "DEFAULT_FOLDER", tmp_path / "default_model")
    with pytest.raises(CheckpointError, match=r"default model is not part of this installation.*name a model folder"):
        resolve.resolve("default")


def test_a_hub_id_is_fetched(model: Path) -> None:
    asked = []

    def download(name: str) -> Path:
        asked.append(name)
        return model

    assert resolve.resolve("ucsd-reach/musicldm", download=download) == model
    assert asked == ["ucsd-reach/musicldm"]


@pytest.mark.parametrize(
    "name", ["nowhere", "./no/where", "/no/where", "../nowhere", "a/b/c", "~/model", "", "owner/", "model\\folder/x"]
)
def test_what_is_neither_folder_nor_hub_id_names_the_choices(name: str) -> None:
    def download(name: str) -> Path:
        raise AssertionError(f"{name!r} was taken for a hub id")

    with pytest.raises(CheckpointError, match="choose 'default', an existing model folder, or a hub id owner/name"):
        resolve.resolve(name, download=download)


def test_a_folder_without_an_index_is_no_model(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"is not a MusicLDM: it has no model_index\.json"):
        resolve.resolve(tmp_path)


@pytest.mark.parametrize(("content", "message"), [("{", "not valid JSON"), ("3", "a JSON object is expected, not int")])
def test_a_broken_index_is_named(model: Path, content: str, message: str) -> None:
    (model / resolve.INDEX).write_text(content)
    with pytest.raises(CheckpointError, match=f"model_index.json: {message}"):
        resolve.resolve(model)


def test_another_pipelines_folder_is_refused_by_name(model: Path) -> None:
    edit_index(model, _class_name="StableDiffusionPipeline")
    with pytest.raises(CheckpointError, match=r"not a MusicLDM: its model_index\.json says 'StableDiffusionPipeline'"):
        resolve.resolve(model)


@pytest.mark.parametrize("component", resolve.COMPONENTS)
def test_a_part_that_the_index_does_not_name_is_an_error(model: Path, component: str) -> None:
    edit_index(model, **{component: [None, None]})
    with pytest.raises(CheckpointError, match=f"it names no {component}, and a MusicLDM needs one"):
        resolve.resolve(model)
    assert resolve.resolve(model, passed=frozenset([component])) == model


@pytest.mark.parametrize("component", resolve.COMPONENTS)
def test_a_part_without_its_configuration_is_an_error(model: Path, component: str) -> None:
    (model / component / resolve.COMPONENTS[component]).unlink()
    with pytest.raises(CheckpointError, match=rf"{component}.*\.json: the file is missing"):
        resolve.resolve(model)


@pytest.mark.parametrize("component", resolve.WEIGHTED)
def test_a_part_without_weights_is_an_error(model: Path, component: str) -> None:
    for weights in (model / component).glob("*.safetensors"):
        weights.unlink()
    with pytest.raises(CheckpointError, match=rf"{component}: no weights there"):
        resolve.resolve(model)


def test_changed_weights_are_found_and_can_be_meant(model: Path) -> None:
    checksums.write_sums(model)
    config = model / "vae" / "config.json"
    config.write_text(config.read_text() + " ")
    with pytest.raises(CheckpointError, match=r"config\.json: the file is corrupt or was changed"):
        resolve.resolve(model)
    assert resolve.resolve(model, verify=False) == model
