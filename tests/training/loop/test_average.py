"""diffusers' own EMAModel is the oracle."""

from __future__ import annotations

import pytest
import torch
from diffusers.training_utils import EMAModel
from torch import nn

from musicldm.training.loop.average import MovingAverage
from tests.tolerances import sums

pytestmark = pytest.mark.numeric

SETTINGS = {"decay": 0.98, "use_ema_warmup": True, "power": 0.75}


@pytest.mark.parametrize("frozen", [(), (1,), (0, 1, 2)])
def test_the_average_is_that_of_diffusers(frozen: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    weights = [nn.Parameter(torch.randn(shape)) for shape in ((4, 3), (5,), (2, 2, 3))]
    for index in frozen:
        weights[index].requires_grad_(False)
    ours, theirs = MovingAverage(weights, foreach=True, **SETTINGS), EMAModel(weights, **SETTINGS)
    begun = [weight.detach().clone() for weight in weights]
    for _ in range(9):
        with torch.no_grad():
            for weight in weights:
                if weight.requires_grad:
                    weight.add_(torch.randn_like(weight))
        ours.step(weights)
        theirs.step(weights)
    assert ours.cur_decay_value == theirs.cur_decay_value
    assert ours.state_dict().keys() == theirs.state_dict().keys()
    for index, (one, other) in enumerate(zip(ours.shadow_params, theirs.shadow_params, strict=True)):
        torch.testing.assert_close(one, other, rtol=0, atol=sums(2 * 9, float(one.abs().max())))
        assert torch.equal(one, begun[index]) == (index in frozen)


def test_other_weights_than_those_of_the_average_are_refused() -> None:
    weights = [nn.Parameter(torch.randn(3)) for _ in range(2)]
    with pytest.raises(ValueError, match="shorter"):
        MovingAverage(weights, **SETTINGS).step(weights[:1])
