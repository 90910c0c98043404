"""A model has every weight from its files: what they lack, have too many, or have of another shape is named."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file

from musicldm import CheckpointError, MusicLDMPipeline
from musicldm.evaluation.codec import Codec
from musicldm.listeners.embedders import open_embedder
from musicldm.model.lora import read_lora
from musicldm.model.parts import load_part
from musicldm.model.weights import fill, load_model
from musicldm.training.assemble import CLASSES

FILES = {
    "unet": "diffusion_pytorch_model.safetensors",
    "vae": "diffusion_pytorch_model.safetensors",
    "vocoder": "model.safetensors",
    "text_encoder": "model.safetensors",
}
Tensors = dict[str, torch.Tensor]


@pytest.fixture
def model(tiny_model_dir: Path, tmp_path: Path) -> Path:
    """A copy of the tiny model that a test may change."""
    return Path(shutil.copytree(tiny_model_dir, tmp_path / "model"))


def change(file: Path, how: Callable[[Tensors], Tensors]) -> None:
    save_file(how(load_file(file)), file, metadata={"format": "pt"})


def half(tensors: Tensors) -> Tensors:
    return {name: tensors[name] for name in sorted(tensors)[: len(tensors) // 2]}


def without_one(tensors: Tensors) -> Tensors:
    return {name: value for name, value in tensors.items() if name != weights_of(tensors)[0]}


def nothing(tensors: Tensors) -> Tensors:
    return {}


def one_more(tensors: Tensors) -> Tensors:
    return {**tensors, "something.else": torch.zeros(2)}


def another_shape(tensors: Tensors) -> Tensors:
    name = weights_of(tensors)[0]
    return {**tensors, name: torch.zeros(*tensors[name].shape, 1)}


def weights_of(tensors: Tensors) -> list[str]:
    return sorted(name for name in tensors if name.endswith(".weight"))


HARMS: dict[Callable[[Tensors], Tensors], str] = {
    half: r"holds other weights than those of a \w+: it lacks [\w.]+, [\w.]+, [\w.]+ and \d+ more$",
    without_one: r"holds other weights than those of a \w+: it lacks [\w.]+\.weight$",
    nothing: r"holds other weights than those of a \w+: it lacks [\w.]+, [\w.]+, [\w.]+ and \d+ more$",
    one_more: r"holds other weights than those of a \w+: it has beside them something\.else$",
    another_shape: r"holds other weights than those of a \w+: [\w.]+\.weight is \([\d, ]+\), not \([\d, ]+\)$",
}


@pytest.mark.parametrize("harm", HARMS)
@pytest.mark.parametrize("part", FILES)
def test_a_part_with_other_tensors_than_its_own_is_named_with_the_tensor(
    model: Path, part: str, harm: Callable[[Tensors], Tensors]
) -> None:
    change(model / part / FILES[part], harm)
    with pytest.raises(CheckpointError, match=HARMS[harm]) as raised:
        MusicLDMPipeline.from_pretrained(model)
    assert str(raised.value).startswith(str(model / part))
    assert "\n" not in str(raised.value)
    with pytest.raises(CheckpointError, match=HARMS[harm]):
        load_part(CLASSES[part], model, part)


@pytest.mark.parametrize(
    "options",
    [
        {"low_cpu_mem_usage": False},
        {"dtype": torch.bfloat16},
        {"torch_dtype": torch.float16},
        {"use_safetensors": True},
        {"device_map": "cpu"},
    ],
    ids=lambda options: next(iter(options)),
)
@pytest.mark.parametrize("part", ["vocoder", "unet"])
def test_no_option_of_loading_lets_a_missing_tensor_pass(model: Path, part: str, options: dict[str, Any]) -> None:
    MusicLDMPipeline.from_pretrained(model, **options)
    change(model / part / FILES[part], without_one)
    with pytest.raises(CheckpointError, match=r"it lacks [\w.]+\.weight$"):
        MusicLDMPipeline.from_pretrained(model, **options)


def test_a_part_that_the_caller_brings_is_not_looked_for(model: Path) -> None:
    whole = MusicLDMPipeline.from_pretrained(model)
    change(model / "vocoder" / FILES["vocoder"], half)
    assert MusicLDMPipeline.from_pretrained(model, vocoder=whole.vocoder).vocoder is whole.vocoder


@pytest.mark.parametrize("part", ["text_encoder", "unet"])
def test_weights_in_several_files_are_checked_file_by_file(model: Path, part: str) -> None:
    folder = model / part
    whole = load_model(CLASSES[part], folder)
    (folder / FILES[part]).unlink()
    whole.save_pretrained(folder, max_shard_size="40KB")
    shards = sorted(folder.glob("*-of-*.safetensors"))
    assert len(shards) > 1
    again = load_model(CLASSES[part], folder)
    assert all(torch.equal(value, again.state_dict()[name]) for name, value in whole.state_dict().items())
    change(shards[-1], without_one)
    with pytest.raises(CheckpointError, match=r"it lacks [\w.]+\.weight$"):
        MusicLDMPipeline.from_pretrained(model)
    shards[-1].unlink()
    with pytest.raises(CheckpointError, match=shards[-1].name):
        MusicLDMPipeline.from_pretrained(model)


@pytest.mark.parametrize(("part", "name"), [("vocoder", "pytorch_model.bin"), ("vae", "diffusion_pytorch_model.bin")])
def test_a_file_of_pytorch_is_checked_too(model: Path, part: str, name: str) -> None:
    tensors = load_file(model / part / FILES[part])
    (model / part / FILES[part]).unlink()
    torch.save(tensors, model / part / name)
    MusicLDMPipeline.from_pretrained(model)
    torch.save(without_one(tensors), model / part / name)
    with pytest.raises(CheckpointError, match=r"it lacks [\w.]+\.weight$"):
        MusicLDMPipeline.from_pretrained(model)


def test_a_variant_is_checked_where_a_part_has_one(model: Path) -> None:
    plain, half_precision = (model / "unet" / f"diffusion_pytorch_model{end}.safetensors" for end in ("", ".fp16"))
    plain.rename(half_precision)
    MusicLDMPipeline.from_pretrained(model, variant="fp16")
    change(half_precision, without_one)
    with pytest.raises(CheckpointError, match=r"it lacks [\w.]+\.weight$"):
        MusicLDMPipeline.from_pretrained(model, variant="fp16")


def test_an_index_that_names_no_model_class_is_refused(model: Path) -> None:
    index = json.loads((model / "model_index.json").read_text())
    for wrong in (["transformers", "AutoTokenizer"], ["os", "system"], ["diffusers", "NoSuchModel"]):
        (model / "model_index.json").write_text(json.dumps({**index, "unet": wrong}))
        with pytest.raises(CheckpointError, match=rf"unet is {wrong[0]}\.{wrong[1]}, no model of diffusers"):
            MusicLDMPipeline.from_pretrained(model)


# What differs between versions and is no difference


@pytest.mark.parametrize("end", ["position_ids", "token_type_ids", "relative_position_index", "num_batches_tracked"])
def test_buffers_that_follow_from_the_configuration_may_be_missing(model: Path, end: str) -> None:
    whole = load_part(transformers.ClapModel, model, "text_encoder").state_dict()
    file = model / "text_encoder" / FILES["text_encoder"]
    assert any(name.endswith(end) for name in whole)
    change(file, lambda tensors: {name: value for name, value in tensors.items() if not name.endswith(end)})
    again = load_part(transformers.ClapModel, model, "text_encoder").state_dict()
    assert all(torch.equal(value, again[name]) for name, value in whole.items())


def test_a_text_tower_is_loaded_from_a_whole_clap_and_a_whole_clap_from_no_text_tower(model: Path) -> None:
    folder = model / "text_encoder"
    config = transformers.ClapConfig.from_pretrained(folder)
    tower = load_model(transformers.ClapTextModelWithProjection, folder)
    whole = load_model(transformers.ClapModel, folder).state_dict()
    assert all(torch.equal(value, whole[name]) for name, value in tower.state_dict().items())
    tower.save_pretrained(folder)
    load_model(transformers.ClapTextModelWithProjection, folder)
    with pytest.raises(CheckpointError, match=r"of a ClapModel: it lacks audio_model\."):
        load_model(transformers.ClapModel, folder, config=config)


@pytest.mark.parametrize("ends", [("_g", "_v"), ("s.original0", "s.original1")])
def test_a_vocoder_with_norms_and_directions_apart_is_the_same_vocoder(model: Path, ends: tuple[str, str]) -> None:
    plain = load_part(transformers.SpeechT5HifiGan, model, "vocoder")
    mel = torch.randn(2, 20, 64, generator=torch.Generator().manual_seed(0))
    names = [f"{end}" if end[0] == "_" else f"parametrization{end[0]}.weight{end[1:]}" for end in ends]

    def taken_apart(tensors: Tensors) -> Tensors:
        out = {}
        for name, value in tensors.items():
            if name.endswith(".weight"):
                norm = value.flatten(1).norm(dim=1).reshape(-1, *[1] * (value.dim() - 1))
                layer = name.removesuffix("weight")
                keys = [layer + ("weight" + one if one[0] == "_" else one) for one in names]
                # A direction of any length will do.
                out |= {keys[0]: norm, keys[1]: 3 * value}
            else:
                out[name] = value
        return out

    change(model / "vocoder" / FILES["vocoder"], taken_apart)
    again = MusicLDMPipeline.from_pretrained(model).vocoder
    with torch.inference_mode():
        torch.testing.assert_close(again(mel), plain(mel), rtol=1e-4, atol=1e-5)
    change(
        model / "vocoder" / FILES["vocoder"],
        lambda tensors: {name: value for name, value in tensors.items() if not name.startswith("conv_post.")},
    )
    with pytest.raises(CheckpointError, match=r"it lacks conv_post\.bias, conv_post\.weight$"):
        MusicLDMPipeline.from_pretrained(model)


def test_an_old_vae_with_other_names_of_its_attention_loads(tmp_path: Path) -> None:
    vae = diffusers.AutoencoderKL(block_out_channels=(4,), norm_num_groups=2, latent_channels=2)
    vae.save_pretrained(tmp_path)
    old = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}

    def renamed(tensors: Tensors) -> Tensors:
        for new, before in old.items():
            tensors = {
                name.replace(f"attentions.0.{new}.", f"attentions.0.{before}."): v for name, v in tensors.items()
            }
        return tensors

    assert any(".to_q." in name for name in vae.state_dict())
    change(tmp_path / FILES["vae"], renamed)
    again = load_model(diffusers.AutoencoderKL, tmp_path)
    assert all(torch.equal(value, again.state_dict()[name]) for name, value in vae.state_dict().items())


# Other ways in


def test_an_embedder_or_a_codec_that_lacks_tensors_is_refused(model: Path) -> None:
    change(model / "text_encoder" / FILES["text_encoder"], half)
    with pytest.raises(CheckpointError, match=r"of a ClapModel: it lacks [\w.]+, "):
        open_embedder(str(model), device="cpu")
    with pytest.raises(CheckpointError, match=r"of a ClapModel: it lacks [\w.]+, "):
        open_embedder(str(model / "text_encoder"), device="cpu")
    change(model / "vae" / FILES["vae"], half)
    with pytest.raises(CheckpointError, match=r"of a AutoencoderKL: it lacks [\w.]+, "):
        Codec.load(model)


def test_a_lora_with_other_tensors_than_pairs_of_factors_is_refused(model: Path, tmp_path: Path) -> None:
    unet = load_part(diffusers.UNet2DConditionModel, model, "unet")
    layer = next(name for name in dict(unet.named_modules()) if name.endswith("to_q"))
    weight = unet.get_submodule(layer).weight
    pair = {f"unet.{layer}.lora_A.weight": torch.zeros(2, weight.shape[1])}
    pair[f"unet.{layer}.lora_B.weight"] = torch.zeros(weight.shape[0], 2)
    save_file(pair, tmp_path / "lora.safetensors")
    assert read_lora(tmp_path / "lora.safetensors", unet).keys() == pair.keys()
    save_file({**pair, f"unet.{layer}.something": torch.zeros(1)}, tmp_path / "lora.safetensors")
    with pytest.raises(CheckpointError, match=r"is no LoRA of weights alone: it has unet\.[\w.]+\.something"):
        read_lora(tmp_path / "lora.safetensors", unet)
    save_file({**pair, f"unet.{layer}.lora_B.weight": torch.zeros(weight.shape[0], 3)}, tmp_path / "lora.safetensors")
    with pytest.raises(CheckpointError, match="is for another model"):
        read_lora(tmp_path / "lora.safetensors", unet)


def test_a_module_is_filled_whole_or_not_changed() -> None:
    module = torch.nn.BatchNorm1d(3)
    before = {name: value.clone() for name, value in module.state_dict().items()}
    given = {name: torch.full_like(value, 7) for name, value in before.items()}
    for wrong, match in (
        ({name: given[name] for name in ("weight", "bias", "running_mean")}, "net: .*it lacks running_var$"),
        ({**given, "gamma": torch.zeros(3)}, "it has beside them gamma$"),
        ({**given, "weight": torch.zeros(4)}, r"weight is \(4,\), not \(3,\)$"),
    ):
        with pytest.raises(CheckpointError, match=match.removeprefix("net: ")):
            fill(module, wrong, "net")
        assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())
    fill(module, {**given, "gamma": torch.zeros(3)}, "net", leave_over=True)
    assert np.array_equal(module.weight.detach().numpy(), [7, 7, 7])
    fill(module, {name: value for name, value in given.items() if name != "num_batches_tracked"}, "net")
