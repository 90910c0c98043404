"""Both ways to compute attention answer alike, and each is taken where it is the faster one."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from diffusers.models.attention_processor import Attention, AttnProcessor2_0

from musicldm.training.loop import attention
from musicldm.training.loop.attention import PlainWhereSmall
from tests.tolerances import roundings

pytestmark = pytest.mark.numeric


def layer(processor: object) -> Attention:
    torch.manual_seed(0)
    return Attention(query_dim=16, heads=4, dim_head=4, processor=processor)


def gradients(processor: object, *, autocast: bool) -> list[torch.Tensor]:
    module = layer(processor)
    x = torch.randn(3, 20, 16, generator=torch.Generator().manual_seed(1), requires_grad=True)
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        y = module(x)
    y.float().square().sum().backward()
    return [x.grad, *(p.grad for p in module.parameters())]


@pytest.mark.parametrize("autocast", [True, False])
def test_gradients_are_those_of_fused_attention(autocast: bool) -> None:
    there_and_back = roundings(2 * 10)  # three projections, scores, softmax, their sum, its projection, bias, sum, cast
    exact = gradients(AttnProcessor2_0(), autocast=False)
    for ours, wanted in zip(gradients(PlainWhereSmall(), autocast=autocast), exact, strict=True):
        assert (ours - wanted).norm() <= (there_and_back if autocast else 0) * wanted.norm()


@pytest.mark.parametrize(
    ("autocast", "most", "taken"), [(True, 3 * 4 * 20**2, "plain"), (True, 4799, "fused"), (False, 4800, "fused")]
)
def test_plain_products_are_for_few_scores_in_half_precision(
    autocast: bool, most: int, taken: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attention, "MOST_SCORES", most)
    processor = PlainWhereSmall()
    asked: list[str] = []

    def spied(name: str) -> Callable[..., Any]:
        inner = getattr(processor, name)

        def called(*args: Any, **options: Any) -> Any:
            asked.append(name)
            return inner(*args, **options)

        return called

    processor.plain, processor.fused = spied("plain"), spied("fused")
    _ = gradients(processor, autocast=autocast)
    assert asked == [taken]


def test_an_image_counts_its_points_as_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    processor = PlainWhereSmall()
    image = torch.randn(2, 16, 5, 3)
    with torch.autocast("cpu", torch.bfloat16):
        for most, name in ((2 * 4 * 15**2, "fused"), (2 * 4 * 15**2 - 1, "plain")):
            monkeypatch.setattr(attention, "MOST_SCORES", most)
            monkeypatch.setattr(processor, name, None)  # the other one must do
            assert layer(processor)(image).shape == image.shape
            processor = PlainWhereSmall()
