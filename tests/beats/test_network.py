"""Networks stored and loaded: our folder, and checkpoints as beat_this' trainer writes them."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any
from urllib.error import URLError

import pytest
import torch

from musicldm.beats import network as beat_network
from musicldm.beats.network import NetworkConfig, build_network, load_network, save_network
from musicldm.errors import CheckpointError, InvalidInputError, MissingDependencyError

pytest.importorskip("beat_this")
TINY = NetworkConfig(
    transformer_dim=32, ff_mult=1, n_layers=1, stem_dim=32, partial_transformers=True, chunk_frames=128, top_hz=7500.0
)
SPECTRUM = torch.linspace(0, 3, 20 * 128).reshape(1, 20, 128)


@pytest.fixture(scope="module")
def network() -> torch.nn.Module:
    torch.manual_seed(0)
    return build_network(TINY).eval()


def heard(network: torch.nn.Module) -> torch.Tensor:
    with torch.no_grad():
        return torch.cat(list(network(SPECTRUM).values()))


def published(network: torch.nn.Module, config: NetworkConfig) -> dict[str, Any]:
    """As Lightning stores it: the model under "model.", among hyper-parameters that are none of the model's."""
    sizes = {name: value for name, value in asdict(config).items() if name not in ("chunk_frames", "top_hz")}
    return {
        "hyper_parameters": {**sizes, "fps": 50, "lr": 1e-3, "dropout": {"frontend": 0.1, "transformer": 0.2}},
        "state_dict": {f"model.{name}": value for name, value in network.state_dict().items()},
    }


def test_a_stored_network_is_the_same_when_it_is_loaded(network: torch.nn.Module, tmp_path: Path) -> None:
    save_network(network, TINY, tmp_path / "beat_model")
    loaded, config = load_network(tmp_path / "beat_model")
    assert config == TINY
    assert not loaded.training
    assert torch.equal(heard(loaded), heard(network))


def test_a_checkpoint_of_beat_this_is_read_as_its_class_reads_it(network: torch.nn.Module, tmp_path: Path) -> None:
    torch.save(published(network, TINY), tmp_path / "a.ckpt")
    loaded, config = load_network(tmp_path / "a.ckpt")
    assert (config.chunk_frames, config.top_hz, config.stem_dim) == (1500, None, 32)
    assert torch.equal(heard(loaded), heard(network))


def test_a_short_name_is_fetched_once_and_from_where_beat_this_publishes(
    network: torch.nn.Module, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetched: list[str] = []

    def fetch(url: str, path: str, progress: bool) -> None:
        fetched.append(url)
        torch.save(published(network, TINY), path)

    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.setattr(torch.hub, "download_url_to_file", fetch)
    for _ in range(2):
        assert torch.equal(heard(load_network("small0")[0]), heard(network))
    assert fetched == ["https://cloud.cp.jku.at/public.php/dav/files/7ik4RrBKTS273gp/small0.ckpt"]


def test_a_failed_download_says_the_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(url: str, path: str, progress: bool) -> None:
        raise URLError("no route")

    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.setattr(torch.hub, "download_url_to_file", fail)
    with pytest.raises(CheckpointError, match=r"final0 cannot be fetched .*\(no route\): give the path of a \.ckpt"):
        load_network("final0")


def test_what_is_no_beat_model_is_refused(network: torch.nn.Module, tmp_path: Path, monkeypatch: Any) -> None:
    with pytest.raises(CheckpointError, match="no beat model 'nonsense'"):
        load_network("nonsense")
    with pytest.raises(CheckpointError, match="no beat model"):
        load_network(tmp_path)
    (tmp_path / "text.ckpt").write_text("words")
    with pytest.raises(CheckpointError, match=r"holds no weights: Weights only load failed$"):
        load_network(tmp_path / "text.ckpt")
    torch.save({"weights": 1}, tmp_path / "other.ckpt")
    with pytest.raises(CheckpointError, match="no checkpoint of beat_this"):
        load_network(tmp_path / "other.ckpt")
    wider = published(network, TINY)
    wider["hyper_parameters"]["transformer_dim"] = 64
    torch.save(wider, tmp_path / "wider.ckpt")
    with pytest.raises(CheckpointError, match="holds other weights than those of a BeatThis"):
        load_network(tmp_path / "wider.ckpt")
    monkeypatch.setattr(beat_network, "DEFAULT_FOLDER", tmp_path / "gone")
    with pytest.raises(CheckpointError, match="default beat model is not part of this installation"):
        load_network()


def test_a_folder_that_was_changed_is_refused(network: torch.nn.Module, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    save_network(network, TINY, folder)
    weights = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(weights[:-1] + bytes([weights[-1] ^ 1]))
    with pytest.raises(CheckpointError, match="corrupt or was changed"):
        load_network(folder)
    (folder / "SHA256SUMS").unlink()
    (folder / "model.safetensors").write_bytes(weights[:100])
    with pytest.raises(CheckpointError, match="holds no weights"):
        load_network(folder)
    (folder / "config.json").write_text(json.dumps({**asdict(TINY), "colour": "blue"}))
    with pytest.raises(CheckpointError, match="unknown keys colour"):
        load_network(folder)


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ({"spect_dim": 64}, "128 bins"),
        ({"n_layers": 0}, "at least 1"),
        ({"transformer_dim": 100}, "multiple of head_dim 32"),
        ({"stem_dim": 16}, "multiple of head_dim 32"),
        ({"chunk_frames": 12}, "above 100"),
    ],
)
def test_sizes_that_make_no_network_are_refused(sizes: dict[str, int], message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        NetworkConfig(**sizes)


def test_a_missing_package_for_beats_is_named_with_its_install_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("musicldm.beats.network.find_spec", lambda name: None if name == "beat_this" else True)
    with pytest.raises(MissingDependencyError, match="beat-this is not installed: pip install --no-deps beat-this"):
        build_network(TINY)
    monkeypatch.setattr("musicldm.beats.network.find_spec", lambda name: None)
    with pytest.raises(MissingDependencyError, match=r'einops is not installed: pip install "musicldm\[beats\]"'):
        build_network(TINY)
