"""The UNet: a new one, and its first layer over the condition fitted to the embeddings that it is trained under."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch
from diffusers import UNet2DConditionModel

if TYPE_CHECKING:
    from musicldm.training.tasks.ldm_recipe import LdmRecipe


def build_unet(recipe: LdmRecipe, latent_channels: int) -> UNet2DConditionModel:
    """A UNet with random weights whose class label is the CLAP embedding; without text tokens, as published."""
    deeper = len(recipe.channels) - 1
    return UNet2DConditionModel(
        sample_size=(max(recipe.crop_frames), 8),
        in_channels=latent_channels,
        out_channels=latent_channels,
        down_block_types=("DownBlock2D",) + ("CrossAttnDownBlock2D",) * deeper,
        up_block_types=("CrossAttnUpBlock2D",) * deeper + ("UpBlock2D",),
        block_out_channels=recipe.channels,
        layers_per_block=recipe.layers,
        norm_num_groups=recipe.groups,
        cross_attention_dim=recipe.channels,
        attention_head_dim=tuple(width // recipe.head_channels for width in recipe.channels),
        class_embed_type="simple_projection",
        projection_class_embeddings_input_dim=recipe.condition_width,
        class_embeddings_concat=True,
    )


@torch.no_grad()
def refit_condition(unet: Any, before: npt.NDArray[np.float32], after: npt.NDArray[np.float32]) -> float:
    """Makes a UNet that knows the embeddings of one CLAP take those of another.

    Ridge regression finds the affine map from the new embeddings to the old ones and folds it into the UNet's first
    layer over them.

    Args:
        unet: changed in place; its `class_embedding` is one linear layer ("simple_projection").
        before: (texts, D), embeddings of texts by the CLAP that the UNet was trained under.
        after: (texts, D'), of the same texts by the CLAP to come; D' is the layer's width, too.

    Returns:
        The share of the old embeddings' variance that the new ones explain, at most 1.
    """
    ones = np.ones((len(after), 1))
    inputs = np.concatenate([after.astype(np.float64), ones], axis=1)
    wanted = before.astype(np.float64)
    ridge = 1e-3 * len(inputs) / after.shape[1] * np.eye(inputs.shape[1])
    ridge[-1, -1] = 0.0
    solution = np.linalg.solve(inputs.T @ inputs + ridge, inputs.T @ wanted)
    unexplained = np.square(inputs @ solution - wanted).sum() / np.square(wanted - wanted.mean(axis=0)).sum()
    layer = unet.class_embedding
    weight = layer.weight.double().cpu()
    layer.bias.add_((weight @ torch.from_numpy(solution[-1])).to(layer.bias))
    layer.weight.copy_((weight @ torch.from_numpy(solution[:-1].T)).to(layer.weight))
    return float(1 - unexplained)


@torch.no_grad()
def spread_condition(unet: Any, embeddings: npt.NDArray[np.float32], floor: float, variance: float = 0.98) -> int:
    """Lets a UNet hear all that its CLAP tells: no direction of the embeddings reaches it weaker than `floor`.

    Genres lie far apart in the space of captions, tempi and instruments close together; and a layer that begins with
    small weights learns the large directions first. So the singular values of the layer over whitened embeddings (those
    with their variance made 1 in each direction) are raised to the floor where they are below it. What the mean
    embedding gives stays as it was.

    Args:
        unet: changed in place; its `class_embedding` is one linear layer ("simple_projection").
        embeddings: (texts, D) that it is trained under.
        floor: least standard deviation of the layer's response to each direction.
        variance: share of the embeddings' variance that counts as told; the rest is left alone.

    Returns:
        How many directions were raised.
    """
    mean = embeddings.mean(axis=0, dtype=np.float64)
    centred = embeddings - mean
    values, vectors = np.linalg.eigh(centred.T @ centred / len(centred))
    values, vectors = values[::-1], vectors[:, ::-1]
    layer = unet.class_embedding
    kept = min(int(np.searchsorted(np.cumsum(values) / values.sum(), variance)) + 1, *layer.weight.shape)
    deviations = torch.from_numpy(np.sqrt(values[:kept]))
    directions = torch.from_numpy(vectors[:, :kept].copy())
    weight = layer.weight.double().cpu()
    left, gains, right = torch.linalg.svd(weight @ directions * deviations, full_matrices=False)
    added = left @ torch.diag((floor - gains).clamp(min=0.0)) @ right / deviations @ directions.T
    layer.weight.add_(added.to(layer.weight))
    layer.bias.sub_((added @ torch.from_numpy(mean)).to(layer.bias))
    return int((gains < floor).sum())
