"""Pages of weights that are given back: what memory holds is read from the system, which is the oracle."""

import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from musicldm.checkpoints.mapped import give_back

needs_linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
MEGABYTES = 64


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


def test_weights_of_no_file_are_left_alone() -> None:
    assert give_back(torch.nn.Linear(1000, 1000)) == 0
