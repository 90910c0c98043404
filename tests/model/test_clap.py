"""Prompts to embeddings, against the CLAP model called by hand."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import ClapTextModelWithProjection

from musicldm import MusicLDMPipeline
from musicldm.errors import InvalidInputError
from musicldm.events import Event, Note
from musicldm.model.clap import Clap, EmptyPromptCache, unit_vectors
from tests.tiny_model import TOKEN_LIMIT
from tests.tolerances import embeddings, sums

pytestmark = pytest.mark.numeric

TEXTS = ["happy techno with fast drums", "sad", ""]


@pytest.fixture
def pipe(tiny_model_dir: Path) -> MusicLDMPipeline:
    return MusicLDMPipeline.from_pretrained(tiny_model_dir)


def clap_of(pipe: MusicLDMPipeline) -> Clap:
    return Clap(pipe.text_encoder, pipe.tokenizer, pipe.feature_extractor)


def encode(pipe: MusicLDMPipeline, texts: list[str]) -> torch.Tensor:
    return clap_of(pipe).embed_texts(texts)


@torch.no_grad()
def test_padding_to_the_longest_text_equals_padding_to_the_limit_as_upstream_does(pipe: MusicLDMPipeline) -> None:
    tokens = pipe.tokenizer(TEXTS, padding="max_length", max_length=TOKEN_LIMIT, return_tensors="pt")
    full = pipe.text_encoder.get_text_features(tokens.input_ids, attention_mask=tokens.attention_mask).pooler_output
    assert encode(pipe, TEXTS) == pytest.approx(full, abs=embeddings())
    alone = torch.cat([encode(pipe, [text]) for text in TEXTS])
    assert alone == pytest.approx(full, abs=embeddings())


def test_embeddings_are_unit_and_tell_texts_apart(pipe: MusicLDMPipeline) -> None:
    found = encode(pipe, TEXTS)
    assert found.norm(dim=1) == pytest.approx(torch.ones(3), abs=sums(32))
    assert (found @ found.T - torch.eye(3)).max() < 0.95


def test_a_text_tower_without_audio_gives_the_same_embeddings(pipe: MusicLDMPipeline) -> None:
    tower = ClapTextModelWithProjection(pipe.text_encoder.config.text_config).eval()
    tower.load_state_dict(
        {key: value for key, value in pipe.text_encoder.state_dict().items() if key.startswith("text_")}
    )
    assert Clap(tower, pipe.tokenizer).embed_texts(TEXTS) == pytest.approx(encode(pipe, TEXTS), abs=embeddings())


def test_the_limit_is_the_smaller_of_tokenizer_and_positions(pipe: MusicLDMPipeline) -> None:
    assert clap_of(pipe).token_limit == TOKEN_LIMIT
    pipe.tokenizer.model_max_length = int(1e30)
    assert clap_of(pipe).token_limit == TOKEN_LIMIT
    pipe.tokenizer.model_max_length = 12
    assert clap_of(pipe).token_limit == 12


def notes_of(pipe: MusicLDMPipeline, texts: list[str]) -> list[str]:
    events: list[Event] = []
    clap_of(pipe).embed_texts(texts, events.append)
    return [event.text for event in events if isinstance(event, Note)]


def test_a_text_that_is_too_long_is_cut_and_a_note_quotes_the_lost_words(pipe: MusicLDMPipeline) -> None:
    pipe.tokenizer.model_max_length = 6
    assert len(pipe.tokenizer("happy techno").input_ids) == 6
    assert encode(pipe, ["happy techno with piano"]) == pytest.approx(encode(pipe, ["happy techno"]), abs=embeddings())
    (note,) = notes_of(pipe, ["happy techno with piano"])
    assert note.startswith("the prompt is longer than the 6 tokens")
    assert note.endswith("this part is lost: 'with piano'")


def test_a_text_that_just_fits_gives_no_note(pipe: MusicLDMPipeline) -> None:
    pipe.tokenizer.model_max_length = 6
    assert notes_of(pipe, ["happy techno", ""]) == []


def test_each_text_that_is_too_long_has_its_note(pipe: MusicLDMPipeline) -> None:
    pipe.tokenizer.model_max_length = 6
    assert len(notes_of(pipe, ["happy techno with piano", "happy", "happy techno with drums"])) == 2


def count_calls(pipe: MusicLDMPipeline) -> list[int]:
    calls: list[int] = []
    pipe.text_encoder.text_model.register_forward_hook(lambda *_: calls.append(1))
    return calls


@torch.no_grad()
def test_the_empty_prompt_is_encoded_once(pipe: MusicLDMPipeline) -> None:
    calls, cache = count_calls(pipe), EmptyPromptCache()
    first = cache.get(clap_of(pipe))
    assert torch.equal(cache.get(clap_of(pipe)), first)
    assert len(calls) == 1
    assert first == pytest.approx(encode(pipe, [""]), abs=embeddings())


@torch.no_grad()
def test_the_empty_prompt_is_encoded_again_after_every_change(pipe: MusicLDMPipeline, tiny_model_dir: Path) -> None:
    cache = EmptyPromptCache()
    before = cache.get(clap_of(pipe))
    pipe.text_encoder.text_projection.linear2.weight.mul_(-1)
    changed = cache.get(clap_of(pipe))
    assert (changed - before).norm() > 0.1
    other = MusicLDMPipeline.from_pretrained(tiny_model_dir)
    assert cache.get(clap_of(other)) == pytest.approx(before, abs=embeddings())
    pipe.text_encoder.to(torch.float64)
    assert cache.get(clap_of(pipe)).dtype == torch.float64


def test_an_embedding_is_to_the_last_bit_the_same_whatever_texts_are_beside_it(pipe: MusicLDMPipeline) -> None:
    texts = ["jazz", "a calm and dreamy song with soft piano", "jazz"]
    together = clap_of(pipe).embed_each_text(texts)
    assert torch.equal(together, torch.cat([encode(pipe, [text]) for text in texts]))


def test_many_texts_come_back_in_their_order_as_unit_vectors(pipe: MusicLDMPipeline) -> None:
    texts = ["a calm and dreamy song with soft piano", "sad", "happy techno", "", "jazz with a loud bass"]
    many = clap_of(pipe).embed_many_texts(texts, batch_size=2)
    assert (many.dtype, many.shape) == (np.float32, (5, 32))
    assert many == pytest.approx(unit_vectors(encode(pipe, texts)), abs=embeddings())
    assert clap_of(pipe).embed_many_texts([]).shape == (0, 32)


def waves(count: int, seconds: float) -> np.ndarray:
    return 0.2 * np.random.default_rng(0).standard_normal((count, int(16000 * seconds))).astype("f4")


def embed(pipe: MusicLDMPipeline, audio: np.ndarray, **options: int) -> torch.Tensor:
    return clap_of(pipe).embed_waves(audio, 16000, **options)


def test_embeddings_of_sound_are_unit_and_tell_waves_apart(pipe: MusicLDMPipeline) -> None:
    found = embed(pipe, waves(6, 0.5))
    assert found.shape == (6, 32)
    assert found.norm(dim=1) == pytest.approx(torch.ones(6), abs=sums(32))
    assert (found @ found.T).min() < 0.999


@pytest.mark.parametrize("batch_size", [1, 4, 6])
def test_an_embedding_does_not_depend_on_the_waves_beside_it(pipe: MusicLDMPipeline, batch_size: int) -> None:
    audio = waves(6, 0.5)
    alone = torch.cat([embed(pipe, wave[None]) for wave in audio])
    assert embed(pipe, audio, batch_size=batch_size) == pytest.approx(alone, abs=embeddings())


def test_a_wave_longer_than_the_extractor_takes_is_embedded_by_its_middle_every_time(pipe: MusicLDMPipeline) -> None:
    long = waves(1, 12.0)
    first = embed(pipe, long)
    assert torch.equal(first, embed(pipe, long))
    middle = embed(pipe, long[:, 16000:-16000])
    beginning = embed(pipe, long[:, : 10 * 16000])
    assert (first - middle).norm() < 0.2 * (first - beginning).norm()


def test_without_extractor_or_audio_tower_no_sound_is_embedded(pipe: MusicLDMPipeline) -> None:
    tower = ClapTextModelWithProjection(pipe.text_encoder.config.text_config)
    assert clap_of(pipe).embeds_waves
    for clap in (Clap(pipe.text_encoder, pipe.tokenizer), Clap(tower, extractor=pipe.feature_extractor)):
        assert not clap.embeds_waves
        with pytest.raises(InvalidInputError, match="cannot embed sound"):
            clap.embed_waves(waves(1, 0.5), 16000)


def test_without_a_tokenizer_no_text_is_embedded(pipe: MusicLDMPipeline) -> None:
    with pytest.raises(InvalidInputError, match="it has no tokenizer"):
        Clap(pipe.text_encoder).embed_texts(["jazz"])


def test_texts_of_all_lengths_are_embedded_in_threads_as_in_a_row(pipe: MusicLDMPipeline) -> None:
    """A fast tokenizer keeps padding and truncation of the call that it is in."""
    clap, before = clap_of(pipe), sys.getswitchinterval()
    texts = [" ".join(["loud"] * (1 + 13 * (number % 8))) for number in range(160)]
    expected = {text: clap.embed_texts([text]) for text in set(texts)}
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(8) as pool:
            made = list(pool.map(lambda text: clap.embed_texts([text]), texts))
    finally:
        sys.setswitchinterval(before)
    assert all(torch.equal(one, expected[text]) for one, text in zip(made, texts, strict=True))
