"""Loading and saving: folders, the hub's cache, broken files, settings that travel with the model."""

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
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import ClapTextModelWithProjection, PreTrainedTokenizerFast

from musicldm import CheckpointError, InvalidInputError, MusicLDMPipeline
from musicldm.errors import DataError
from musicldm.model import checksums
from musicldm.model import folder as resolve
from musicldm.model.settings import GenerationDefaults
from tests.tiny_model import TOKEN_LIMIT, WORDS, build_tiny_model
from tests.tolerances import waves

ORACLE_CHECKPOINT = Path(__file__).parent / "oracles" / "checkpoint"


@pytest.fixture
def model(tiny_model_dir: Path, tmp_path: Path) -> Path:
    """A copy of the tiny model that a test may change."""
    return Path(shutil.copytree(tiny_model_dir, tmp_path / "model"))


def load(folder: Any, **arguments: Any) -> MusicLDMPipeline:
    pipeline = MusicLDMPipeline.from_pretrained(folder, **arguments)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def wave(pipeline: Any, **arguments: Any) -> np.ndarray:
    return np.asarray(pipeline("happy techno", generator=torch.Generator().manual_seed(0), **arguments).audios)


# Settings


def test_settings_come_from_the_checkpoints_folder(tmp_path: Path) -> None:
    settings = {"num_inference_steps": 3, "guidance_scale": 4.5, "audio_length_in_s": 0.32, "scheduler": "unipc"}
    pipeline = load(build_tiny_model(tmp_path / "model", settings=settings))
    assert pipeline.generation_defaults == GenerationDefaults(**settings)
    assert isinstance(pipeline.scheduler, diffusers.UniPCMultistepScheduler)
    steps: list[float] = []
    result = pipeline("happy", callback=lambda step, timestep, latents: steps.append(pipeline.guidance_scale))
    assert steps == [4.5] * 3
    assert result.audios.shape == (1, 5120)


def test_a_published_folder_that_says_nothing_has_200_ddim_steps_guidance_2_and_10_24_seconds(model: Path) -> None:
    (model / "generation_config.json").unlink()
    pipeline = load(model)
    assert isinstance(pipeline.scheduler, diffusers.DDIMScheduler)
    assert pipeline.generation_defaults.preset("default") == GenerationDefaults(200, 2.0, None, None)
    assert pipeline.generation_defaults.preset("draft") == GenerationDefaults(20, 2.0, None, "dpmsolver++")
    steps: list[int] = []

    def stop_at_once(running: Any, index: int, timestep: Any, tensors: dict[str, Any]) -> dict[str, Any]:
        steps.append(running.num_timesteps)
        running._interrupt = True
        return {}

    latents = pipeline("happy", callback_on_step_end=stop_at_once, output_type="latent").audios
    assert steps == [200]
    assert pipeline.guidance_scale == 2.0
    assert latents.shape == (1, 8, 256, 16)


def test_settings_travel_with_a_saved_pipeline(model: Path, tmp_path: Path) -> None:
    first = load(model)
    first.set_scheduler("dpmsolver++")
    first.generation_defaults = GenerationDefaults(4, 1.5, 0.32)
    first.save_pretrained(tmp_path / "saved")
    stored = json.loads((tmp_path / "saved" / "generation_config.json").read_text())
    assert stored == {
        "num_inference_steps": 4,
        "guidance_scale": 1.5,
        "audio_length_in_s": 0.32,
        "scheduler": "dpmsolver++",
    }
    again = load(tmp_path / "saved")
    assert isinstance(again.scheduler, diffusers.DPMSolverMultistepScheduler)
    assert np.array_equal(wave(first), wave(again))


def test_a_scheduler_without_a_short_name_travels_too(model: Path, tmp_path: Path) -> None:
    first = load(model)
    first.scheduler = diffusers.DPMSolverMultistepScheduler.from_config(first.scheduler.config, solver_order=3)
    first.save_pretrained(tmp_path / "saved")
    again = load(tmp_path / "saved")
    assert again.scheduler.config.solver_order == 3
    assert np.array_equal(wave(first), wave(again))


def test_a_scheduler_may_be_given_by_name_or_as_an_object(model: Path) -> None:
    assert isinstance(load(model, scheduler="heun").scheduler, diffusers.HeunDiscreteScheduler)
    own = diffusers.DDPMScheduler()
    assert load(model, scheduler=own).scheduler is own
    with pytest.raises(InvalidInputError, match="unknown scheduler 'fast': choose one of ddim"):
        load(model, scheduler="fast")


def test_an_unknown_scheduler_in_the_folder_is_the_checkpoints_fault(model: Path) -> None:
    GenerationDefaults(scheduler="fast").save(model)
    with pytest.raises(CheckpointError, match=r"generation_config\.json: unknown scheduler 'fast': choose one of ddim"):
        load(model)


# Saving


def test_a_saved_pipeline_sounds_the_same_and_is_the_standard_folder(model: Path, tmp_path: Path) -> None:
    first = load(model)
    first.save_pretrained(tmp_path / "new" / "saved")
    saved = tmp_path / "new" / "saved"
    resolve.validate(saved)
    index = json.loads((saved / "model_index.json").read_text())
    assert index["_class_name"] == "MusicLDMPipeline"
    assert index["text_encoder"] == ["transformers", "ClapModel"]
    assert np.array_equal(wave(first), wave(load(saved)))


def test_saving_over_a_folder_with_sums_writes_them_anew(model: Path) -> None:
    checksums.write_sums(model)
    pipeline = load(model)
    with torch.no_grad():
        pipeline.vocoder.conv_post.weight.mul_(0.5)
    pipeline.save_pretrained(model)
    assert np.array_equal(wave(load(model)), wave(pipeline))


def test_saving_into_a_file_is_refused(model: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InvalidInputError, match="file' is a file: a folder is expected"):
        load(model).save_pretrained(tmp_path / "file")


def test_a_saved_model_lists_its_hashes_and_what_is_beside_it_may_change(model: Path, tmp_path: Path) -> None:
    saved = tmp_path / "saved"
    saved.mkdir()
    for name in (".gitattributes", "README.md", "LICENSE"):
        (saved / name).write_text("mine", encoding="utf-8")
    load(model).save_pretrained(saved)
    listed = checksums.read_sums(saved)
    assert set(listed) == {
        path.relative_to(saved).as_posix()
        for path in saved.rglob("*")
        if path.is_file() and path.name not in ("README.md", "LICENSE", ".gitattributes", checksums.FILE_NAME)
    }
    assert {(saved / name).read_text(encoding="utf-8") for name in (".gitattributes", "README.md", "LICENSE")} == {
        "mine"
    }
    (saved / "README.md").write_text("a card", encoding="utf-8")
    load(saved)
    (saved / "vae" / "config.json").write_text("{}", encoding="utf-8")
    with pytest.raises(CheckpointError, match=r"vae.config\.json: the file is corrupt or was changed"):
        load(saved)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("thesis.txt", "mine"),
        ("unet/config.json", "{}"),
        ("model_index.json", '{"_class_name": "StableDiffusionPipeline"}'),
        ("model_index.json", "mine"),
        (".musicldm", '{"kind": "a training run"}'),
    ],
)
def test_saving_into_a_folder_of_something_else_is_refused_and_changes_nothing(
    model: Path, tmp_path: Path, name: str, content: str
) -> None:
    theirs = tmp_path / "theirs"
    (theirs / name).parent.mkdir(parents=True)
    (theirs / name).write_text(content, encoding="utf-8")
    with pytest.raises(DataError, match=f"holds {name.partition('/')[0]} and is not a MusicLDM: choose another folder"):
        load(model).save_pretrained(theirs)
    assert [path for path in theirs.rglob("*") if path.is_file()] == [theirs / name]
    assert (theirs / name).read_text(encoding="utf-8") == content


def test_a_model_saved_over_another_is_read_and_not_the_weights_of_before(model: Path) -> None:
    first = load(model)
    first.save_pretrained(model, max_shard_size="20KB")
    assert len(list((model / "unet").glob("*-of-*.safetensors"))) > 1
    (model / "notes.txt").write_text("mine", encoding="utf-8")
    (model / "unet" / "notes.txt").write_text("mine", encoding="utf-8")
    with torch.no_grad():
        first.unet.conv_out.weight.mul_(2)
        first.vocoder.conv_post.weight.mul_(0.5)
    for how in ({}, {"safe_serialization": False}, {"max_shard_size": "20KB"}):
        first.save_pretrained(model, **how)
        again = load(model)
        for part in resolve.WEIGHTED:
            mine, theirs = (getattr(one, part).state_dict() for one in (first, again))
            assert all(torch.equal(value, theirs[name]) for name, value in mine.items()), (part, how)
    assert (model / "notes.txt").is_file()
    assert (model / "unet" / "notes.txt").is_file()


def test_saving_that_fails_leaves_the_model_of_before(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pipeline, before = load(model), {p: p.read_bytes() for p in model.rglob("*") if p.is_file()}

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(type(pipeline.vocoder), "save_pretrained", full)
    with pytest.raises(OSError, match="No space left"):
        pipeline.save_pretrained(model)
    assert {p: p.read_bytes() for p in model.rglob("*") if p.is_file()} == before


def test_a_pipeline_made_from_another_keeps_its_settings(model: Path) -> None:
    first = load(model)
    second = MusicLDMPipeline.from_pipe(first)
    assert second.unet is first.unet
    assert second.generation_defaults == first.generation_defaults


# Kinds of checkpoint


def test_a_checkpoint_saved_by_older_libraries_loads(tmp_path: Path) -> None:
    pipeline = load(ORACLE_CHECKPOINT)
    assert pipeline.sample_rate == 2000
    assert len(pipeline.tokenizer) == len(json.loads((ORACLE_CHECKPOINT / "tokenizer" / "vocab.json").read_text()))
    assert pipeline("happy", num_inference_steps=1, audio_length_in_s=1.0).audios.shape == (1, 2000)


def wordpiece(folder: Path) -> None:
    """Replaces a model's tokenizer by a WordPiece one, as a CLAP from BERT has."""
    words = ["<s>", "<pad>", "</s>", "<unk>", *WORDS.split()]
    tokenizer = Tokenizer(models.WordPiece({word: index for index, word in enumerate(words)}, unk_token="<unk>"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing("<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)])
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        model_max_length=TOKEN_LIMIT,
        bos_token="<s>",
        eos_token="</s>",
        pad_token="<pad>",
        unk_token="<unk>",
    )
    shutil.rmtree(folder / "tokenizer")
    fast.save_pretrained(folder / "tokenizer")


def test_a_wordpiece_tokenizer_of_any_class_loads(model: Path, tmp_path: Path) -> None:
    wordpiece(model)
    index = json.loads((model / "model_index.json").read_text())
    index["tokenizer"] = ["transformers", "PreTrainedTokenizerFast"]
    (model / "model_index.json").write_text(json.dumps(index))
    pipeline = load(model)
    assert pipeline.tokenizer("Happy techno!").input_ids == [
        0,
        *(4 + WORDS.split().index(w) for w in ("happy", "techno")),
        3,
        2,
    ]
    assert (
        np.abs(wave(pipeline) - np.asarray(pipeline("sad", generator=torch.Generator().manual_seed(0)).audios)).max()
        > 0.01
    )
    pipeline.save_pretrained(tmp_path / "saved")
    assert np.array_equal(wave(load(tmp_path / "saved")), wave(pipeline))


def test_a_v_prediction_checkpoint_with_a_vae_of_eight_runs(model: Path) -> None:
    vae = diffusers.AutoencoderKL(
        in_channels=1,
        out_channels=1,
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        block_out_channels=(4, 4, 4, 4),
        latent_channels=8,
        norm_num_groups=2,
    )
    scheduler = diffusers.DDIMScheduler(prediction_type="v_prediction", beta_schedule="scaled_linear")
    pipeline = load(model, vae=vae, scheduler=scheduler)
    assert pipeline.vae_scale_factor == 8
    assert pipeline("happy", output_type="latent").audios.shape == (1, 8, 8, 8)
    assert pipeline("happy").audios.shape == (1, 10240)
    pipeline.set_scheduler("dpmsolver++")
    assert pipeline.scheduler.config.prediction_type == "v_prediction"


def test_a_checkpoint_without_an_audio_tower_generates_unranked(model: Path, tmp_path: Path) -> None:
    whole = load(model)
    tower = ClapTextModelWithProjection(whole.text_encoder.config.text_config).eval()
    tower.load_state_dict({key: value for key, value in whole.text_encoder.state_dict().items() if key[:5] == "text_"})
    pipeline = MusicLDMPipeline(**(whole.components | {"text_encoder": tower, "feature_extractor": None}))
    pipeline.set_progress_bar_config(disable=True)
    pipeline.save_pretrained(tmp_path / "saved")
    again = load(tmp_path / "saved")
    result = again("happy techno", generator=torch.Generator().manual_seed(0))
    assert result.scores is None
    assert np.abs(result.audios - wave(whole)).max() < waves()


def test_weights_load_in_float32_unless_asked_otherwise(model: Path, tmp_path: Path) -> None:
    load(model, dtype=torch.float16).save_pretrained(tmp_path / "half")
    assert {part.dtype for part in vars(load(tmp_path / "half")).values() if isinstance(part, torch.nn.Module)} == {
        torch.float32
    }
    assert load(tmp_path / "half", torch_dtype=torch.bfloat16).dtype == torch.bfloat16


def test_the_default_model_is_loaded_by_its_name_or_none(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resolve, "DEFAULT_FOLDER", model)
    assert np.array_equal(wave(load("default")), wave(MusicLDMPipeline.from_pretrained()))


# The hub


@pytest.fixture
def hub_cache(tiny_model_dir: Path, tmp_path: Path) -> Path:
    """A cache of the hub that holds the tiny model as someone/tiny."""
    commit = "0123456789abcdef0123456789abcdef01234567"
    repository = tmp_path / "cache" / "models--someone--tiny"
    shutil.copytree(tiny_model_dir, repository / "snapshots" / commit)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(commit)
    return tmp_path / "cache"


def test_a_model_of_the_hub_is_loaded_from_the_cache_with_its_settings(hub_cache: Path, model: Path) -> None:
    pipeline = load("someone/tiny", cache_dir=hub_cache, local_files_only=True)
    assert pipeline.generation_defaults.num_inference_steps == 2
    assert np.array_equal(wave(pipeline), wave(load(model)))


def test_a_model_that_the_hub_does_not_give_is_a_checkpoint_error(hub_cache: Path) -> None:
    with pytest.raises(CheckpointError, match="someone/else: the model cannot be fetched from the hub") as raised:
        load("someone/else", cache_dir=hub_cache, local_files_only=True)
    assert "\n" not in str(raised.value)


# Broken folders


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1000])


def garble(path: Path) -> None:
    path.write_bytes(b"\xff" * 100 + path.read_bytes()[100:])


def empty(path: Path) -> None:
    path.write_bytes(b"")


@pytest.mark.parametrize("harm", [truncate, garble, empty])
@pytest.mark.parametrize(
    "file",
    [
        "unet/diffusion_pytorch_model.safetensors",
        "vae/diffusion_pytorch_model.safetensors",
        "vocoder/model.safetensors",
        "text_encoder/model.safetensors",
        "unet/config.json",
        "scheduler/scheduler_config.json",
        "tokenizer/vocab.json",
        "feature_extractor/preprocessor_config.json",
    ],
)
def test_a_harmed_file_is_one_clear_line_without_sums_and_named_with_them(
    model: Path, file: str, harm: Callable[[Path], None]
) -> None:
    checksums.write_sums(model)
    harm(model / file)
    with pytest.raises(CheckpointError, match=f"{file}: the file is corrupt or was changed"):
        load(model)
    (model / checksums.FILE_NAME).unlink()
    with pytest.raises(CheckpointError, match=rf"{file}: (not valid JSON|not a whole safetensors file)") as raised:
        load(model)
    assert "\n" not in str(raised.value)


def test_a_folder_that_is_no_musicldm_is_refused_before_anything_is_loaded(tmp_path: Path) -> None:
    (tmp_path / "model_index.json").write_text('{"_class_name": "StableDiffusionPipeline"}')
    with pytest.raises(CheckpointError, match="is not a MusicLDM"):
        load(tmp_path)
    assert issubclass(CheckpointError, OSError)


def test_auto_makes_sound_in_the_fast_precision_and_encodes_text_in_float32(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("musicldm.model.pretrained.fast_dtype", lambda device: torch.bfloat16)
    pipeline = load(model, dtype="auto")
    assert {pipeline.unet.dtype, pipeline.vae.dtype, pipeline.vocoder.dtype} == {torch.bfloat16}
    assert pipeline.text_encoder.dtype == torch.float32


def test_the_vae_always_and_the_unet_in_bfloat16_lie_channels_last(model: Path) -> None:
    for dtype, unet_last in ((torch.float32, False), (torch.bfloat16, True)):
        pipeline = load(model, dtype=dtype)
        for part, last in ((pipeline.vae.decoder, True), (pipeline.unet, unet_last)):
            weight = part.up_blocks[0].resnets[0].conv1.weight
            assert weight.is_contiguous(memory_format=torch.channels_last) == last


def test_a_vocoder_of_an_unknown_class_is_refused_with_the_known_ones(model: Path) -> None:
    index = json.loads((model / "model_index.json").read_text())
    index["vocoder"] = ["transformers", "SpeechT5Model"]
    (model / "model_index.json").write_text(json.dumps(index))
    with pytest.raises(CheckpointError, match="vocoder is a SpeechT5Model: known are SpeechT5HifiGan"):
        MusicLDMPipeline.from_pretrained(model, verify=False)
