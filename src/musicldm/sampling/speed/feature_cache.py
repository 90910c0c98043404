"""DeepCache (arXiv 2312.00858): the inner levels of a UNet are computed at some steps and reused at those between.

What comes up to the outermost level changes slowly from step to step (eq. 9 and 10 of the paper, at the first skip
branch): the output of the second-last up block of one step stands for that of the steps that follow.
"""

from __future__ import annotations

import torch

from musicldm.errors import InvalidInputError
from musicldm.sampling.denoiser import AttentionOptions, LeveledDenoiser


class DeepFeatures:
    """A denoiser all of which is computed at every `interval`-th call, and its outermost level alone at the others.

    A call whose latents have another shape than those before is a whole one. Make one for each call of the pipeline.

    Args:
        denoiser: of at least two levels.
        interval: calls from one whole evaluation to the next, at least 1; 1 reuses nothing.

    Raises:
        InvalidInputError: a denoiser of one level, which has nothing to reuse.
    """

    def __init__(self, denoiser: LeveledDenoiser, interval: int) -> None:
        if denoiser.levels < 2:
            raise InvalidInputError(f"cache_interval is {interval}: this UNet has one level, only 1 is possible")
        self.denoiser = denoiser
        self.interval = interval
        self._age = 0
        self._shape: torch.Size | None = None
        self._features = torch.empty(0)

    @property
    def dtype(self) -> torch.dtype:
        """That of the denoiser."""
        return self.denoiser.dtype

    def __call__(
        self,
        sample: torch.Tensor,
        timestep: torch.Tensor,
        *,
        class_labels: torch.Tensor,
        cross_attention_kwargs: AttentionOptions | None = None,
    ) -> torch.Tensor:
        """See `Denoiser`."""
        denoiser, labels, options = self.denoiser, class_labels, cross_attention_kwargs
        if sample.shape == self._shape and self._age < self.interval:
            self._age += 1
            return denoiser.evaluate_outermost(
                self._features, sample, timestep, class_labels=labels, cross_attention_kwargs=options
            )
        prediction, self._features = denoiser.evaluate_all(
            sample, timestep, class_labels=labels, cross_attention_kwargs=options
        )
        self._shape, self._age = sample.shape, 1
        return prediction
