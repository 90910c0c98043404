"""Rows of a UNet at once: pieces equal the whole, and the fastest size is found and remembered."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from musicldm import MusicLDMPipeline
from musicldm.sampling.speed import batching
from musicldm.sampling.speed.batching import InPieces, RememberedRows, fastest_rows
from musicldm.sampling.speed.feature_cache import DeepFeatures
from musicldm.sampling.torch_unet import TorchUnet
from tests.tolerances import LAYERS_OF_UNET, TERMS, layers

pytestmark = pytest.mark.numeric


@pytest.fixture(scope="module")
def unet(tiny_model_dir: Path) -> Any:
    return MusicLDMPipeline.from_pretrained(tiny_model_dir).unet


def rounding(result: torch.Tensor, passes: int = 1) -> float:
    return layers(LAYERS_OF_UNET * passes, TERMS, float(result.abs().max()))


def rows_of(unet: Any, count: int, seed: int = 0) -> dict[str, Any]:
    draw = torch.Generator().manual_seed(seed)
    width = unet.config.projection_class_embeddings_input_dim
    return {
        "sample": torch.randn(count, 8, 16, 16, generator=draw),
        "timestep": torch.tensor(500),
        "class_labels": torch.randn(count, width, generator=draw),
    }


@pytest.mark.parametrize(("count", "limit", "sizes"), [(5, 2, [2, 2, 1]), (6, 4, [3, 3]), (4, 4, [4]), (5, 4, [3, 2])])
@torch.no_grad()
def test_pieces_are_the_whole_and_none_is_larger_than_the_limit(
    unet: Any, count: int, limit: int, sizes: list[int]
) -> None:
    seen: list[int] = []
    handle = unet.conv_in.register_forward_pre_hook(lambda _, arguments: seen.append(len(arguments[0])))
    made = InPieces(TorchUnet(unet), limit)(**rows_of(unet, count))
    handle.remove()
    assert seen == sizes
    expected = TorchUnet(unet)(**rows_of(unet, count))
    torch.testing.assert_close(made, expected, rtol=0, atol=rounding(expected))


@torch.no_grad()
def test_deep_features_are_reused_row_by_row_in_pieces_as_in_the_whole(unet: Any) -> None:
    whole, pieces = DeepFeatures(TorchUnet(unet), 2), DeepFeatures(InPieces(TorchUnet(unet), 2), 2)
    for seed in (1, 2, 3):
        expected = whole(**rows_of(unet, 5, seed))
        torch.testing.assert_close(pieces(**rows_of(unet, 5, seed)), expected, rtol=0, atol=rounding(expected))


def test_a_large_batch_of_the_pipeline_goes_through_the_unet_in_pieces(tiny_model_dir: Path) -> None:
    pipe = MusicLDMPipeline.from_pretrained(tiny_model_dir)
    pipe.set_progress_bar_config(disable=True)
    options = {"num_waveforms_per_prompt": 5, "output_type": "latent", "audio_length_in_s": 0.32}
    seeds = [torch.Generator().manual_seed(seed) for seed in range(5)]
    seen: list[int] = []
    pipe.unet.conv_in.register_forward_pre_hook(lambda _, arguments: seen.append(len(arguments[0])))
    whole = pipe("jazz", generator=seeds, **options).audios
    pipe.unet_batch_size = 4
    seeds = [torch.Generator().manual_seed(seed) for seed in range(5)]
    pieces = pipe("jazz", generator=seeds, **options).audios
    assert seen == [10, 10] + 2 * [4, 4, 2]
    torch.testing.assert_close(pieces, whole, rtol=0, atol=rounding(whole, passes=2 * 5))  # 2² + 1² at each step


def timed(seconds: Callable[[int], float]) -> tuple[Callable[[int], None], Callable[[], float], list[int]]:
    """What takes so long for so many rows, a clock that says so, and the sizes that were tried."""
    now, tried = [0.0], []

    def evaluate(rows: int) -> None:
        tried.append(rows)
        now[0] += seconds(rows)

    return evaluate, lambda: now[0], tried


@pytest.mark.parametrize(
    ("seconds", "found", "tried"),
    [
        (lambda rows: 0.1 + 0.01 * rows, 64, [4, 8, 16, 32, 64]),  # the larger the better
        (lambda rows: 0.01 * rows, 4, [4, 8]),  # a row always takes as long
        (lambda rows: 0.01 * rows if rows <= 16 else 0.02 * rows, 4, [4, 8]),
        (lambda rows: {4: 4.0, 8: 6.0}[rows], 8, [4, 8]),  # too slow to try more
    ],
)
def test_the_fastest_number_of_rows_is_sought_as_long_as_it_pays(
    seconds: Callable[[int], float], found: int, tried: list[int]
) -> None:
    evaluate, clock, sizes = timed(seconds)
    assert fastest_rows(evaluate, clock) == found
    assert sizes == [size for size in tried for _ in range(2)]


def test_memory_that_is_too_small_ends_the_search() -> None:
    def evaluate(rows: int) -> None:
        now[0] += 1 + rows
        if rows > 8:
            raise torch.OutOfMemoryError

    now = [0.0]
    assert fastest_rows(evaluate, lambda: now[0] / 10) == 8


def test_what_was_found_is_remembered_for_the_same_model_and_length_only(
    unet: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = iter([8, 16])
    monkeypatch.setattr(batching, "fastest_rows", lambda evaluate: next(found))
    path = tmp_path / "new" / "rows.json"
    assert RememberedRows(path).find(TorchUnet(unet), unet, (8, 16, 16)) == 8
    assert RememberedRows(path).find(TorchUnet(unet), unet, (8, 16, 16)) == 8
    assert RememberedRows(path).find(TorchUnet(unet), unet, (8, 32, 16)) == 16
    assert sorted(json.loads(path.read_text()).values()) == [8, 16]


@pytest.mark.parametrize("content", ["no json", "[1]", '{"a": "b"}'])
def test_a_memory_that_cannot_be_read_is_made_anew(
    unet: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str
) -> None:
    monkeypatch.setattr(batching, "fastest_rows", lambda evaluate: 8)
    (tmp_path / "rows.json").write_text(content)
    assert RememberedRows(tmp_path / "rows.json").find(TorchUnet(unet), unet, (8, 16, 16)) == 8
    assert list(json.loads((tmp_path / "rows.json").read_text()).values()) == [8]


def test_a_home_that_cannot_be_written_to_is_no_error(
    unet: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batching, "fastest_rows", lambda evaluate: 8)
    (tmp_path / "file").write_text("")
    assert RememberedRows(tmp_path / "file" / "rows.json").find(TorchUnet(unet), unet, (8, 16, 16)) == 8


def test_tuning_sets_a_size_that_was_measured_on_the_real_unet(
    tiny_model_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(batching, "_CANDIDATES", (1, 2))
    pipe = MusicLDMPipeline.from_pretrained(tiny_model_dir)
    seen: list[torch.Size] = []
    pipe.unet.conv_in.register_forward_pre_hook(lambda _, arguments: seen.append(arguments[0].shape))
    assert pipe.tune_unet_batch_size(0.32) == pipe.unet_batch_size
    assert pipe.unet_batch_size in (1, 2)
    assert seen == [(rows, 8, 8, 16) for rows in (1, 1, 2, 2)]
    assert pipe.tune_unet_batch_size(0.32) == pipe.unet_batch_size
    assert len(seen) == 4
