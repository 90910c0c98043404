"""OpenVINO's parts against torch's: the same music from the same seeds, converted once, and never out of date."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from musicldm import MusicLDMPipeline
from musicldm.errors import InvalidInputError, MissingDependencyError
from musicldm.sampling.speed import quantization
from tests.tolerances import half_waves, scores, waves

pytestmark = [
    pytest.mark.skipif(find_spec("openvino") is None, reason="extra openvino"),
    pytest.mark.skipif(
        "ONEDNN_MAX_CPU_ISA" in os.environ,
        reason="OpenVINO asks the processor itself and misses the kernels that its own oneDNN is then forbidden",
    ),
]
SHORT_REHEARSAL = ((4, ("techno with synths, 128 BPM", "ambient pads")),)
"""Enough to fit the ranges of a model this small: all levels of noise."""

CASES: list[dict[str, Any]] = [
    {"audio_length_in_s": 0.64},
    {"audio_length_in_s": 0.5, "num_waveforms_per_prompt": 3},  # frames that the levels do not divide; other rows
    {"audio_length_in_s": 1.0, "cache_interval": 2, "guidance_interval": (0.3, 1.0)},
    {"audio_length_in_s": 0.64, "scheduler": "euler", "guidance_scale": 1.0},  # timesteps that are no whole numbers
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("openvino")


@pytest.fixture(scope="module")
def plain(tiny_model_dir: Path) -> MusicLDMPipeline:
    pipe = MusicLDMPipeline.from_pretrained(tiny_model_dir)
    pipe.set_progress_bar_config(disable=True)
    return pipe


@pytest.fixture(scope="module")
def fast(plain: MusicLDMPipeline, folder: Path) -> MusicLDMPipeline:
    pipe = MusicLDMPipeline(**plain.components)
    pipe.set_progress_bar_config(disable=True)
    pipe.enable_openvino(torch.float32, folder)
    return pipe


def play(pipe: Any, **options: Any) -> Any:
    options = {"num_inference_steps": 4, "negative_prompt": "noisy", **options}
    return pipe("happy techno", generator=torch.Generator().manual_seed(3), **options)


@pytest.mark.parametrize("options", CASES, ids=lambda options: "-".join(options))
def test_openvino_makes_the_music_that_torch_makes(
    plain: MusicLDMPipeline, fast: MusicLDMPipeline, options: dict[str, Any]
) -> None:
    wanted, made = play(plain, **options), play(fast, **options)
    assert made.audios.shape == wanted.audios.shape
    assert np.abs(wanted.audios).max() > 0.01
    np.testing.assert_allclose(made.audios, wanted.audios, rtol=0, atol=waves(steps=4))
    np.testing.assert_allclose(made.scores, wanted.scores, rtol=0, atol=scores(steps=4))


def test_calls_in_threads_make_what_they_make_in_a_row(fast: MusicLDMPipeline) -> None:
    def work(number: int) -> Any:
        return play(fast, audio_length_in_s=0.64, cache_interval=1 + number % 2).audios

    expected = [work(number) for number in range(2)]
    with ThreadPoolExecutor(4) as pool:
        for number, made in enumerate(pool.map(work, range(8))):
            assert np.array_equal(made, expected[number % 2])


def test_the_modules_of_torch_compute_nothing_meanwhile(fast: MusicLDMPipeline) -> None:
    ran: list[str] = []
    parts = {"unet": fast.unet, "vae": fast.vae.decoder, "vocoder": fast.vocoder}
    handles = [part.register_forward_hook(lambda *_, name=name: ran.append(name)) for name, part in parts.items()]
    play(fast)
    for handle in handles:
        handle.remove()
    assert ran == []


def test_half_precision_is_near_float32(plain: MusicLDMPipeline, folder: Path) -> None:
    pipe = MusicLDMPipeline(**plain.components)
    pipe.set_progress_bar_config(disable=True)
    pipe.enable_openvino(torch.bfloat16, folder)
    assert (pipe.compute_dtype, plain.compute_dtype) == (torch.bfloat16, torch.float32)
    wanted, made = play(plain).audios, play(pipe).audios
    assert np.sqrt(np.square(made - wanted).mean()) < half_waves(steps=4) * np.sqrt(np.square(wanted).mean())


@pytest.fixture(scope="module")
def eight_bits(plain: MusicLDMPipeline, fast: MusicLDMPipeline, folder: Path) -> MusicLDMPipeline:
    if find_spec("nncf") is None:
        pytest.skip("extra int8")
    pipe = MusicLDMPipeline(**plain.components)
    pipe.set_progress_bar_config(disable=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(quantization, "REHEARSAL", SHORT_REHEARSAL)
        pipe.enable_openvino(torch.int8, folder)
    return pipe


def test_eight_bits_are_near_float32_and_not_equal(plain: MusicLDMPipeline, eight_bits: MusicLDMPipeline) -> None:
    assert eight_bits.compute_dtype == torch.int8
    for options in CASES:
        wanted, made = (play(pipe, output_type="latent", **options).audios for pipe in (plain, eight_bits))
        apart = (made - wanted).square().mean().sqrt() / wanted.square().mean().sqrt()
        assert 1e-3 < apart < 0.2, options


def test_the_products_of_the_unet_are_of_eight_bits(eight_bits: MusicLDMPipeline) -> None:
    play(eight_bits, cache_interval=2)
    for network in eight_bits._openvino.denoiser.networks:
        info = [node.get_rt_info() for node in network.compiled()[0].get_runtime_model().get_ops()]
        kinds = [
            str(one["runtimePrecision"].astype(str))
            for one in info
            if "onvolution" in str(one["layerType"].astype(str))
        ]
        assert sum(kind in ("i8", "u8") for kind in kinds) > len(kinds) / 2


def test_what_reads_prompt_and_noise_level_keeps_its_bits(eight_bits: MusicLDMPipeline) -> None:
    ops = eight_bits._openvino.denoiser.networks[0].operations()
    names = [op.get_friendly_name() for op in ops if op.get_type_name() == "FakeQuantize"]
    assert any("resnets" in name for name in names)
    assert [name for name in names if re.search("time_emb|class_embedding|conv_in|conv_out", name)] == []


def test_the_unet_is_quantised_once_and_then_without_nncf(
    plain: MusicLDMPipeline, eight_bits: MusicLDMPipeline, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = play(eight_bits).audios
    monkeypatch.setitem(sys.modules, "nncf", None)
    again = MusicLDMPipeline(**plain.components)
    again.set_progress_bar_config(disable=True)
    monkeypatch.setattr(again, "_rehearse", lambda parts: pytest.fail("it rehearses again"))
    again.enable_openvino(torch.int8, folder)
    assert np.array_equal(play(again).audios, wanted)


def test_without_nncf_its_command_is_named_and_the_engine_stays(
    plain: MusicLDMPipeline, fast: MusicLDMPipeline, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    converted = shutil.copytree(folder, tmp_path / "converted", ignore=shutil.ignore_patterns("*int8*"))
    monkeypatch.setattr(quantization, "REHEARSAL", SHORT_REHEARSAL)
    monkeypatch.setitem(sys.modules, "nncf", None)
    pipe = MusicLDMPipeline(**plain.components)
    pipe.set_progress_bar_config(disable=True)
    with pytest.raises(MissingDependencyError, match=r'pip install "musicldm\[int8\]"'):
        pipe.enable_openvino(torch.int8, converted)
    assert pipe.compute_dtype == torch.float32


def test_a_part_is_converted_once_for_the_same_weights(
    plain: MusicLDMPipeline, fast: MusicLDMPipeline, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import openvino

    wanted = play(fast).audios
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*.*")}
    assert sorted({path.name for path in before if path.is_file() and "int8" not in path.name}) == sorted(
        f"{name}.{kind}" for name in ("unet", "unet_outermost", "vae", "vocoder") for kind in ("bin", "xml")
    )

    def convert(*_: Any, **__: Any) -> None:
        pytest.fail("it is converted again")

    monkeypatch.setattr(openvino, "convert_model", convert)
    again = MusicLDMPipeline(**plain.components)
    again.set_progress_bar_config(disable=True)
    again.enable_openvino(torch.float32, folder)
    assert np.array_equal(play(again).audios, wanted)
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*.*")} == before


def test_a_conversion_that_fails_leaves_nothing_that_counts_as_done(
    plain: MusicLDMPipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import openvino

    def full(*_: Any, **__: Any) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr(openvino, "save_model", full)
    pipe = MusicLDMPipeline(**plain.components)
    with pytest.raises(OSError, match="No space"):
        pipe.enable_openvino(torch.float32, tmp_path)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
    assert pipe.compute_dtype == torch.float32


def test_weights_that_changed_are_noticed(tiny_model_dir: Path, folder: Path) -> None:
    pipe = MusicLDMPipeline.from_pretrained(tiny_model_dir)
    pipe.set_progress_bar_config(disable=True)
    pipe.enable_openvino(torch.float32, folder)
    with torch.no_grad():
        pipe.unet.conv_out.weight.mul_(2)
    with pytest.raises(InvalidInputError, match="weights have changed since enable_openvino"):
        play(pipe)
    pipe.disable_openvino()
    assert np.isfinite(play(pipe).audios).all()


def test_a_model_that_was_moved_elsewhere_is_noticed(plain: MusicLDMPipeline, folder: Path) -> None:
    pipe = MusicLDMPipeline(**plain.components)
    pipe.enable_openvino(torch.float32, folder)
    parts = pipe._openvino
    parts._modules = (torch.nn.Linear(1, 1, device="meta"),)
    parts._modules[0].device = torch.device("meta")
    with pytest.raises(InvalidInputError, match="the model is elsewhere: call disable_openvino"):
        play(pipe)


def test_what_openvino_cannot_compute_is_refused(fast: MusicLDMPipeline, tiny_model_dir: Path, tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="unknown dtype of OpenVINO"):
        fast.enable_openvino(torch.float16, tmp_path)
    with pytest.raises(InvalidInputError, match="cross_attention_kwargs"):
        play(fast, cross_attention_kwargs={"scale": 1.0})
    half = MusicLDMPipeline.from_pretrained(tiny_model_dir, dtype=torch.bfloat16)
    with pytest.raises(InvalidInputError, match="weights in float32"):
        half.enable_openvino(torch.float32, tmp_path)


def test_without_the_package_its_command_is_named(plain: MusicLDMPipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(MissingDependencyError, match=r'pip install "musicldm\[openvino\]"'):
        MusicLDMPipeline(**plain.components).enable_openvino()


@pytest.mark.skipif(find_spec("nncf") is None, reason="extra int8")
def test_openvino_and_nncf_load_no_telemetry() -> None:
    """In a process of its own: what other tests import may have brought the package already."""
    program = "import sys; from musicldm.sampling.speed.openvino_networks import runtime; runtime(); import nncf; "
    program += "print(sys.modules['openvino_telemetry'])"
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "None"
