"""Every wrong argument is one clear error with the value and what is valid."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from musicldm import InvalidInputError, MusicLDMPipeline

WIDTH = 32
NAN, INF = float("nan"), float("inf")


@pytest.fixture(scope="module")
def pipe(tiny_model_dir: Path) -> MusicLDMPipeline:
    pipeline = MusicLDMPipeline.from_pretrained(tiny_model_dir)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


WRONG: list[tuple[dict[str, Any], str]] = [
    ({}, "prompt is None: pass a text, a list of texts, or prompt_embeds"),
    ({"prompt": 3}, "prompt is 3: it must be a text or a list of texts"),
    ({"prompt": b"techno"}, "prompt is b'techno': it must be a text"),
    ({"prompt": {"a": 1}}, r"prompt is \{'a': 1\}: it must be a text"),
    ({"prompt": []}, "prompt is an empty list"),
    ({"prompt": ["techno", None]}, r"prompt\[1\] is None: it must be a text"),
    ({"prompt": "a", "prompt_embeds": torch.zeros(1, WIDTH)}, "prompt and prompt_embeds are both given"),
    ({"prompt_embeds": torch.zeros(1, 7)}, r"prompt_embeds is \(1, 7\): a tensor of shape \(prompts, 32\)"),
    ({"prompt_embeds": torch.zeros(0, WIDTH)}, r"prompt_embeds is \(0, 32\)"),
    ({"prompt_embeds": torch.zeros(WIDTH)}, r"prompt_embeds is \(32,\)"),
    ({"prompt_embeds": [[0.0] * WIDTH]}, "prompt_embeds is list: a tensor of shape"),
    (
        {"prompt": "a", "negative_prompt_embeds": torch.zeros(2, WIDTH)},
        r"negative_prompt_embeds is \(2, 32\): a tensor of shape \(1, 32\) is expected",
    ),
    (
        {"prompt": "a", "negative_prompt": "b", "negative_prompt_embeds": torch.zeros(1, WIDTH)},
        "negative_prompt and negative_prompt_embeds are both given",
    ),
    ({"prompt": ["a", "b"], "negative_prompt": ["c"]}, "1 negative prompts for 2 prompts: pass one text, or one for"),
    ({"prompt": "a", "negative_prompt": ["b", "c"]}, "2 negative prompts for 1 prompts"),
    ({"prompt": "a", "negative_prompt": 5}, "negative_prompt is 5: it must be a text"),
    *(
        ({"prompt": "a", "audio_length_in_s": length}, rf"audio_length_in_s is {length!r}: it must be a finite number")
        for length in (0, 0.0, -1, NAN, INF, -INF, "5", True)
    ),
    *(
        ({"prompt": "a", "num_inference_steps": steps}, rf"num_inference_steps is {steps!r}: it must be an integer")
        for steps in (0, -5, 2.5, "10", True, NAN)
    ),
    ({"prompt": "a", "num_inference_steps": 5000}, "5000 steps are not possible with DDIMScheduler"),
    *(
        ({"prompt": "a", "num_waveforms_per_prompt": n}, f"num_waveforms_per_prompt is {n!r}: it must be an integer")
        for n in (0, -1, 1.5, "2", False)
    ),
    *(
        ({"prompt": "a", "guidance_scale": scale}, f"guidance_scale is {scale!r}: it must be a finite number")
        for scale in (NAN, INF, "strong", True)
    ),
    *(({"prompt": "a", "eta": eta}, f"eta is {eta!r}: it must be between 0 and 1") for eta in (-0.1, 1.1, NAN, None)),
    *(
        ({"prompt": "a", "callback_steps": steps}, f"callback_steps is {steps!r}: it must be an integer of at least 1")
        for steps in (0, -1, 1.5)
    ),
    ({"prompt": "a", "output_type": "pil"}, "unknown output_type 'pil': choose one of np, pt, latent"),
    ({"prompt": "a", "output_type": None}, "unknown output_type None"),
    ({"prompt": "a", "scheduler": "karras"}, "unknown scheduler 'karras': choose one of ddim, ddpm"),
    ({"prompt": "a", "latents": torch.zeros(1, 8, 16, 15)}, r"latents are \(1, 8, 16, 15\): .*\(1, 8, 16, 16\) is"),
    ({"prompt": ["a", "b"], "latents": torch.zeros(1, 8, 16, 16)}, r"a tensor of shape \(2, 8, 16, 16\) is expected"),
    ({"prompt": "a", "latents": np.zeros((1, 8, 16, 16))}, "latents are ndarray: a tensor of shape"),
    ({"prompt": "a", "generator": [torch.Generator()] * 2}, r"2 generators for 1 audios .*or a list of 1"),
    (
        {"prompt": ["a", "b"], "num_waveforms_per_prompt": 2, "generator": [torch.Generator()] * 2},
        "2 generators for 4 audios",
    ),
    ({"prompt": "a", "generator": 42}, r"generator is 42: valid is one torch\.Generator or a list"),
    (
        {"prompt": "a", "callback_on_step_end": print, "callback_on_step_end_tensor_inputs": ["noise"]},
        "unknown callback tensor 'noise': choose one of latents, prompt_embeds, negative_prompt_embeds",
    ),
]


@pytest.mark.parametrize(("arguments", "message"), WRONG, ids=[message[:60] for _, message in WRONG])
def test_a_wrong_argument_is_one_clear_line(pipe: Any, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidInputError, match=message) as raised:
        pipe(**arguments)
    assert "\n" not in str(raised.value)
    assert isinstance(raised.value, ValueError)


def test_nothing_is_computed_before_all_arguments_are_checked(pipe: Any) -> None:
    ran: list[Any] = []
    handles = [model.register_forward_pre_hook(lambda *args: ran.append(args)) for model in (pipe.unet, pipe.vae)]
    handles.append(pipe.text_encoder.text_model.register_forward_pre_hook(lambda *args: ran.append(args)))
    for arguments in ({"generator": 1}, {"latents": torch.zeros(1)}, {"scheduler": "x"}, {"output_type": "x"}):
        with pytest.raises(InvalidInputError):
            pipe("techno", **arguments)
    for handle in handles:
        handle.remove()
    assert ran == []


def test_numbers_of_numpy_are_numbers(pipe: Any) -> None:
    audios = pipe(
        "techno",
        num_inference_steps=np.int64(1),
        audio_length_in_s=np.float32(0.25),
        guidance_scale=np.float64(1.5),
        num_waveforms_per_prompt=np.int32(2),
    ).audios
    assert audios.shape == (2, 4000)


def test_none_means_the_default_where_upstream_allows_it(pipe: Any) -> None:
    result = pipe("techno", num_waveforms_per_prompt=None, callback_steps=None, audio_length_in_s=None)
    assert result.audios.shape == (1, 10240)


def test_set_scheduler_refuses_an_unknown_name_and_keeps_the_old_one(pipe: Any) -> None:
    before = pipe.scheduler
    with pytest.raises(InvalidInputError, match=r"unknown scheduler 'fast': choose one of .*dpmsolver\+\+"):
        pipe.set_scheduler("fast")
    assert pipe.scheduler is before
