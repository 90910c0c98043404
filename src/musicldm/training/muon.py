"""Muon: momentum whose matrices are made orthogonal before each step, for the hidden weights of a network.

Jordan et al. 2024 (kellerjordan.github.io/posts/muon), with the scale of arXiv 2502.16982, equation 4, which gives the
update the size of AdamW's, so that both share a learning rate. PyTorch's own takes no convolution kernels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor

_COEFFICIENTS = (3.4445, -4.7750, 2.0315)
_UPDATE_SIZE = 0.2
"""Root mean square of AdamW's usual update, in learning rates."""


class Muon(torch.optim.Optimizer):
    """For weights of two or more dimensions; kernels (out, in, …) count as matrices (out, in · …).

    Args:
        params: weights, or groups of them.
        lr: learning rate, as one would give AdamW.
        momentum: of the Nesterov average, 0 to 1.
        weight_decay: decoupled, times `lr`.
        iterations: of Newton and Schulz; 5 bring the singular values to 0.7 to 1.2.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float,
        momentum: float = 0.95,
        weight_decay: float = 0.0,
        iterations: int = 5,
    ) -> None:
        defaults = {"lr": lr, "momentum": momentum, "weight_decay": weight_decay, "iterations": iterations}
        super().__init__(params, defaults)

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        assert closure is None
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is not None:
                    self._update(weight, weight.grad, group)

    def _update(self, weight: Tensor, gradient: Tensor, group: dict[str, Any]) -> None:
        state = self.state[weight]
        if not state:
            state["average"] = torch.zeros_like(weight)
        average = state["average"].lerp_(gradient, 1 - group["momentum"])
        ahead = gradient.lerp(average, group["momentum"]).flatten(1)
        update = orthogonal(ahead, group["iterations"])
        weight.mul_(1 - group["lr"] * group["weight_decay"])
        size = _UPDATE_SIZE * max(update.shape) ** 0.5
        weight.add_(update.view_as(weight), alpha=-group["lr"] * size)


def orthogonal(matrix: Tensor, iterations: int = 5) -> Tensor:
    """(m, n) → U Vᵀ of its singular value decomposition, nearly: the singular values come out between 0.7 and 1.2.

    All iterations are polynomials in X Xᵀ, which commute: so they are gathered in one m x m matrix, and X is multiplied
    once, which for the wide matrices of convolutions costs less than half.
    """
    tall = matrix.shape[0] > matrix.shape[1]
    x: Tensor = matrix.T if tall else matrix
    x = x / (x.norm() + 1e-7)
    square = x @ x.T
    gathered = _polynomial(square)
    factor = gathered
    for _ in range(iterations - 1):
        square = factor @ square @ factor
        factor = _polynomial(square)
        gathered = factor @ gathered
    x = gathered @ x
    return x.T if tall else x


def _polynomial(square: Tensor) -> Tensor:
    """What an iteration multiplies X by, of its X Xᵀ."""
    a, b, c = _COEFFICIENTS
    polynomial = torch.addmm(square, square, square, beta=b, alpha=c)
    polynomial.diagonal().add_(a)
    return polynomial
