"""Pages of weights that are given back: what memory holds is read from the system, which is the oracle."""

import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from musicldm.machine.memory import give_back, layer_by_layer, narrow, stored_in_float32

needs_linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
MEGABYTES = 80


def resident(kind: str) -> float:
    """MB of this process' memory, "RssFile" or "RssAnon"."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1e3 for line in lines if line.startswith(kind))


@pytest.fixture
def mapped(tmp_path: Path) -> torch.nn.Linear:
    """A layer whose weight is the pages of a file, all of them touched."""
    layer = torch.nn.Linear(1000, MEGABYTES * 250, bias=False)
    save_file({"weight": layer.weight.detach()}, tmp_path / "layer.safetensors")
    layer.load_state_dict(load_file(tmp_path / "layer.safetensors"), assign=True)
    layer.weight.sum()
    return layer


@needs_linux
def test_pages_of_a_file_leave_memory_and_come_back_as_they_were(mapped: torch.nn.Linear) -> None:
    before, ones = resident("RssFile"), torch.ones(1, 1000)
    expected = mapped(ones)
    assert give_back(mapped) == pytest.approx(MEGABYTES * 1e6, rel=0.01)
    assert before - resident("RssFile") > 0.9 * MEGABYTES
    assert torch.equal(mapped(ones), expected)
    assert before - resident("RssFile") < 0.1 * MEGABYTES


@needs_linux
def test_weights_that_were_changed_in_place_stay_changed(mapped: torch.nn.Linear) -> None:
    with torch.no_grad():
        mapped.weight[:10] = 7.0
    expected = mapped.weight.clone()
    give_back(mapped)
    assert torch.equal(mapped.weight, expected)


def test_weights_of_no_file_and_small_modules_are_left_alone(tmp_path: Path) -> None:
    assert give_back(torch.nn.Linear(1000, MEGABYTES * 250)) == 0
    save_file({"weight": torch.zeros(1000, 4000)}, tmp_path / "small.safetensors")
    small = torch.nn.Linear(4000, 1000, bias=False)
    small.load_state_dict(load_file(tmp_path / "small.safetensors"), assign=True)
    assert give_back(small) == 0


@needs_linux
def test_freed_memory_goes_back_to_the_system() -> None:
    large = torch.nn.Linear(1000, MEGABYTES * 250)
    keep = [torch.ones(1000) for _ in range(40_000)]
    kept, freed = keep[::100], keep[1::100]
    before = resident("RssAnon")
    del keep, freed
    assert before - resident("RssAnon") < 20
    give_back(large)
    assert before - resident("RssAnon") > 100
    assert all(float(one.sum()) == 1000 for one in kept)


@needs_linux
def test_layers_leave_memory_one_by_one(tmp_path: Path) -> None:
    stack = torch.nn.Sequential()
    stack.layers = torch.nn.ModuleList(torch.nn.Linear(1000, 10_000, bias=False) for _ in range(3))
    save_file(stack.state_dict(), tmp_path / "stack.safetensors")
    stack.load_state_dict(load_file(tmp_path / "stack.safetensors"), assign=True)
    ones, before = torch.ones(1, 1000), resident("RssFile")
    with layer_by_layer(stack):
        made = [layer(ones) for layer in stack.layers]
        assert resident("RssFile") - before < 10
    assert all(torch.equal(layer(ones), sound) for layer, sound in zip(stack.layers, made, strict=True))
    assert resident("RssFile") - before > 100


@pytest.mark.parametrize("module", [torch.nn.Linear(1000, 1000), torch.nn.Linear(5000, 5000, device="meta")])
def test_layers_of_small_modules_and_of_other_devices_are_left_alone(module: torch.nn.Module) -> None:
    stack = torch.nn.Sequential()
    stack.layers = torch.nn.ModuleList([module])
    with layer_by_layer(stack):
        assert not module._forward_hooks


@needs_linux
def test_a_conversion_holds_each_weight_once(mapped: torch.nn.Linear) -> None:
    before, expected = resident("RssFile"), mapped.weight.detach().clone().bfloat16()
    narrow(mapped, torch.bfloat16)
    assert mapped.weight.dtype == torch.bfloat16
    assert torch.equal(mapped.weight, expected)
    assert before - resident("RssFile") > 0.9 * MEGABYTES


@needs_linux
def test_a_conversion_gives_back_its_own_pages_and_leaves_others_of_the_file_alone(tmp_path: Path) -> None:
    save_file(
        {"one": torch.full((3000, 1000), 2.0), "other": torch.full((3000, 1000), 3.0)}, tmp_path / "x.safetensors"
    )
    tensors = load_file(tmp_path / "x.safetensors")
    module = torch.nn.Module()
    module.one = torch.nn.Parameter(tensors["one"])
    module.register_buffer("steps", torch.arange(5))
    sum(tensor.sum() for tensor in tensors.values())
    before = resident("RssFile")
    narrow(module, torch.float16)
    assert before - resident("RssFile") > 10
    assert torch.equal(tensors["other"], torch.full((3000, 1000), 3.0))
    assert (module.one.dtype, module.steps.dtype) == (torch.float16, torch.int64)
    assert torch.equal(module.one.float(), torch.full((3000, 1000), 2.0))


def test_what_a_part_is_stored_in_is_read_from_its_file(tmp_path: Path) -> None:
    for name, dtype in (("wide", torch.float32), ("narrow", torch.bfloat16)):
        (tmp_path / name).mkdir()
        save_file({"x": torch.zeros(3, dtype=dtype)}, tmp_path / name / "model.safetensors")
    assert stored_in_float32(tmp_path / "wide")
    assert not stored_in_float32(tmp_path / "narrow")
    assert not stored_in_float32(tmp_path)
