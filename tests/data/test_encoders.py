"""Latents and embeddings of prepared clips: made by the model's own classes, once, and under the model's hash."""

from pathlib import Path

import numpy as np
import pytest
import soxr
import torch
from diffusers import AutoencoderKL

from musicldm.audio.mel import MelSpec
from musicldm.data import encoders as encoders_module
from musicldm.data.embeddings import stored_embeddings, stored_latents
from musicldm.data.encoders import Encoders
from musicldm.data.manifest import PrepareSettings
from musicldm.data.prepare import prepare
from musicldm.data.store import ClipStore
from musicldm.errors import CheckpointError, InvalidInputError
from musicldm.events import Event, Progress
from musicldm.model.identity import latents_name, sounds_name, texts_name
from musicldm.model.vae import Vae
from tests.tiny_model import build_tiny_model
from tests.tolerances import BFLOAT16, FLOAT16, LAYERS_OF_DECODERS, embeddings, roundings

from .conftest import HERE, SETTINGS, contents, manifest, tones, write_tone

pytestmark = pytest.mark.numeric


@pytest.fixture
def model(tiny_model_dir: Path) -> Path:
    Encoders.cached.cache_clear()
    return tiny_model_dir


def test_each_array_is_what_the_models_give_clip_by_clip(tmp_path: Path, model: Path, small_shards: None) -> None:
    prepare(tones(tmp_path / "src", 5), tmp_path / "out", SETTINGS, pool=HERE, model=model, device="cpu")
    store, parts = ClipStore(tmp_path / "out"), Encoders.load(model)
    latents, sounds = store.array(latents_name(parts.vae.model)), store.array(sounds_name(parts.clap.model))
    texts = store.caption_array(texts_name(parts.clap.model))
    assert len(store.shards) > 1
    for clip, row in enumerate(store.rows):
        with torch.no_grad():
            mel = torch.from_numpy(np.asarray(store.mels[clip], np.float32))[None, None]
            posterior = parts.vae.model.encode(mel).latent_dist
            words = parts.clap.tokenizer(row.captions[0], return_tensors="pt")
            text = parts.clap.model.get_text_features(**words).pooler_output[0]
            wave = soxr.resample(store.wave(clip), 16000, parts.clap.extractor.sampling_rate)
            heard = parts.clap.extractor(wave, sampling_rate=parts.clap.extractor.sampling_rate, return_tensors="pt")
            heard = heard["input_features"]
            sound = parts.clap.model.get_audio_features(heard).pooler_output[0]
        expected = torch.cat([posterior.mean, posterior.std], dim=1)[0].numpy()
        np.testing.assert_allclose(latents[clip].astype(np.float32), expected, rtol=2 * FLOAT16, atol=2 * FLOAT16)
        np.testing.assert_allclose(texts[clip].astype(np.float32), text.numpy(), rtol=0, atol=FLOAT16 + embeddings())
        np.testing.assert_allclose(sounds[clip].astype(np.float32), sound.numpy(), rtol=0, atol=FLOAT16 + embeddings())
    assert {name.partition("-")[0] for name in manifest(tmp_path / "out")["arrays"]} == {
        "waves", "mels", "latents", "texts", "sounds",
    }  # fmt: skip


def test_a_model_that_comes_later_adds_what_it_would_have_added_at_once(tmp_path: Path, model: Path) -> None:
    src = tones(tmp_path / "src", 4)
    prepare(src, tmp_path / "once", SETTINGS, pool=HERE, model=model, device="cpu")
    prepare(src, tmp_path / "later", SETTINGS, pool=HERE)
    before = contents(tmp_path / "later")
    made = prepare(src, tmp_path / "later", SETTINGS, pool=HERE, model=model, device="cpu")
    after = contents(tmp_path / "later")
    assert after == contents(tmp_path / "once")
    assert made.worked_on == 4
    assert all(after[name] == before[name] for name in before if name.endswith(("waves.npy", "clips.jsonl")))
    assert prepare(src, tmp_path / "later", SETTINGS, pool=HERE, model=model, device="cpu").worked_on == 0


def test_bfloat16_is_for_the_latents_alone(tmp_path: Path, model: Path) -> None:
    src = tones(tmp_path / "src", 3)
    for folder, precision in (("full", "no"), ("half", "bf16")):
        prepare(src, tmp_path / folder, SETTINGS, pool=HERE, model=model, device="cpu", mixed_precision=precision)
    full, half = contents(tmp_path / "full"), contents(tmp_path / "half")
    assert {name for name in full if full[name] != half[name] and name.endswith(".npy")} == {
        name for name in full if "latents-" in name
    }
    name = latents_name(Encoders.load(model).vae.model)
    one, other = (np.asarray(ClipStore(tmp_path / folder).array(name), np.float32) for folder in ("full", "half"))
    means = slice(0, one.shape[1] // 2)
    error = np.sqrt(np.square(one - other)[:, means].mean())
    assert 0 < error < roundings(LAYERS_OF_DECODERS // 2, np.sqrt(np.square(one[:, means]).mean()), BFLOAT16)


def test_only_new_clips_are_encoded(
    tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch, small_shards: None
) -> None:
    src = tones(tmp_path / "src", 8, seconds=1.0)
    prepare(src, tmp_path / "out", SETTINGS, pool=HERE, model=model, device="cpu")
    encoded = {"mels": 0, "texts": 0}
    encode_mels, embed_texts = encoders_module.encode_mels, encoders_module.embed_texts

    def counted_mels(vae, mels, indices):
        encoded["mels"] += len(indices)
        return encode_mels(vae, mels, indices)

    def counted_texts(clap, texts):
        encoded["texts"] += len(texts)
        return embed_texts(clap, texts)

    monkeypatch.setattr(encoders_module, "encode_mels", counted_mels)
    monkeypatch.setattr(encoders_module, "embed_texts", counted_texts)
    write_tone(src / "03b.wav", 1.0, 777)
    (src / "03b.txt").write_text("in between")
    prepare(src, tmp_path / "out", SETTINGS, pool=HERE, model=model, device="cpu")
    assert encoded == {"mels": 1, "texts": 1}
    prepare(src, tmp_path / "fresh", SETTINGS, pool=HERE, model=model, device="cpu")
    for name in manifest(tmp_path / "fresh")["arrays"]:
        array = "caption_array" if name.startswith("texts") else "array"
        one, other = (getattr(ClipStore(tmp_path / folder), array)(name) for folder in ("out", "fresh"))
        np.testing.assert_allclose(
            np.asarray(one, np.float32), np.asarray(other, np.float32), rtol=2 * FLOAT16, atol=2 * FLOAT16
        )


def test_trainings_make_what_is_missing_and_another_model_makes_its_own(tmp_path: Path, model: Path) -> None:
    prepare(tones(tmp_path / "src", 3), tmp_path / "out", SETTINGS, pool=HERE)
    store, parts = ClipStore(tmp_path / "out"), Encoders.load(model)
    events: list[Event] = []
    latents = stored_latents(store.part(slice(1, 3)), parts.vae, events.append)
    assert latents.shape[0] == 2
    assert events[-1] == Progress(len(store), len(store), "latents")
    other = Vae(AutoencoderKL.from_pretrained(build_tiny_model(tmp_path / "other", seed=5) / "vae").eval())
    assert not np.array_equal(stored_latents(store, other), stored_latents(store, parts.vae))
    found = manifest(tmp_path / "out")
    assert len([name for name in found["arrays"] if name.startswith("latents-")]) == 2
    conditions = stored_embeddings(store.part(slice(1, 3)), parts.clap, sounds=False)
    assert conditions.first.tolist() == [0, 1, 2]
    assert not conditions.audio.any()
    assert np.linalg.norm(conditions.text.astype(np.float32), axis=1) == pytest.approx(1, abs=2 * FLOAT16)


def test_of_a_sound_longer_than_claps_input_the_middle_is_embedded(model: Path) -> None:
    parts = Encoders.load(model)
    samples = parts.clap.extractor.nb_max_samples * 16000 // parts.clap.extractor.sampling_rate
    long = np.random.default_rng(0).standard_normal((1, 3 * samples)).astype(np.float32)
    whole = encoders_module.embed_waves(parts.clap, long, 16000).astype(np.float32)
    middle = encoders_module.embed_waves(parts.clap, long[:, samples:-samples], 16000)
    beginning = encoders_module.embed_waves(parts.clap, long[:, :samples], 16000)
    assert np.linalg.norm(whole - middle) < 0.2 * np.linalg.norm(whole - beginning)


def test_folders_without_encoders_and_unknown_devices_and_precisions_are_refused(tmp_path: Path, model: Path) -> None:
    src = tones(tmp_path / "src", 1)
    with pytest.raises(CheckpointError, match="has no vae/ and no text_encoder/"):
        prepare(src, tmp_path / "out", SETTINGS, pool=HERE, model=tmp_path)
    with pytest.raises(InvalidInputError, match="device 'tpu' is not available here: choose one of auto"):
        prepare(src, tmp_path / "out", SETTINGS, pool=HERE, model=model, device="tpu")
    with pytest.raises(InvalidInputError, match=r"mixed precision 'int8'.* no, bf16, fp16"):
        prepare(src, tmp_path / "out", SETTINGS, pool=HERE, model=model, mixed_precision="int8")
    assert not (tmp_path / "out").exists()


def test_data_of_other_log_mels_than_the_models_are_not_prepared(tmp_path: Path, model: Path) -> None:
    settings = PrepareSettings(MelSpec(n_mels=32), seconds=1.0)
    with pytest.raises(InvalidInputError, match=r"the data have 32 mel bins, and the model in .* has 64 mel bins"):
        prepare(tones(tmp_path / "src", 1), tmp_path / "out", settings, pool=HERE, model=model)
    assert not (tmp_path / "out").exists()
