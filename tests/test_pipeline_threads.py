"""Calls in several threads at once give the samples of the same calls in a row, bit for bit."""

from __future__ import annotations

import copy
import pickle
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from musicldm import InvalidInputError, MusicLDMPipeline
from musicldm.events import Event, Note, Progress
from tests.tolerances import waves

THREADS = 4
PROMPTS = ("happy techno", "sad jazz with piano", "ambient calm", "loud rock drums")
CALLS: list[dict[str, Any]] = [
    {"num_inference_steps": 6, "scheduler": "ddim"},
    {"num_inference_steps": 4, "scheduler": "dpmsolver++", "cache_interval": 2},
    {"num_inference_steps": 5, "scheduler": "unipc", "negative_prompt": "noisy", "guidance_scale": 3.0},
    {"num_inference_steps": 3, "audio_length_in_s": 0.32, "guidance_interval": (0.3, 1.0)},
    {"num_inference_steps": 4, "scheduler": "pndm", "num_waveforms_per_prompt": 2},
    {"num_inference_steps": 6, "cache_interval": 3, "guidance_scale": 1.0},
    {"num_inference_steps": 4, "scheduler": "euler_a", "eta": 0.5},
    {"num_inference_steps": 5},
]


@pytest.fixture(autouse=True)
def one_thread_in_torch() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def silent(pipe: MusicLDMPipeline) -> MusicLDMPipeline:
    pipe.set_progress_bar_config(disable=True)
    return pipe


@pytest.fixture(scope="module")
def pipe(tiny_model_dir: Path) -> MusicLDMPipeline:
    return silent(MusicLDMPipeline.from_pretrained(tiny_model_dir))


def play(pipe: Any, number: int, **more: Any) -> tuple[np.ndarray, list[float], list[int]]:
    generator = torch.Generator().manual_seed(number)
    options = {"audio_length_in_s": 0.16, **CALLS[number % len(CALLS)], **more}
    made = pipe(PROMPTS[number % len(PROMPTS)], generator=generator, **options)
    return made.audios, made.scores, made.seeds


def together(work: Callable[[int], Any], count: int = 16) -> list[Any]:
    """What numbers give in threads that begin at once, in their order."""
    barrier = threading.Barrier(THREADS)
    with ThreadPoolExecutor(THREADS, initializer=barrier.wait) as pool:
        return list(pool.map(work, range(count)))


def assert_same(made: Sequence[Any], expected: Sequence[Any]) -> None:
    for number, (one, other) in enumerate(zip(made, expected, strict=True)):
        assert np.array_equal(one[0], other[0]), f"call {number}"
        assert one[1:] == other[1:]


def test_sixteen_calls_in_four_threads_are_sixteen_calls_in_a_row(pipe: MusicLDMPipeline) -> None:
    expected = [play(pipe, number) for number in range(16)]
    assert_same(together(lambda number: play(pipe, number)), expected)


@pytest.mark.parametrize("another", ["components", "from_pipe"])
def test_pipelines_on_the_same_parts_do_not_disturb_each_other(pipe: MusicLDMPipeline, another: str) -> None:
    second = {
        "components": lambda: MusicLDMPipeline(**pipe.components),
        "from_pipe": lambda: MusicLDMPipeline.from_pipe(pipe),
    }[another]()
    pipes = [pipe, silent(second)]
    assert second.unet is pipe.unet
    expected = [play(pipe, number) for number in range(16)]
    assert_same(together(lambda number: play(pipes[number % 2], number)), expected)


def test_a_call_that_raises_disturbs_neither_the_others_nor_those_after_it(pipe: MusicLDMPipeline) -> None:
    def fail(*_: Any) -> None:
        raise RuntimeError("in a callback")

    def work(number: int) -> Any:
        if number % 4:
            return play(pipe, number)
        with pytest.raises(RuntimeError, match="in a callback"):
            play(pipe, number, callback_on_step_end=fail)
        return play(pipe, number)

    expected = [play(pipe, number) for number in range(16)]
    assert_same(together(work), expected)


def test_a_pipeline_under_offload_makes_the_same_in_threads(tiny_model_dir: Path, pipe: MusicLDMPipeline) -> None:
    offloaded = silent(MusicLDMPipeline.from_pretrained(tiny_model_dir))
    offloaded.enable_model_cpu_offload(device="cpu")
    expected = [play(offloaded, number) for number in range(8)]
    assert_same(together(lambda number: play(offloaded, number), 8), expected)


def test_slicing_and_tiling_are_a_pipelines_own(pipe: MusicLDMPipeline) -> None:
    tiled = silent(MusicLDMPipeline(**pipe.components))
    tiled.enable_vae_slicing()
    tiled.enable_vae_tiling()
    pipes = [pipe, tiled]
    expected = [play(pipes[number % 2], number) for number in range(8)]
    assert_same(together(lambda number: play(pipes[number % 2], number), 8), expected)


def test_loras_with_scales_of_their_own_do_not_mix(tiny_model_dir: Path, tmp_path: Path) -> None:
    peft = pytest.importorskip("peft")
    pipe = silent(MusicLDMPipeline.from_pretrained(tiny_model_dir))
    torch.manual_seed(0)
    pipe.unet.add_adapter(peft.LoraConfig(r=2, target_modules=["to_q", "to_v"], init_lora_weights=False))
    scales = (0.0, 0.5, 1.0)

    def work(number: int) -> Any:
        return play(pipe, number, cross_attention_kwargs={"scale": scales[number % 3]})

    expected = [work(number) for number in range(12)]
    alike = [play(pipe, 0, cross_attention_kwargs={"scale": scale})[0] for scale in scales]
    assert not np.array_equal(alike[0], alike[2])
    assert_same(together(work, 12), expected)


def test_an_embedding_of_a_prompt_in_threads_is_that_of_a_row(pipe: MusicLDMPipeline) -> None:
    """A fast tokenizer keeps padding and truncation of its last call, which long and short prompts change."""
    prompts = [" ".join(["loud"] * (1 + 13 * (number % 5))) for number in range(16)]

    def notes(number: int) -> list[str]:
        events: list[Event] = []
        pipe(prompts[number], num_inference_steps=1, audio_length_in_s=0.04, listen=events.append)
        return [event.text for event in events if isinstance(event, Note)]

    expected = [notes(number) for number in range(16)]
    assert sum(map(len, expected)) > 0
    assert together(notes) == expected


# What belongs to a call


def test_a_callback_changes_the_call_that_it_is_in(pipe: MusicLDMPipeline) -> None:
    def weaker(running: Any, index: int, *_: Any) -> dict[str, Any]:
        running._guidance_scale = 1.0
        return {}

    def work(number: int) -> Any:
        return play(pipe, number, **({"callback_on_step_end": weaker} if number % 2 else {}))

    expected = [work(number) for number in range(16)]
    assert not np.array_equal(expected[3][0], play(pipe, 3)[0])
    assert_same(together(work), expected)


def test_a_callback_reads_its_own_calls_weight_steps_and_scheduler(pipe: MusicLDMPipeline) -> None:
    def work(number: int) -> set[Any]:
        seen = set()

        def note(running: Any, index: int, timestep: torch.Tensor, _: Any) -> dict[str, Any]:
            own = running.scheduler.timesteps
            seen.add((running.guidance_scale, running.num_timesteps, len(own), bool(own[index] == timestep)))
            return {}

        options = {"num_inference_steps": 2 + number, "guidance_scale": 1.5 + number}
        pipe("jazz", audio_length_in_s=0.04, callback_on_step_end=note, **options)
        return seen

    assert together(work, 8) == [{(1.5 + number, 2 + number, 2 + number, True)} for number in range(8)]


def test_a_call_leaves_the_pipelines_scheduler_as_it_was(pipe: MusicLDMPipeline) -> None:
    before = pickle.dumps(vars(pipe.scheduler))
    play(pipe, 0)
    pipe("jazz", num_inference_steps=3)
    assert pickle.dumps(vars(pipe.scheduler)) == before


def test_a_scheduler_that_is_given_to_two_calls_serves_both(pipe: MusicLDMPipeline) -> None:
    given = copy.deepcopy(pipe.scheduler)

    def work(number: int) -> Any:
        generator = torch.Generator().manual_seed(number)
        return pipe("jazz", scheduler=given, num_inference_steps=3 + number % 3, generator=generator).audios

    expected = [work(number) for number in range(8)]
    for one, other in zip(together(work, 8), expected, strict=True):
        assert np.array_equal(one, other)


# Stopping


def test_in_a_callback_interrupt_ends_its_own_call_alone(pipe: MusicLDMPipeline) -> None:
    def stop(running: Any, index: int, *_: Any) -> dict[str, Any]:
        if index == 1:
            running.interrupt()
        return {}

    def work(number: int) -> int:
        events: list[Event] = []
        callback = stop if number % 2 else None
        pipe("jazz", num_inference_steps=6, callback_on_step_end=callback, listen=events.append)
        return max(event.done for event in events if isinstance(event, Progress))

    assert together(work, 8) == [6, 2] * 4


def test_from_another_thread_interrupt_ends_every_running_call(pipe: MusicLDMPipeline) -> None:
    begun, stopped = threading.Barrier(THREADS), threading.Event()

    def wait(running: Any, index: int, *_: Any) -> dict[str, Any]:
        if index == 0:
            if begun.wait(60) == 0:
                threading.Thread(target=lambda: (pipe.interrupt(), stopped.set())).start()
            assert stopped.wait(60)
        return {}

    def work(number: int) -> int:
        events: list[Event] = []
        pipe("jazz", num_inference_steps=6, callback_on_step_end=wait, listen=events.append)
        return max(event.done for event in events if isinstance(event, Progress))

    assert together(work, THREADS) == [1] * THREADS
    assert not np.array_equal(play(pipe, 0)[0], np.zeros(1))


def test_interrupting_where_nothing_runs_changes_nothing(pipe: MusicLDMPipeline) -> None:
    expected = play(pipe, 1)
    pipe.interrupt()
    assert_same([play(pipe, 1)], [expected])


def test_a_call_within_a_callback_of_another_is_a_call_of_its_own(pipe: MusicLDMPipeline) -> None:
    inner: list[Any] = []

    def nest(running: Any, index: int, *_: Any) -> dict[str, Any]:
        if index == 1:
            inner.append(play(pipe, 3))
            assert running.num_timesteps == CALLS[0]["num_inference_steps"]
        return {}

    made = play(pipe, 0, callback_on_step_end=nest)
    assert_same([made, *inner], [play(pipe, 0), play(pipe, 3)])


def test_a_copy_of_a_pipeline_has_calls_of_its_own(pipe: MusicLDMPipeline) -> None:
    twin = copy.deepcopy(pipe)
    stopped: list[int] = []

    def stop(running: Any, index: int, *_: Any) -> dict[str, Any]:
        stopped.append(index)
        twin.interrupt()  # which has no call that runs
        return {}

    play(pipe, 0, callback_on_step_end=stop)
    assert stopped == list(range(6))
    # Weights at other addresses: some processors' kernels round otherwise.
    assert play(twin, 2)[0] == pytest.approx(play(pipe, 2)[0], abs=waves(5, 3.0))


# Events


def test_progress_is_told_after_each_step(pipe: MusicLDMPipeline) -> None:
    events: list[Event] = []
    pipe("jazz", num_inference_steps=3, scheduler="heun", listen=events.append)
    assert events == [Progress(done, 3, "Denoising") for done in (1, 2, 3)]


def test_a_mistake_is_told_before_anything_is_computed(pipe: MusicLDMPipeline) -> None:
    events: list[Event] = []
    with pytest.raises(InvalidInputError, match="1001 steps are not possible"):
        pipe("jazz", num_inference_steps=1001, scheduler="ddim", listen=events.append)
    assert events == []
