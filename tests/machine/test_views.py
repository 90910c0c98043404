"""A second view of a module: the same weights, and nothing that is set on it changes the first."""

from __future__ import annotations

import torch
from accelerate.hooks import ModelHook, add_hook_to_module, remove_hook_from_module
from torch import nn

from musicldm.machine.views import second_view


class Chain(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(3, 3), nn.Linear(3, 3)
        self.doubled = False

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        made = self.second(self.first(x))
        return 2 * made if self.doubled else made


def test_a_view_has_the_same_weights_and_gives_the_same() -> None:
    module, x = Chain(), torch.ones(1, 3)
    view = second_view(module)
    assert all(one is other for one, other in zip(view.parameters(), module.parameters(), strict=True))
    assert torch.equal(view(x), module(x))


def test_what_is_set_on_a_view_changes_it_alone() -> None:
    module, x = Chain(), torch.ones(1, 3)
    before = module(x)
    view = second_view(module)
    view.doubled = True
    assert torch.equal(view(x), 2 * before)
    view.second = nn.Identity()
    assert torch.equal(view(x), 2 * module.first(x))
    assert torch.equal(module(x), before)


def test_a_hook_of_accelerate_calls_the_view_that_it_runs_for_and_so_it_does_when_it_was_removed() -> None:
    module, x = Chain(), torch.ones(1, 3)
    before = module(x)
    add_hook_to_module(module, ModelHook())
    for _ in range(2):
        view = second_view(module)
        view.doubled = True
        assert torch.equal(view(x), 2 * before)
        assert torch.equal(module(x), before)
        remove_hook_from_module(module)


def test_a_view_of_a_compiled_module_is_not_compiled_and_follows_its_own_settings() -> None:
    module, x = Chain(), torch.ones(1, 3)
    before = module(x)
    for compiled in (torch.compile(module, backend="eager"), module):
        view = second_view(compiled)
        view.doubled = True
        assert torch.equal(view(x), 2 * before)
        module.compile(backend="eager")
