import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from torch.nn import functional as F
from transformers import AutoTokenizer, ClapFeatureExtractor, ClapModel

from musicldm.data.manifest import PrepareSettings
from musicldm.data.prepare import prepare
from musicldm.data.store import ClipStore
from musicldm.errors import DataError
from musicldm.machine.parallel import WorkerPool
from musicldm.training.loop.options import LoopOptions
from musicldm.training.loop.trainer import Loop
from musicldm.training.tasks import clap as clap_module
from musicldm.training.tasks.clap import ClapTask, info_nce
from musicldm.training.tasks.clap_attributes import TEMPO_BINS, Attributes, Heads, tempo_target
from tests.tiny_encoder import RECIPE, tiny_clap_task, tiny_encoder
from tests.tolerances import FLOAT16, layers


@pytest.fixture(autouse=True)
def small_encoder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clap_module, "load_encoder", tiny_encoder)


@pytest.fixture(scope="module")
def composed(tmp_path_factory: pytest.TempPathFactory) -> ClipStore:
    folder = tmp_path_factory.mktemp("composed") / "corpus"
    folder.mkdir()
    rng = np.random.default_rng(0)
    lines = []
    for index in range(12):
        soundfile.write(folder / f"{index:02}.flac", (0.1 * rng.standard_normal(8000)).astype(np.float32), 16000)
        lead = [{"name": "violin", "family": "strings", "role": "lead"}] if index % 2 else []
        clip = {"file_name": f"{index:02}.flac", "text": f"tone {index}", "captions": [f"tone {index}", "a song"]}
        clip |= {
            "genre": ("rock", "jazz")[index % 2],
            "instruments": lead,
            "drums": index % 3 == 0,
            "bpm": 60.0 + index,
        }
        clip |= {"quality": "clean", "mood": "sad", "energy": "low", "mode": "major", "key": "C", "meter": "4/4"}
        lines.append(json.dumps(clip))
    (folder / "metadata.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    prepare(
        folder,
        folder.parent / "data",
        PrepareSettings(seconds=0.5, normalize="none", beats="metadata"),
        pool=WorkerPool(workers=1),
    )
    return ClipStore(folder.parent / "data")


def task(store: ClipStore, stage: str = "text") -> ClapTask:
    torch.manual_seed(0)
    return tiny_clap_task(store.part(slice(0, 10)), store.part(slice(10, 12)), replace(RECIPE, stage=stage))


def test_held_out_clips_may_have_values_that_no_training_clip_has(composed: ClipStore) -> None:
    """A small corpus: all rock to train on, all jazz held out."""
    rock, jazz = composed.part(slice(0, 12, 2)), composed.part(slice(1, 12, 2))
    trained = tiny_clap_task(rock, jazz, replace(RECIPE, stage="text"))
    assert trained.attributes is not None
    assert trained.attributes.values["genre"] == ("jazz", "rock")
    assert 0 <= trained.validate().figures["text_genre"] <= 1


def test_infonce_is_log_batch_for_equal_rows_and_zero_for_a_sharp_match() -> None:
    same = F.normalize(torch.ones(5, 3), dim=-1)
    assert info_nce(same, same, torch.tensor(7.0)).item() == pytest.approx(math.log(5))
    assert info_nce(torch.eye(5), torch.eye(5), torch.tensor(100.0)).item() == pytest.approx(0.0, abs=layers(4, 5))


def test_infonce_equals_the_loss_of_transformers() -> None:
    torch.manual_seed(0)
    first, second = F.normalize(torch.randn(6, 4), dim=-1), F.normalize(torch.randn(6, 4), dim=-1)
    from transformers.models.clap.modeling_clap import contrastive_loss

    logits = 9.0 * first @ second.T
    expected = (contrastive_loss(logits) + contrastive_loss(logits.T)) / 2
    assert info_nce(first, second, torch.tensor(9.0)).item() == pytest.approx(expected.item(), abs=layers(4, 6, size=9))


def test_cached_lower_layers_give_what_the_whole_tower_gives(composed: ClipStore) -> None:
    made = task(composed)
    made.modules.eval()
    texts = made.captions[:6]
    with torch.no_grad():
        short = made.embed(torch.arange(6))
        tokens = made.tokenizer(texts, padding=True, return_tensors="pt")
        whole = F.normalize(made.modules["clap"].get_text_features(**tokens).pooler_output, dim=-1)
    torch.testing.assert_close(short, whole, rtol=0, atol=4 * FLOAT16)  # stored between layers, of states up to four


def test_meaning_is_the_sentence_encoders_own_embedding(composed: ClipStore) -> None:
    made = task(composed)
    expected = tiny_encoder().embed(made.captions[:6])
    torch.testing.assert_close(made.meaning[:6].float(), expected, rtol=0, atol=FLOAT16)


def trained_towers(made: ClapTask) -> set[str]:
    losses = next(made.losses(made.batch(np.arange(4), np.random.default_rng(0)), 0.0))
    assert losses is not None
    losses["loss"].backward()
    named = made.modules["clap"].named_parameters()
    return {name.split("_")[0] for name, p in named if p.grad is not None and p.grad.abs().sum() > 0}


def test_each_stage_trains_its_own_tower_and_leaves_the_other(composed: ClipStore) -> None:
    assert trained_towers(task(composed, "text")) == {"text"}
    assert trained_towers(task(composed, "audio")) == {"audio"}
    assert trained_towers(task(composed, "joint")) == {"text", "audio"}


def test_the_frozen_layers_have_no_gradient(composed: ClipStore) -> None:
    made = task(composed, "joint")
    trained_towers(made)
    text = made.modules["clap"].text_model
    assert text.embeddings.word_embeddings.weight.grad is None
    assert text.encoder.layer[0].output.dense.weight.grad is None
    assert text.encoder.layer[1].output.dense.weight.grad is not None


def test_locked_texts_are_the_text_towers_own(composed: ClipStore) -> None:
    made = task(composed, "audio")
    made.modules.eval()
    with torch.no_grad():
        tokens = made.tokenizer(made.captions[:4], padding=True, return_tensors="pt")
        text = F.normalize(made.modules["clap"].get_text_features(**tokens).pooler_output, dim=-1)
    torch.testing.assert_close(made.locked[:4].float(), text, rtol=0, atol=FLOAT16)
    assert len(made.locked) == len(made.captions)


def test_music_without_attributes_trains_jointly_only(tones: ClipStore) -> None:
    assert trained_towers(task(tones, "joint")) == {"text", "audio"}
    with pytest.raises(DataError, match="needs a composed corpus"):
        task(tones, "text")


def test_captions_are_drawn_from_the_clips_own(composed: ClipStore) -> None:
    made = task(composed)
    rng = np.random.default_rng(0)
    drawn = {made.captions[int(made.batch(np.array([7]), rng)["captions"][0])] for _ in range(30)}
    assert drawn == {"tone 7", "a song"}


def test_the_exported_clap_is_the_trained_one(composed: ClipStore, tmp_path: Path) -> None:
    made = task(composed)
    Loop(made, LoopOptions(tmp_path, steps=4, device="cpu")).run()
    stored = ClapModel.from_pretrained(tmp_path / "text_encoder").eval()
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "tokenizer")
    extractor = ClapFeatureExtractor.from_pretrained(tmp_path / "feature_extractor")
    assert tokenizer.model_max_length == RECIPE.max_tokens
    assert len(tokenizer) == stored.config.text_config.vocab_size
    features = extractor(composed.wave(0), sampling_rate=16000, return_tensors="pt")
    with torch.no_grad():
        assert stored.get_audio_features(**features).pooler_output.shape == (1, 8)
        assert stored.get_text_features(**tokenizer("a tone", return_tensors="pt")).pooler_output.shape == (1, 8)


def test_tempo_targets_peak_at_the_truth_and_halve_where_a_gaussian_does() -> None:
    target = tempo_target(TEMPO_BINS[[10, 40]].exp())
    assert target.sum(1).tolist() == pytest.approx([1.0, 1.0])
    assert target.argmax(1).tolist() == [10, 40]
    step = (TEMPO_BINS[1] - TEMPO_BINS[0]).item()
    assert (target[0, 11] / target[0, 10]).item() == pytest.approx(math.exp(-0.5 * (step / 0.02) ** 2), rel=1e-4)


def test_heads_that_read_the_truth_are_all_right(composed: ClipStore) -> None:
    attributes = Attributes.of(composed.rows)
    assert attributes is not None
    heads = Heads(attributes.values, 12)
    with torch.no_grad():
        for name, reader in heads.readers.items():
            reader.bias.zero_()
            reader.weight.zero_()
            classes = attributes.tempo.argmax(1) if name == "tempo" else attributes.classes[name]
            for clip, wanted in enumerate(classes):
                reader.weight[wanted, clip] = 1
    figures = heads.figures(torch.eye(12), attributes)
    assert figures == {"genre": 1.0, "family": 1.0, "drums": 1.0, "tempo_within_4_percent": 1.0}


def test_a_corpus_that_lacks_an_attribute_has_none(tones: ClipStore) -> None:
    assert Attributes.of(tones.rows) is None
