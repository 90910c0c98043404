"""Muon: momentum whose matrices are made orthogonal before each step, for the hidden weights of a network.

Jordan et al. 2024 (kellerjordan.github.io/posts/muon), with the scale of arXiv 2502.16982, equation 4, which gives the
update the size of AdamW's, so that both share a learning rate. PyTorch's own takes no convolution kernels.
"""

from __future__ import annotations

from collections import defaultdict
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
            alike: dict[torch.Size, list[Tensor]] = defaultdict(list)
            for weight in group["params"]:
                if weight.grad is not None:
                    alike[weight.flatten(1).shape].append(weight)
            for weights in alike.values():
                self._update(weights, group)

    def _update(self, weights: list[Tensor], group: dict[str, Any]) -> None:
        """Of weights that are matrices of one shape, all at once: a GPU would mostly wait between them."""
        gradients = [weight.grad for weight in weights if weight.grad is not None]
        for weight in weights:
            if not self.state[weight]:
                self.state[weight]["average"] = torch.zeros_like(weight)
        averages = [self.state[weight]["average"] for weight in weights]
        torch._foreach_lerp_(averages, gradients, 1 - group["momentum"])
        ahead = torch._foreach_lerp(gradients, averages, group["momentum"])
        updates = orthogonal(torch.stack([gradient.flatten(1) for gradient in ahead]), group["iterations"])
        size = _UPDATE_SIZE * max(updates.shape[1:]) ** 0.5
        torch._foreach_mul_(weights, 1 - group["lr"] * group["weight_decay"])
        shaped = [update.view_as(weight) for update, weight in zip(updates, weights, strict=True)]
        torch._foreach_add_(weights, shaped, alpha=-group["lr"] * size)


def orthogonal(matrices: Tensor, iterations: int = 5) -> Tensor:
    """(k, m, n) → U Vᵀ of each one's singular value decomposition, nearly: singular values of 0.7 to 1.2.

    All iterations are polynomials in X Xᵀ, which commute: so they are gathered in one m x m matrix, and X is multiplied
    once, which for the wide matrices of convolutions costs less than half.
    """
    tall = matrices.shape[1] > matrices.shape[2]
    x: Tensor = matrices.mT if tall else matrices
    x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
    square = x @ x.mT
    gathered = _polynomial(square)
    factor = gathered
    for _ in range(iterations - 1):
        square = factor @ square @ factor
        factor = _polynomial(square)
        gathered = factor @ gathered
    x = gathered @ x
    return x.mT if tall else x


def _polynomial(square: Tensor) -> Tensor:
    """What an iteration multiplies X by, of its X Xᵀ."""
    a, b, c = _COEFFICIENTS
    polynomial = torch.baddbmm(square, square, square, beta=b, alpha=c)
    polynomial.diagonal(dim1=1, dim2=2).add_(a)
    return polynomial
