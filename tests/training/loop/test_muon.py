import pytest
import torch
from torch import nn

from musicldm.training.loop.muon import Muon, orthogonal
from tests.tolerances import BFLOAT16, layers, roundings

pytestmark = pytest.mark.numeric


@pytest.mark.parametrize("shape", [(12, 40), (40, 12), (16, 16)])
def test_the_update_is_nearly_the_polar_factor(shape: tuple[int, int]) -> None:
    matrices = torch.randn(3, *shape, generator=torch.Generator().manual_seed(1))
    matrices[1] *= 50.0
    for matrix, found in zip(matrices, orthogonal(matrices), strict=True):
        u, _, v = torch.linalg.svd(matrix, full_matrices=False)
        values = torch.linalg.svdvals(found)
        assert 0.6 < values.min() < values.max() < 1.25
        kept = u.T @ found @ v.T
        assert torch.allclose(kept, torch.diag(kept.diagonal()), rtol=0, atol=layers(5 * 5, 40))


def test_muon_steps_as_pytorchs_own_on_matrices() -> None:
    torch.manual_seed(0)
    ours, theirs = (nn.Parameter(weight) for weight in torch.randn(1, 24, 10).repeat(2, 1, 1))
    settings = {"lr": 0.02, "momentum": 0.9, "weight_decay": 0.1}
    one = Muon([ours], **settings)
    other = torch.optim.Muon([theirs], **settings, adjust_lr_fn="match_rms_adamw")
    start = ours.detach().clone()
    for _ in range(4):
        gradient = torch.randn(24, 10)
        ours.grad, theirs.grad = gradient.clone(), gradient.clone()
        one.step()
        other.step()
    moved = (theirs - start).norm()
    # Theirs iterates in bfloat16, five times five products and sums.
    assert (ours - theirs).norm() < roundings(5 * 5, 1.0, BFLOAT16) * moved


def test_a_kernel_is_a_matrix_of_its_outputs() -> None:
    torch.manual_seed(0)
    kernel, matrix = nn.Parameter(torch.ones(6, 4, 3, 3)), nn.Parameter(torch.ones(6, 36))
    kernel.grad = torch.randn(6, 4, 3, 3)
    matrix.grad = kernel.grad.flatten(1).clone()
    Muon([kernel, matrix], lr=0.1).step()
    assert torch.equal(kernel.flatten(1), matrix)


def test_weights_of_one_shape_step_as_each_would_alone() -> None:
    torch.manual_seed(0)
    together, alone = ([nn.Parameter(weight.clone()) for weight in torch.ones(40, 6, 4)] for _ in range(2))
    for one, other in zip(together, alone, strict=True):
        one.grad = torch.randn(6, 4)
        other.grad = one.grad.clone()
        Muon([other], lr=0.1, weight_decay=0.1).step()
    together[3].grad = None
    Muon(together, lr=0.1, weight_decay=0.1).step()
    assert torch.equal(together[3], torch.ones(6, 4))
    for one, other in zip(together[4:], alone[4:], strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=layers(5 * 5, 24))
