from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from musicldm import MusicLDMPipeline
from musicldm.data.embeddings import stored_latents, stored_texts
from musicldm.data.store import ClipStore
from musicldm.errors import CheckpointError, InvalidInputError
from musicldm.model.clap import Clap
from musicldm.model.lora import FILE_NAME
from musicldm.model.vae import Vae
from musicldm.training.networks.lora import TARGETS
from musicldm.training.run import train
from musicldm.training.tasks.ldm import LdmRecipe, build_scheduler
from tests.tiny_model import build_tiny_model
from tests.tolerances import waves

RANK = 4
CHANGES = {"batch_size": 2, "crop_frames": (24,), "lora_rank": RANK, "learning_rate": 0.02, "text_share": 1.0}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_tiny_model(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def trained(model: Path, tone_corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("lora") / "run"
    train("ldm", data=tone_corpus, out=out, changes=CHANGES, steps=12, device="cpu", init=model, model=model)
    return out


def sing(pipeline: MusicLDMPipeline) -> np.ndarray:
    pipeline.set_progress_bar_config(disable=True)
    return pipeline("jazz", generator=torch.Generator().manual_seed(0)).audios


def test_only_factors_are_trained_and_written(model: Path, trained: Path) -> None:
    state = load_file(trained / FILE_NAME)
    assert not (trained / "unet").exists()
    layers = {key.rsplit(".", 2)[0] for key in state}
    assert all(key.startswith("unet.") and key.endswith((".lora_A.weight", ".lora_B.weight")) for key in state)
    assert {next(name for name in TARGETS if layer.endswith(name)) for layer in layers} == set(TARGETS)
    assert all(value.shape[0] == RANK for key, value in state.items() if key.endswith("lora_A.weight"))
    kept = torch.load(trained / "checkpoint.pt", weights_only=True)["modules"]
    for name, value in MusicLDMPipeline.from_pretrained(model).unet.state_dict().items():
        plain = kept.get(f"unet.{name}", None)
        layer, _, end = name.rpartition(".")
        assert torch.equal(value, kept[f"unet.{layer}.base_layer.{end}"] if plain is None else plain), name


def test_a_lora_changes_the_wave_as_much_as_its_scale_says(model: Path, trained: Path) -> None:
    base = sing(MusicLDMPipeline.from_pretrained(model))
    heard = {}
    for scale in (0.0, 0.5, 1.0):
        pipeline = MusicLDMPipeline.from_pretrained(model)
        pipeline.load_lora(trained, scale)
        heard[scale] = sing(pipeline)
    assert np.array_equal(heard[0.0], base)
    assert np.abs(heard[1.0] - base).max() > 10 * np.abs(base).max() * 1e-3
    pipeline.fuse_lora()
    pipeline.unload_lora_weights()
    np.testing.assert_allclose(sing(pipeline), heard[1.0], rtol=0, atol=waves())
    state = load_file(trained / FILE_NAME)
    half = {name: value * (0.5 if name.endswith("lora_B.weight") else 1.0) for name, value in state.items()}
    save_file(half, trained.parent / "half.safetensors")
    pipeline = MusicLDMPipeline.from_pretrained(model)
    pipeline.load_lora(trained.parent / "half.safetensors")
    np.testing.assert_allclose(sing(pipeline), heard[0.5], rtol=0, atol=waves())


def test_two_loras_keep_their_scales(model: Path, trained: Path) -> None:
    pipeline = MusicLDMPipeline.from_pretrained(model)
    pipeline.load_lora(trained, 0.25, adapter_name="one")
    pipeline.load_lora(trained, 0.5)
    both = sing(pipeline)
    pipeline = MusicLDMPipeline.from_pretrained(model)
    pipeline.load_lora(trained, 0.75)
    np.testing.assert_allclose(both, sing(pipeline), rtol=0, atol=waves())
    with pytest.raises(InvalidInputError, match="'lora_0' is there already"):
        pipeline.load_lora(trained, adapter_name="lora_0")


def test_a_lora_learns_what_it_is_shown(model: Path, trained: Path, tone_corpus: Path) -> None:
    """Loss on the latents that it was trained on, at the same noise, with and without it."""
    losses = []
    for scale in (0.0, 1.0):
        pipeline = MusicLDMPipeline.from_pretrained(model)
        pipeline.load_lora(trained, scale)
        store = ClipStore(tone_corpus)
        means, _ = np.split(stored_latents(store, Vae(pipeline.vae))[list(range(11))], 2, axis=1)
        texts = stored_texts(store, Clap(pipeline.text_encoder, pipeline.tokenizer))[:22:2]
        latents = torch.from_numpy(means.astype(np.float32)) * pipeline.vae.config.scaling_factor
        torch.manual_seed(0)
        noise, steps = torch.randn_like(latents), torch.linspace(50, 950, len(latents)).long()
        scheduler = build_scheduler(LdmRecipe())
        noisy, wanted = scheduler.add_noise(latents, noise, steps), scheduler.get_velocity(latents, noise, steps)
        with torch.no_grad():
            labels = torch.from_numpy(texts.astype(np.float32))
            losses.append(
                float((pipeline.unet(noisy, steps, None, class_labels=labels).sample - wanted).square().mean())
            )
    assert losses[1] < 0.9 * losses[0]


@pytest.mark.parametrize("wrong", ["gone", "empty", "text", "other", "damaged"])
def test_files_that_are_no_lora_of_this_model_are_refused_and_change_nothing(
    wrong: str, model: Path, trained: Path, tmp_path: Path
) -> None:
    path, complaint = tmp_path / "lora.safetensors", "holds no LoRA of a UNet in diffusers' format"
    if wrong == "gone":
        complaint = "no LoRA there: give a .safetensors file"
    elif wrong == "empty":
        save_file({"unet.conv.weight": torch.zeros(2)}, path)
    elif wrong == "text":
        save_file(
            {"text_encoder.q.lora_A.weight": torch.zeros(2, 2), "text_encoder.q.lora_B.weight": torch.zeros(2, 2)}, path
        )
    elif wrong == "damaged":
        path.write_bytes(b"no tensors")
        complaint = "holds no weights"
    else:
        state = load_file(trained / FILE_NAME)
        save_file({name: torch.cat([value, value]) for name, value in state.items()}, path)
        complaint = "is for another model: its .* does not fit"
    pipeline = MusicLDMPipeline.from_pretrained(model)
    with pytest.raises(CheckpointError, match=complaint):
        pipeline.load_lora(path)
    assert not hasattr(pipeline.unet, "peft_config")


def test_numbers_that_make_no_sense_are_refused(model: Path, trained: Path, tone_corpus: Path, tmp_path: Path) -> None:
    pipeline = MusicLDMPipeline.from_pretrained(model)
    with pytest.raises(InvalidInputError, match="LoRA scale nan"):
        pipeline.load_lora(trained, float("nan"))
    with pytest.raises(InvalidInputError, match="a LoRA changes a model that is there: give --init"):
        train("ldm", data=tone_corpus, out=tmp_path, changes=CHANGES, steps=1, device="cpu", model=model)
    with pytest.raises(InvalidInputError, match="lora_rank is -1"):
        train("ldm", data=tone_corpus, out=tmp_path, changes={"lora_rank": -1}, steps=1, model=model)
