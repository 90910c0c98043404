import json
import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from transformers import SpeechT5HifiGan

from musicldm import MusicLDMPipeline
from musicldm.audio.mel import MelSpec
from musicldm.data.embeddings import stored_embeddings, stored_latents
from musicldm.data.manifest import PrepareSettings
from musicldm.data.prepare import prepare
from musicldm.data.store import ClipStore
from musicldm.errors import CheckpointError, DataError, InvalidInputError
from musicldm.events import Event, Note, ignore
from musicldm.machine.parallel import WorkerPool
from musicldm.model.clap import Clap
from musicldm.model.mels import ModelMels
from musicldm.model.vae import Vae
from musicldm.training.loop.log import TrainingProgress
from musicldm.training.mixup.mixing import Mixer, MixupOptions, Pairing
from musicldm.training.run import train
from musicldm.training.setup import held_out_count
from musicldm.training.tasks import ldm, vae, vocoder
from musicldm.training.tasks.ldm_inputs import downbeat_frames
from musicldm.training.tasks.ldm_recipe import LdmRecipe
from musicldm.training.tasks.vae import VaeRecipe
from musicldm.training.tasks.vocoder import VocoderRecipe
from tests.tiny_model import build_tiny_model

SMALL_VAE = VaeRecipe(channels=(8, 8), groups=4, latent_channels=2, batch_size=2, crop_frames=16, patch_channels=(4, 4))
SMALL_VOCODER = VocoderRecipe(initial_channels=16, batch_size=2, segment_frames=16)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vae, "RECIPES", {"default": SMALL_VAE})
    monkeypatch.setattr(vocoder, "RECIPES", {"default": SMALL_VOCODER})


@pytest.mark.usefixtures("small")
def test_a_part_is_trained_written_and_goes_on_from_half_precision(tone_corpus: Path, tmp_path: Path) -> None:
    train("vae", data=tone_corpus, out=tmp_path / "vae", steps=2, device="cpu")
    stored = AutoencoderKL.from_pretrained(tmp_path / "vae" / "vae").half()
    stored.save_pretrained(tmp_path / "half" / "vae")
    train("vae", data=tone_corpus, out=tmp_path / "more", steps=1, device="cpu", init=tmp_path / "half")
    again = AutoencoderKL.from_pretrained(tmp_path / "more" / "vae")
    assert {p.dtype for p in again.parameters()} == {torch.float32}
    train("vocoder", data=tone_corpus, out=tmp_path / "vocoder", steps=1, device="cpu", model=tmp_path / "half")
    assert SpeechT5HifiGan.from_pretrained(tmp_path / "vocoder" / "vocoder").config.upsample_initial_channel == 16
    kinds = [json.loads(line)["kind"] for line in (tmp_path / "vocoder" / "log.jsonl").read_text().splitlines()]
    assert kinds[-1] == "validation"


@pytest.mark.parametrize("text_share", [1.0, 0.5])
def test_the_ldm_is_trained_on_the_latents_of_a_models_vae_under_its_clap(
    text_share: float, tone_corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = LdmRecipe(batch_size=2, crop_frames=(24,), text_share=text_share, learning_rate=1e-3)
    monkeypatch.setattr(ldm, "RECIPES", {"default": recipe})
    model = build_tiny_model(tmp_path / "model", seed=int(10 * text_share))
    sounds = set(tone_corpus.glob("shards/*/sounds-*"))
    common = {"device": "cpu", "init": model, "model": model, "listen": ignore}
    train("ldm", data=tone_corpus, out=tmp_path / "ldm", steps=2, **common)
    before = UNet2DConditionModel.from_pretrained(model / "unet").state_dict()
    after = UNet2DConditionModel.from_pretrained(tmp_path / "ldm" / "unet").state_dict()
    assert before.keys() == after.keys()
    assert any(not torch.equal(before[name], after[name]) for name in before)
    assert (set(tone_corpus.glob("shards/*/sounds-*")) > sounds) == (text_share < 1)


def test_a_blend_is_the_mean_of_the_weights_before_and_after(
    tone_corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = LdmRecipe(batch_size=2, crop_frames=(24,), text_share=1.0, condition_floor=0.0)
    monkeypatch.setattr(ldm, "RECIPES", {"default": recipe})
    model = build_tiny_model(tmp_path / "model")
    common = {"data": tone_corpus, "steps": 2, "device": "cpu", "init": model, "model": model}
    train("ldm", out=tmp_path / "all", **common)
    train("ldm", out=tmp_path / "part", changes={"blend": 0.25}, **common)
    folders = (model, tmp_path / "all", tmp_path / "part")
    before, after, mixed = (UNet2DConditionModel.from_pretrained(folder / "unet").state_dict() for folder in folders)
    assert any(not torch.allclose(before[name], after[name], atol=1e-4) for name in before)
    for name, value in mixed.items():
        assert torch.allclose(value, 0.75 * before[name] + 0.25 * after[name], atol=1e-6)


@pytest.mark.parametrize(("changes", "init"), [({"blend": 0.5}, False), ({"blend": 0.5, "lora_rank": 2}, True)])
def test_a_blend_without_weights_to_blend_with_is_refused(
    changes: dict[str, object], init: bool, tone_corpus: Path, tmp_path: Path
) -> None:
    model = build_tiny_model(tmp_path / "model")
    with pytest.raises(InvalidInputError, match=r"blend is 0.5: it is for all weights of a model that goes on"):
        train(
            "ldm", data=tone_corpus, out=tmp_path / "out", steps=1, device="cpu", model=model,
            init=model if init else None, changes=changes,
        )  # fmt: skip


def test_a_unet_that_goes_on_under_another_clap_is_fitted_to_it(
    tone_corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ldm, "RECIPES", {"default": LdmRecipe(batch_size=2, crop_frames=(24,), text_share=1.0)})
    first, second = (build_tiny_model(tmp_path / f"model{seed}", seed=seed) for seed in (0, 1))
    for name, model in (("same", first), ("other", second)):
        events: list[Event] = []
        common = {"steps": 1, "device": "cpu", "init": first, "model": model}
        train("ldm", data=tone_corpus, out=tmp_path / name, listen=events.append, **common)
        notes = [event.text for event in events if isinstance(event, Note)]
        assert any("refitted" in note for note in notes) == (name == "other")


def test_a_unet_of_another_embedding_width_is_refused_in_one_line(tone_corpus: Path, tmp_path: Path) -> None:
    model = build_tiny_model(tmp_path / "model")
    config = UNet2DConditionModel.load_config(model / "unet") | {"projection_class_embeddings_input_dim": 24}
    UNet2DConditionModel.from_config(config).save_pretrained(tmp_path / "other" / "unet")
    with pytest.raises(
        InvalidInputError, match=r"other takes CLAP embeddings of 24 numbers, and those of --model have 32"
    ):
        train(
            "ldm", data=tone_corpus, out=tmp_path / "ldm", steps=1, device="cpu", init=tmp_path / "other", model=model
        )


@pytest.mark.parametrize("mixup", ["blm", "bam", "simple"])
def test_the_ldm_is_trained_on_mixtures_and_makes_samples_of_its_captions(
    mixup: str, tone_corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = build_tiny_model(tmp_path / "model")
    drawn: list[Pairing | None] = []
    draw = Mixer.draw
    monkeypatch.setattr(Mixer, "draw", lambda *given: drawn.append(draw(*given)) or drawn[-1])
    changes = {"batch_size": 2, "crop_frames": (4,), "condition_floor": 0.0, "mixup": MixupOptions(mixup, 1.0)}
    train(
        "ldm", data=tone_corpus, out=tmp_path / "ldm", changes=changes, steps=2, device="cpu", init=model, model=model
    )
    assert sum(mix is not None for mix in drawn) >= 4
    figures = [json.loads(line) for line in (tmp_path / "ldm" / "log.jsonl").read_text().splitlines()][-1]
    assert -1 <= figures["clap_score"] <= 1
    sung = sorted(path.name for path in (tmp_path / "ldm" / "samples").rglob("*.wav"))
    assert len(sung) == 1
    assert len(list((tmp_path / "ldm" / "samples").rglob("mel.png"))) == 1
    assert soundfile.info(next((tmp_path / "ldm" / "samples").rglob("*.wav"))).samplerate == 16000


def test_settings_that_no_recipe_has_are_refused(tone_corpus: Path, tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match=r"unknown setting 'min_snr': choose one of mel_bins, channels"):
        train("vae", data=tone_corpus, out=tmp_path / "vae", changes={"min_snr": 5.0}, steps=1, device="cpu")


def test_mixup_needs_the_whole_model(tone_corpus: Path, tmp_path: Path) -> None:
    model = build_tiny_model(tmp_path / "model")
    shutil.rmtree(model / "vocoder")
    changes = {"mixup": MixupOptions("blm"), "condition_floor": 0.0}
    with pytest.raises(CheckpointError, match=r"mixup needs the whole model: .* has no vocoder/"):
        train(
            "ldm",
            data=tone_corpus,
            out=tmp_path / "ldm",
            changes=changes,
            steps=1,
            device="cpu",
            init=model,
            model=model,
        )


@torch.no_grad()
def test_latents_are_those_that_the_vae_gives_clip_by_clip(tones: ClipStore, tmp_path: Path) -> None:
    autoencoder = AutoencoderKL.from_pretrained(build_tiny_model(tmp_path, seed=3) / "vae").eval()
    kept = stored_latents(tones, Vae(autoencoder))
    again = AutoencoderKL.from_pretrained(tmp_path / "vae").eval()
    posterior = again.encode(torch.from_numpy(np.asarray(tones.mels[:3], np.float32))[:, None]).latent_dist
    expected = torch.cat([posterior.mean, posterior.std], dim=1).numpy()
    assert np.allclose(kept[:3], expected, rtol=2e-3, atol=2e-3)


def test_conditions_know_how_many_words_each_caption_has(tones: ClipStore, tmp_path: Path) -> None:
    pipeline = MusicLDMPipeline.from_pretrained(build_tiny_model(tmp_path / "model"))
    made = stored_embeddings(tones, Clap(pipeline.text_encoder, pipeline.tokenizer), sounds=False)
    captions = [caption for row in tones.rows for caption in row.captions]
    assert made.words.tolist() == [caption.count(" ") + 1 for caption in captions]


def test_unknown_parts_and_recipes_are_refused_with_the_choices(tone_corpus: Path, tmp_path: Path) -> None:
    with pytest.raises(
        InvalidInputError, match=r"unknown part 'unet': choose one of vae, .*, ldm, distill, beats, jud"
    ):
        train("unet", data=tone_corpus, out=tmp_path / "x", steps=1)
    with pytest.raises(InvalidInputError, match="unknown recipe 'huge': choose one of default"):
        train("vae", data=tone_corpus, out=tmp_path / "x", recipe="huge", steps=1)
    with pytest.raises(InvalidInputError, match="training of ldm needs --model"):
        train("ldm", data=tone_corpus, out=tmp_path / "x", steps=1)
    (tmp_path / "init").mkdir()
    with pytest.raises(CheckpointError, match="has no vae/"):
        train("vae", data=tone_corpus, out=tmp_path / "x", steps=1, init=tmp_path / "init")


def test_data_that_cannot_be_used_are_named(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    with pytest.raises(DataError, match=f"is not prepared: musicldm prepare {data} --out "):
        train("vae", data=data, out=tmp_path / "x", steps=1)
    (data / "manifest.json").write_text("[]")
    with pytest.raises(DataError, match="is no manifest"):
        train("vae", data=data, out=tmp_path / "x", steps=1)
    (data / "manifest.json").write_text('{"format": 0}')
    with pytest.raises(DataError, match="format 0, this version reads 1: run musicldm prepare again"):
        train("vae", data=data, out=tmp_path / "x", steps=1)
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


def test_some_clips_are_always_held_out() -> None:
    assert [held_out_count(clips) for clips in (2, 10, 100, 6000, 50_000)] == [1, 1, 2, 120, 128]
    with pytest.raises(InvalidInputError, match="at least 2"):
        held_out_count(1)


def test_downbeats_are_the_nearest_latent_frames() -> None:
    """Clips of 4 s in 50 frames, 0.08 s each; a clip of which nothing is known has none."""
    rows = [SimpleNamespace(fields={"downbeats": [0.0, 0.55, 2.03]}), SimpleNamespace(fields={})]
    store = SimpleNamespace(spec=SimpleNamespace(sample_rate=1000), waves=np.zeros((2, 4000), np.int16), rows=rows)
    assert downbeat_frames(store, 50) == [[0, 7, 25], []]


def test_a_training_tells_its_listener_how_far_it_is(
    tone_corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vae, "RECIPES", {"default": SMALL_VAE})
    events: list[Event] = []
    options = {"steps": 3, "device": "cpu", "report_seconds": 0.0, "listen": events.append}
    train("vae", data=tone_corpus, out=tmp_path / "run", **options)
    reports = [event for event in events if isinstance(event, TrainingProgress)]
    assert [(report.what, report.done, report.total) for report in reports] == [
        ("Training", 1, 3), ("Training", 2, 3), ("Training", 3, 3), ("Validation", 3, 3),
    ]  # fmt: skip
    assert reports[0].line.startswith("step 1 loss")
    assert set(reports[-1].figures) == {"log_mel_l1", "latent_deviation"}


def eight_kilohertz(tmp_path: Path, spec: MelSpec) -> Path:
    """A prepared folder of clips of noise with these log-mels."""
    (tmp_path / "src").mkdir()
    for index in range(3):
        noise = 0.1 * np.random.default_rng(index).standard_normal(spec.sample_rate)
        soundfile.write(tmp_path / "src" / f"{index}.wav", noise.astype(np.float32), spec.sample_rate)
        (tmp_path / "src" / f"{index}.txt").write_text("noise")
    settings = PrepareSettings(spec, seconds=0.96, beats="none")
    prepare(tmp_path / "src", tmp_path / "data", settings, pool=WorkerPool(workers=1))
    return tmp_path / "data"


def test_a_vocoder_has_the_sample_rate_hop_and_bins_of_its_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rates = {"upsample_rates": (5, 4, 4), "upsample_kernels": (11, 8, 8)}
    monkeypatch.setattr(vocoder, "RECIPES", {"default": replace(SMALL_VOCODER, **rates), "wide": SMALL_VOCODER})
    spec = MelSpec(sample_rate=8000, hop_length=80, n_mels=32, n_fft=512, win_length=512, f_max=3800.0)
    data = eight_kilohertz(tmp_path, spec)
    train("vocoder", data=data, out=tmp_path / "run", steps=1, device="cpu")
    config = SpeechT5HifiGan.from_pretrained(tmp_path / "run" / "vocoder").config
    assert (config.sampling_rate, config.model_in_dim) == (8000, 32)
    assert ModelMels.of_folder(tmp_path / "run").spec() == spec
    with pytest.raises(InvalidInputError, match=r"make 160 samples a frame, and the data have a hop of 80"):
        train("vocoder", data=data, out=tmp_path / "x", steps=1, device="cpu", recipe="wide")


@pytest.mark.parametrize("part", ["vae", "vocoder", "ldm", "distill", "judges"])
@pytest.mark.parametrize("role", ["init", "model"])
def test_data_of_other_log_mels_than_a_models_are_refused_before_any_work(part: str, role: str, tmp_path: Path) -> None:
    data = eight_kilohertz(tmp_path, MelSpec(sample_rate=8000, f_max=4000.0))
    model = build_tiny_model(tmp_path / "model")
    options = {"init": model} if part == "distill" else {}
    options |= {"model": model} if part == "ldm" else {}
    options |= {"model": model} if part == "distill" else {}
    wanted = r"the data have a sample rate of 8000 Hz, and the model in .*model has a sample rate of 16000 Hz"
    with pytest.raises(InvalidInputError, match=wanted):
        train(part, data=data, out=tmp_path / "run", steps=1, device="cpu", **{**options, role: model})
    assert not (tmp_path / "run").exists()
    assert not list(data.glob("shards/*/latents-*"))


def test_a_unet_of_other_latent_channels_than_the_vae_makes_is_refused(tone_corpus: Path, tmp_path: Path) -> None:
    model = build_tiny_model(tmp_path / "model")
    config = UNet2DConditionModel.load_config(model / "unet") | {"in_channels": 4, "out_channels": 4}
    UNet2DConditionModel.from_config(config).save_pretrained(tmp_path / "other" / "unet")
    with pytest.raises(InvalidInputError, match=r"other takes latents of 4 channels, and the VAE of --model makes 8"):
        train("ldm", data=tone_corpus, out=tmp_path / "x", steps=1, init=tmp_path / "other", model=model)


def test_a_recipe_for_other_mel_bins_than_the_data_have_is_refused(tone_corpus: Path, tmp_path: Path) -> None:
    for part in ("vae", "vocoder"):
        with pytest.raises(InvalidInputError, match=r"for 128 mel bins, and .* has 64: prepare with --mel-bins 128"):
            train(part, data=tone_corpus, out=tmp_path / "x", steps=1, recipe="appendix")


def test_clips_that_a_vae_cannot_halve_are_refused(tone_corpus: Path, tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match=r"clips of 100 frames with 64 mel bins, .* takes multiples of 8"):
        train("vae", data=tone_corpus, out=tmp_path / "x", steps=1)
