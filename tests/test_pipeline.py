"""What a call of the pipeline does, on a tiny model of the real classes."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr
from dataclasses import replace
from pathlib import Path
from typing import Any

import accelerate
import diffusers
import numpy as np
import pytest
import torch
from diffusers.callbacks import PipelineCallback, SDCFGCutoffCallback
from diffusers.schedulers import KarrasDiffusionSchedulers

from musicldm import MusicLDMOutput, MusicLDMPipeline
from musicldm.audio.resampling import resample
from musicldm.model import decoding
from musicldm.model.clap import Clap
from musicldm.model.vae import Vae
from musicldm.model.vocoder import HifiGan
from musicldm.sampling.schedulers import SCHEDULERS
from tests import tolerances

SAMPLES = 10240
LATENTS = (1, 8, 16, 16)


@pytest.fixture(scope="module")
def shared(tiny_model_dir: Path) -> MusicLDMPipeline:
    pipeline = MusicLDMPipeline.from_pretrained(tiny_model_dir)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


@pytest.fixture
def pipe(shared: MusicLDMPipeline) -> MusicLDMPipeline:
    """A pipeline of its own on shared parts, with a scheduler that a test may change."""
    pipeline = MusicLDMPipeline(**shared.components)
    pipeline.set_scheduler("ddim")
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


# Results


def test_a_prompt_becomes_a_wave_of_the_checkpoints_own_length_with_score_and_seed(pipe: Any) -> None:
    result = pipe("happy techno")
    assert isinstance(result, MusicLDMOutput)
    assert (result.audios.shape, result.audios.dtype) == ((1, SAMPLES), np.float32)
    assert 0.01 < np.abs(result.audios).max() <= 1
    assert len(result.scores) == len(result.seeds) == 1
    assert -1 <= result.scores[0] <= 1


def test_another_prompt_and_another_seed_sound_different(pipe: Any) -> None:
    one = pipe("happy techno", generator=seeded()).audios
    assert np.abs(one - pipe("sad jazz", generator=seeded()).audios).max() > 0.01
    assert np.abs(one - pipe("happy techno", generator=seeded(1)).audios).max() > 0.01


def test_without_a_generator_each_audio_can_be_made_again_from_its_reported_seed(pipe: Any) -> None:
    first = pipe(["happy techno", "sad jazz"], num_waveforms_per_prompt=2)
    for index, seed in enumerate(first.seeds):
        again = pipe(["happy techno", "sad jazz"][index // 2], generator=[seeded(seed)])
        assert again.audios[0] == pytest.approx(first.audios[index], abs=tolerances.waves())
        assert again.scores[0] == pytest.approx(first.scores[index], abs=tolerances.scores())


def test_seeds_repeat_noise_that_is_drawn_between_the_steps_too(pipe: Any) -> None:
    first = pipe("happy techno", num_waveforms_per_prompt=2, scheduler="euler_a", num_inference_steps=3)
    again = pipe("happy techno", generator=[seeded(first.seeds[1])], scheduler="euler_a", num_inference_steps=3)
    assert again.audios[0] == pytest.approx(first.audios[1], abs=tolerances.waves(3))


def test_results_stay_grouped_by_prompt_and_are_ranked_within(pipe: Any) -> None:
    prompts = ["happy techno", "sad jazz"]
    seeds = [3, 4, 5, 6, 7, 8]
    result = pipe(prompts, num_waveforms_per_prompt=3, generator=[seeded(seed) for seed in seeds])
    assert set(result.seeds[:3]) == {3, 4, 5}
    assert set(result.seeds[3:]) == {6, 7, 8}
    for group in (result.scores[:3], result.scores[3:]):
        assert group == sorted(group, reverse=True)


def test_memory_of_parts_that_are_done_is_given_back(pipe: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    given, layered = [], []

    @contextmanager
    def layers(module: object) -> Iterator[None]:
        layered.append(module)
        yield

    monkeypatch.setattr("musicldm.pipeline.give_back", given.append)
    monkeypatch.setattr("musicldm.pipeline.layer_by_layer", layers)
    pipe("happy techno", num_inference_steps=2)
    assert layered == [pipe.text_encoder] * 2, "its two towers are needed at the beginning and at the end"
    assert set(given) == {pipe.text_encoder, pipe.unet, pipe.vocoder}


def test_memory_that_loading_leaves_is_given_back(tiny_model_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    happened: list[object] = []
    monkeypatch.setattr("musicldm.model.pretrained.give_back", happened.append)
    loaded = MusicLDMPipeline.from_pretrained(str(tiny_model_dir), dtype=torch.bfloat16)
    assert happened == [loaded.unet]


@pytest.mark.parametrize(
    "dtype", [torch.bfloat16, {"unet": torch.float16, "vae": torch.bfloat16, "default": torch.float32}]
)
def test_half_precision_is_what_diffusers_loads(
    dtype: Any, tiny_model_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = MusicLDMPipeline.from_pretrained(str(tiny_model_dir), dtype=dtype)
    monkeypatch.setattr("musicldm.model.pretrained.stored_in_float32", lambda folder: False)
    theirs = MusicLDMPipeline.from_pretrained(str(tiny_model_dir), dtype=dtype)
    for part in ("unet", "vae", "vocoder", "text_encoder"):
        loaded, expected = getattr(mine, part).state_dict(), getattr(theirs, part).state_dict()
        assert loaded.keys() == expected.keys()
        assert all(loaded[name].dtype == expected[name].dtype for name in expected)
        assert all(torch.equal(loaded[name], expected[name]) for name in expected)


def test_a_score_is_the_cosine_of_claps_own_logits(pipe: Any) -> None:
    result = pipe("happy techno", audio_length_in_s=5.0)
    tokens = pipe.tokenizer("happy techno", return_tensors="pt")
    extractor = pipe.feature_extractor
    wave = resample(result.audios[0], 16000, extractor.sampling_rate)
    features = extractor(wave, sampling_rate=extractor.sampling_rate, return_tensors="pt")["input_features"]
    with torch.no_grad():
        logits = pipe.text_encoder(**tokens, input_features=features).logits_per_text
        cosine = logits / pipe.text_encoder.logit_scale_t.exp()
    assert result.scores[0] == pytest.approx(cosine.item(), abs=2 * tolerances.embeddings())


def test_a_checkpoint_that_cannot_score_keeps_the_order_and_says_none(pipe: Any) -> None:
    pipe.feature_extractor = None
    result = pipe("happy techno", num_waveforms_per_prompt=3, generator=[seeded(seed) for seed in (5, 6, 7)])
    assert result.scores is None
    assert result.seeds == [5, 6, 7]


def test_output_types_hold_the_same_wave(pipe: Any) -> None:
    wave = pipe("happy techno", generator=seeded()).audios
    tensor = pipe("happy techno", generator=seeded(), output_type="pt").audios
    assert isinstance(tensor, torch.Tensor)
    assert np.array_equal(tensor.numpy(), wave)
    latents = pipe("happy techno", generator=seeded(), output_type="latent")
    assert latents.audios.shape == LATENTS
    assert latents.scores is None
    decoded = decoding.VaeAndVocoder(Vae(pipe.vae), HifiGan(pipe.vocoder), 4)(latents.audios, SAMPLES)
    assert np.abs(decoded.detach().numpy() - wave).max() < tolerances.waves(0)


def test_without_a_dictionary_the_result_is_a_tuple_of_the_audios_as_upstream(pipe: Any) -> None:
    (audios,) = pipe("happy techno", generator=seeded(), return_dict=False)
    assert np.array_equal(audios, pipe("happy techno", generator=seeded()).audios)
    (latents,) = pipe("happy techno", generator=seeded(), return_dict=False, output_type="latent")
    assert latents.shape == LATENTS


# Arguments


@pytest.mark.parametrize("seconds", [0.64, 0.3, 0.0371, 0.001])
def test_a_wave_has_exactly_the_length_that_was_asked_for(pipe: Any, seconds: float) -> None:
    assert pipe("happy techno", audio_length_in_s=seconds).audios.shape == (1, round(seconds * 16000))


def test_a_length_beyond_the_training_is_a_warning_and_still_made(pipe: Any) -> None:
    with pytest.warns(UserWarning, match=r"audio_length_in_s is 10\.3: this model was trained on clips of 10\.24 s"):
        assert pipe("happy techno", audio_length_in_s=10.3, num_inference_steps=1).audios.shape == (1, 164_800)


def test_the_empty_prompt_is_unconditional(pipe: Any) -> None:
    # With the same condition on both sides guidance cancels out, whatever its scale.
    plain = pipe("", generator=seeded(), guidance_scale=1.0).audios
    assert np.abs(pipe("", generator=seeded(), guidance_scale=7.5).audios - plain).max() < tolerances.waves(2, 7.5)


def test_a_negative_prompt_changes_the_result_and_the_empty_one_does_not(pipe: Any) -> None:
    plain = pipe("happy techno", generator=seeded()).audios
    assert (
        np.abs(pipe("happy techno", generator=seeded(), negative_prompt="").audios - plain).max() < tolerances.waves()
    )
    assert np.abs(pipe("happy techno", generator=seeded(), negative_prompt="low noisy").audios - plain).max() > 0.01


def test_a_single_negative_prompt_serves_all_prompts(pipe: Any) -> None:
    prompts = ["happy techno", "sad jazz"]
    one = pipe(prompts, generator=seeded(), negative_prompt="noisy").audios
    both = pipe(prompts, generator=seeded(), negative_prompt=["noisy", "noisy"]).audios
    assert np.array_equal(one, both)


def test_negative_prompts_play_no_part_without_guidance(pipe: Any) -> None:
    plain = pipe("happy techno", generator=seeded(), guidance_scale=1.0).audios
    negative = pipe("happy techno", generator=seeded(), guidance_scale=1.0, negative_prompt="noisy").audios
    assert np.array_equal(plain, negative)


def test_embeddings_in_place_of_prompts_give_the_same_waves_and_scores(pipe: Any) -> None:
    embeddings = Clap(pipe.text_encoder, pipe.tokenizer).embed_texts(["happy techno", "noisy"])
    asked = pipe("happy techno", negative_prompt="noisy", generator=seeded())
    given = pipe(prompt_embeds=embeddings[:1], negative_prompt_embeds=embeddings[1:], generator=seeded())
    assert np.abs(asked.audios - given.audios).max() < tolerances.waves()
    assert given.scores == pytest.approx(asked.scores, abs=tolerances.scores())
    mixed = pipe("happy techno", negative_prompt_embeds=embeddings[1:], generator=seeded())
    assert np.abs(asked.audios - mixed.audios).max() < tolerances.waves()


def test_given_latents_take_the_place_of_the_generator(pipe: Any) -> None:
    noise = torch.randn(LATENTS, generator=seeded(9))
    given = pipe("happy techno", latents=noise, generator=seeded(1)).audios
    assert np.array_equal(given, pipe("happy techno", latents=noise, generator=seeded(2)).audios)
    assert np.array_equal(given, pipe("happy techno", generator=seeded(9)).audios)


def test_the_checkpoints_settings_are_used_where_nothing_is_said(pipe: Any) -> None:
    steps: list[int] = []
    pipe("happy techno", callback=lambda step, timestep, latents: steps.append(step))
    assert steps == [0, 1]
    said = pipe("happy techno", generator=seeded(), num_inference_steps=2, guidance_scale=2.0, audio_length_in_s=0.64)
    assert np.array_equal(said.audios, pipe("happy techno", generator=seeded()).audios)


def test_a_second_pipeline_on_the_same_parts_shares_them_and_the_settings(shared: Any, pipe: Any) -> None:
    assert all(getattr(pipe, name) is getattr(shared, name) for name in ("unet", "vae", "vocoder", "text_encoder"))
    assert pipe.generation_defaults == shared.generation_defaults
    assert pipe.generation_defaults.num_inference_steps == 2


def test_attention_arguments_reach_the_unet(pipe: Any) -> None:
    heard: list[Any] = []
    handle = pipe.unet.register_forward_pre_hook(
        lambda module, args, kwargs: heard.append(kwargs["cross_attention_kwargs"]), with_kwargs=True
    )
    pipe("happy techno", cross_attention_kwargs={"scale": 0.5})
    handle.remove()
    assert heard == [{"scale": 0.5}] * 2


# Schedulers


@pytest.mark.parametrize("name", SCHEDULERS)
def test_every_short_name_makes_a_sounding_wave(pipe: Any, name: str) -> None:
    pipe.set_scheduler(name)
    audios = pipe("happy techno", num_inference_steps=3, audio_length_in_s=0.16, generator=seeded()).audios
    assert np.isfinite(audios).all()
    assert 0.01 < audios.std() < 0.5


@pytest.mark.parametrize(
    "name", sorted(member.name for member in KarrasDiffusionSchedulers if member.name != "DPMSolverSDEScheduler")
)
def test_every_scheduler_of_diffusers_can_be_swapped_in_by_class(pipe: Any, name: str) -> None:
    pipe.scheduler = getattr(diffusers, name).from_config(pipe.scheduler.config)
    assert np.isfinite(pipe("happy techno", num_inference_steps=5, audio_length_in_s=0.16).audios).all()


def test_a_scheduler_for_one_call_does_not_stay(pipe: Any) -> None:
    before = pipe.scheduler
    once = pipe("happy techno", scheduler="dpmsolver++", num_inference_steps=4, generator=seeded()).audios
    assert pipe.scheduler is before
    pipe.set_scheduler("dpmsolver++")
    assert np.array_equal(once, pipe("happy techno", num_inference_steps=4, generator=seeded()).audios)


# Callbacks


def test_the_old_callback_is_called_every_so_many_steps_with_latents(pipe: Any) -> None:
    calls: list[tuple[int, tuple[int, ...]]] = []
    pipe(
        "happy techno",
        num_inference_steps=5,
        callback=lambda step, timestep, latents: calls.append((step, tuple(latents.shape))),
        callback_steps=2,
    )
    assert calls == [(0, LATENTS), (2, LATENTS), (4, LATENTS)]


def test_a_step_callback_sees_the_pipeline_and_changes_the_latents(pipe: Any) -> None:
    seen: list[tuple[bool, int, int]] = []

    def silence(running: Any, index: int, timestep: torch.Tensor, tensors: dict[str, torch.Tensor]) -> dict[str, Any]:
        seen.append((running is pipe, index, int(timestep)))
        return {"latents": torch.zeros_like(tensors["latents"])}

    latents = pipe("happy techno", callback_on_step_end=silence, output_type="latent").audios
    assert seen == [(True, 0, 501), (True, 1, 1)]
    assert not latents.any()


def test_a_step_callback_may_give_nothing_back(pipe: Any) -> None:
    plain = pipe("happy techno", generator=seeded()).audios
    assert np.array_equal(pipe("happy techno", generator=seeded(), callback_on_step_end=lambda *_: None).audios, plain)


def test_a_step_callback_changes_the_conditions_of_the_next_step(pipe: Any) -> None:
    def swap(running: Any, index: int, timestep: Any, tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        return {
            "prompt_embeds": tensors["negative_prompt_embeds"],
            "negative_prompt_embeds": tensors["prompt_embeds"],
        }

    plain = pipe("happy techno", generator=seeded()).audios
    swapped = pipe(
        "happy techno",
        generator=seeded(),
        callback_on_step_end=swap,
        callback_on_step_end_tensor_inputs=["prompt_embeds", "negative_prompt_embeds"],
    ).audios
    assert np.abs(plain - swapped).max() > 1e-3


def test_diffusers_own_callback_switches_guidance_off_on_the_way(pipe: Any) -> None:
    rows: list[int] = []
    handle = pipe.unet.register_forward_pre_hook(lambda module, args: rows.append(len(args[0])))
    callback: PipelineCallback = SDCFGCutoffCallback(cutoff_step_ratio=None, cutoff_step_index=1)
    pipe("happy techno", num_inference_steps=4, callback_on_step_end=callback)
    handle.remove()
    assert rows == [2, 2, 1, 1]


@pytest.mark.parametrize("interval", [(0.5, 1.0), (0.0, 0.5)])
def test_outside_the_interval_of_guidance_the_unet_sees_no_second_half(
    pipe: Any, interval: tuple[float, float]
) -> None:
    rows: list[int] = []
    hook = pipe.unet.register_forward_pre_hook(lambda module, args: rows.append(len(args[0])))
    levels: list[float] = []
    pipe(
        "jazz",
        num_inference_steps=4,
        guidance_interval=interval,
        callback=lambda step, timestep, latents: levels.append(float(timestep) / 1000),
    )
    hook.remove()
    assert rows == [2 if interval[0] <= level <= interval[1] else 1 for level in levels]
    assert set(rows) == {1, 2}


def test_the_checkpoints_interval_of_guidance_is_used_where_nothing_is_said(pipe: Any) -> None:
    interval = (0.0, 0.5)
    pipe.generation_defaults = replace(pipe.generation_defaults, guidance_interval=interval)
    own = pipe("jazz", num_inference_steps=4, generator=seeded()).audios
    said = pipe("jazz", num_inference_steps=4, generator=seeded(), guidance_interval=interval).audios
    always = pipe("jazz", num_inference_steps=4, generator=seeded(), guidance_interval=(0.0, 1.0)).audios
    assert np.array_equal(own, said)
    assert not np.allclose(own, always, atol=1e-4)


def test_guidance_in_an_interval_is_guidance_that_a_callback_switches_off(pipe: Any) -> None:
    def switch(pipeline: Any, step: int, timestep: Any, tensors: dict[str, Any]) -> dict[str, Any]:
        if step < 3 and pipeline.scheduler.timesteps[step + 1] < 500:
            pipeline._guidance_scale = 1.0
        return {}

    def play(**options: Any) -> Any:
        return pipe("jazz", num_inference_steps=4, guidance_scale=3.0, generator=seeded(), **options).audios

    made, always = play(guidance_interval=(0.5, 1.0)), play()
    assert np.array_equal(made, play(callback_on_step_end=switch))
    assert not np.allclose(made, always, atol=1e-4)
    assert np.array_equal(play(guidance_interval=(0, 1)), always)


def by_call(running: Any) -> None:
    running.interrupt()


def as_diffusers_does(running: Any) -> None:
    running._interrupt = True


@pytest.mark.parametrize("interrupt", [by_call, as_diffusers_does])
def test_an_interrupted_call_stops_after_the_running_step_and_the_next_call_runs_whole(
    pipe: Any, interrupt: Callable[[Any], None]
) -> None:
    steps: list[int] = []

    def stop(running: Any, index: int, timestep: Any, tensors: dict[str, Any]) -> dict[str, Any]:
        steps.append(index)
        if index == 1:
            interrupt(running)
        return tensors

    result = pipe("happy techno", num_inference_steps=6, callback_on_step_end=stop)
    assert steps == [0, 1]
    assert pipe._interrupt
    assert result.audios.shape == (1, SAMPLES)
    steps.clear()
    pipe("happy techno", callback_on_step_end=lambda running, index, *_: steps.append(index) or {})
    assert steps == [0, 1]
    assert not pipe._interrupt


@pytest.mark.parametrize("name", ["ddim", "heun", "pndm"])
def test_the_progress_bar_counts_the_steps_that_were_asked_for(pipe: Any, name: str) -> None:
    pipe.set_progress_bar_config(disable=False)
    heard = io.StringIO()
    with redirect_stderr(heard):
        pipe("happy techno", num_inference_steps=3, scheduler=name)
    assert "3/3" in heard.getvalue()
    pipe.set_progress_bar_config(disable=True)
    heard = io.StringIO()
    with redirect_stderr(heard):
        pipe("happy techno", scheduler=name)
    assert heard.getvalue() == ""


# Memory and precision


@pytest.mark.numeric
def test_decoding_in_pieces_equals_decoding_at_once(pipe: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    rows: list[int] = []
    handle = pipe.vocoder.register_forward_pre_hook(lambda module, args: rows.append(len(args[0])))
    one_by_one = pipe("happy techno", num_waveforms_per_prompt=5, generator=seeded())
    for clips in (2, 5):
        monkeypatch.setattr(decoding, "_clips_at_once", lambda device, seconds, clips=clips: clips)
        together = pipe("happy techno", num_waveforms_per_prompt=5, generator=seeded())
        assert np.abs(one_by_one.audios - together.audios).max() < tolerances.waves()
    handle.remove()
    assert rows == [1, 1, 1, 1, 1, 2, 2, 1, 5]


@pytest.mark.parametrize(("device", "seconds", "clips"), [("cpu", 1, 1), ("cuda", 10.24, 3), ("cuda", 100.0, 1)])
def test_a_cpu_decodes_one_clip_and_a_gpu_a_bounded_length_at_once(device: str, seconds: float, clips: int) -> None:
    assert decoding._clips_at_once(torch.device(device), seconds) == clips


def test_vae_slicing_changes_nothing_and_tiling_little(pipe: Any) -> None:
    plain = pipe(["happy techno", "sad jazz"], generator=seeded()).audios
    pipe.enable_vae_slicing()
    sliced = pipe(["happy techno", "sad jazz"], generator=seeded()).audios
    pipe.disable_vae_slicing()
    assert np.abs(plain - sliced).max() < tolerances.waves()
    pipe.enable_vae_tiling()
    assert max(LATENTS[2:]) > pipe.vae.tile_latent_min_size
    tiled = pipe(["happy techno", "sad jazz"], generator=seeded()).audios
    assert (pipe.vae.use_tiling, pipe.vae.use_slicing) == (False, False), "another pipeline may be using it"
    pipe.disable_vae_tiling()
    assert np.array_equal(pipe(["happy techno", "sad jazz"], generator=seeded()).audios, plain)
    assert tiled.shape == plain.shape
    assert np.corrcoef(tiled.ravel(), plain.ravel())[0, 1] > 0.5


@pytest.mark.numeric
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_gives_float32_waves_close_to_those_of_full(tiny_model_dir: Path, pipe: Any, dtype: Any) -> None:
    half = MusicLDMPipeline.from_pretrained(tiny_model_dir, dtype=dtype)
    half.set_progress_bar_config(disable=True)
    assert {half.unet.dtype, half.vae.dtype, half.text_encoder.dtype, half.vocoder.dtype} == {dtype}
    result, full = half("happy techno", generator=seeded()), pipe("happy techno", generator=seeded())
    assert result.audios.dtype == np.float32
    allowed = tolerances.half_waves({torch.float16: tolerances.FLOAT16, torch.bfloat16: tolerances.BFLOAT16}[dtype])
    assert np.sqrt(np.square(result.audios - full.audios).mean()) < allowed * np.sqrt(np.square(full.audios).mean())
    assert result.scores == pytest.approx(full.scores, abs=2 * allowed)


def test_a_compiled_unet_is_one_graph_and_makes_the_same_waves(tiny_model_dir: Path, pipe: Any) -> None:
    graphs: list[torch.fx.GraphModule] = []

    def backend(graph: torch.fx.GraphModule, _: Any) -> Any:
        graphs.append(graph)
        return graph.forward

    compiled = MusicLDMPipeline.from_pretrained(tiny_model_dir)
    compiled.set_progress_bar_config(disable=True)
    compiled.set_scheduler("ddim")
    compiled.unet.compile(backend=backend, fullgraph=True)
    made = compiled("happy techno", generator=seeded(), num_inference_steps=3).audios
    expected = pipe("happy techno", generator=seeded(), num_inference_steps=3).audios
    np.testing.assert_allclose(made, expected, rtol=0, atol=tolerances.waves(3))
    assert len(graphs) == 1


def test_precision_can_be_changed_afterwards(tiny_model_dir: Path) -> None:
    pipeline = MusicLDMPipeline.from_pretrained(tiny_model_dir, dtype=torch.float16).to(torch.float32)
    pipeline.set_progress_bar_config(disable=True)
    assert pipeline.dtype == torch.float32
    assert np.isfinite(pipeline("happy techno").audios).all()


@pytest.mark.numeric
def test_model_offload_gives_the_same_waves_call_after_call(tiny_model_dir: Path, pipe: Any) -> None:
    offloaded = MusicLDMPipeline.from_pretrained(tiny_model_dir)
    offloaded.set_progress_bar_config(disable=True)
    offloaded.enable_model_cpu_offload(device="cpu")
    expected = pipe("happy techno", generator=seeded(), num_waveforms_per_prompt=2)
    first, second = (offloaded("happy techno", generator=seeded(), num_waveforms_per_prompt=2) for _ in range(2))
    assert np.array_equal(first.audios, second.audios)
    assert first.scores == second.scores == pytest.approx(expected.scores, abs=tolerances.scores())
    # Weights of another load may lie at other addresses, where some processors' kernels round otherwise.
    assert np.abs(first.audios - expected.audios).max() < tolerances.waves()


def test_every_model_runs_behind_its_hook_under_model_offload(tiny_model_dir: Path) -> None:
    offloaded = MusicLDMPipeline.from_pretrained(tiny_model_dir)
    offloaded.set_progress_bar_config(disable=True)
    offloaded.enable_model_cpu_offload(device="cpu")
    woken: list[str] = []
    for name in ("text_encoder", "unet", "vae", "vocoder"):
        hook = getattr(offloaded, name)._hf_hook

        def wake(*args: Any, _name: str = name, _original: Any = hook.pre_forward, **kwargs: Any) -> Any:
            woken.append(_name)
            return _original(*args, **kwargs)

        hook.pre_forward = wake
    offloaded("happy techno", num_inference_steps=1)
    assert list(dict.fromkeys(woken)) == ["text_encoder", "unet", "vae", "vocoder"]
    assert woken[-1] == "text_encoder", "the audio tower ranks at the end"


@pytest.mark.numeric
def test_sequential_offload_gives_the_same_waves_and_keeps_weights_away(tiny_model_dir: Path, pipe: Any) -> None:
    offloaded = MusicLDMPipeline.from_pretrained(tiny_model_dir)
    offloaded.set_progress_bar_config(disable=True)
    models = [part for part in offloaded.components.values() if isinstance(part, torch.nn.Module)]
    for model in models:
        # What enable_sequential_cpu_offload does for each, which itself insists on an accelerator's device.
        accelerate.cpu_offload(model, torch.device("cpu"), offload_buffers=True)
    expected = pipe("happy techno", generator=seeded())
    for _ in range(2):
        result = offloaded("happy techno", generator=seeded())
        assert np.array_equal(result.audios, expected.audios)
        assert result.scores == expected.scores
    assert all(weight.is_meta for model in models for weight in model.parameters())


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("way", ["to", "enable_model_cpu_offload", "enable_sequential_cpu_offload"])
def test_a_gpu_gives_the_same_waves_as_the_cpu(
    tiny_model_dir: Path, pipe: Any, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)  # which rounds a convolution's inputs to 11 bits
    pipeline = MusicLDMPipeline.from_pretrained(tiny_model_dir)
    pipeline.set_progress_bar_config(disable=True)
    getattr(pipeline, way)(device="cuda")
    result = pipeline(["happy techno", "sad jazz"], generator=seeded(), num_waveforms_per_prompt=2)
    expected = pipe(["happy techno", "sad jazz"], generator=seeded(), num_waveforms_per_prompt=2)
    assert np.abs(result.audios - expected.audios).max() < 1e-3
