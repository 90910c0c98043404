"""Prompts to embeddings, against the CLAP model called by hand."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest
import torch
from transformers import ClapTextModelWithProjection

from musicldm import MusicLDMPipeline
from musicldm.model.clap import EmptyPromptCache, encode_each, encode_texts, token_limit
from tests.tiny_model import TOKEN_LIMIT
from tests.tolerances import embeddings, sums

pytestmark = pytest.mark.numeric

TEXTS = ["happy techno with fast drums", "sad", ""]
CPU = torch.device("cpu")


@pytest.fixture
def pipe(tiny_model_dir: Path) -> MusicLDMPipeline:
    return MusicLDMPipeline.from_pretrained(tiny_model_dir)


@torch.no_grad()
def encode(pipe: MusicLDMPipeline, texts: list[str]) -> torch.Tensor:
    return encode_texts(pipe.text_encoder, pipe.tokenizer, texts, CPU)


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
    with torch.no_grad():
        assert encode_texts(tower, pipe.tokenizer, TEXTS, CPU) == pytest.approx(encode(pipe, TEXTS), abs=embeddings())


def test_the_limit_is_the_smaller_of_tokenizer_and_positions(pipe: MusicLDMPipeline) -> None:
    assert token_limit(pipe.text_encoder, pipe.tokenizer) == TOKEN_LIMIT
    pipe.tokenizer.model_max_length = int(1e30)
    assert token_limit(pipe.text_encoder, pipe.tokenizer) == TOKEN_LIMIT
    pipe.tokenizer.model_max_length = 12
    assert token_limit(pipe.text_encoder, pipe.tokenizer) == 12


def test_a_text_that_is_too_long_is_cut_and_the_warning_quotes_the_lost_words(pipe: MusicLDMPipeline) -> None:
    pipe.tokenizer.model_max_length = 6
    assert len(pipe.tokenizer("happy techno").input_ids) == 6
    with pytest.warns(UserWarning, match=r"longer than the 6 tokens .*this part is lost: 'with piano'$"):
        cut = encode(pipe, ["happy techno with piano"])
    assert cut == pytest.approx(encode(pipe, ["happy techno"]), abs=embeddings())


def test_a_text_that_just_fits_gives_no_warning(pipe: MusicLDMPipeline) -> None:
    pipe.tokenizer.model_max_length = 6
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        encode(pipe, ["happy techno", ""])


def test_each_text_that_is_too_long_is_warned_of(pipe: MusicLDMPipeline) -> None:
    pipe.tokenizer.model_max_length = 6
    with pytest.warns(UserWarning, match="this part is lost") as caught:
        encode(pipe, ["happy techno with piano", "happy", "happy techno with drums"])
    assert len(caught) == 2


def count_calls(pipe: MusicLDMPipeline) -> list[int]:
    calls: list[int] = []
    pipe.text_encoder.text_model.register_forward_hook(lambda *_: calls.append(1))
    return calls


@torch.no_grad()
def test_the_empty_prompt_is_encoded_once(pipe: MusicLDMPipeline) -> None:
    calls, cache = count_calls(pipe), EmptyPromptCache()
    first = cache.get(pipe.text_encoder, pipe.tokenizer, CPU)
    assert torch.equal(cache.get(pipe.text_encoder, pipe.tokenizer, CPU), first)
    assert len(calls) == 1
    assert first == pytest.approx(encode(pipe, [""]), abs=embeddings())


@torch.no_grad()
def test_the_empty_prompt_is_encoded_again_after_every_change(pipe: MusicLDMPipeline, tiny_model_dir: Path) -> None:
    cache = EmptyPromptCache()
    before = cache.get(pipe.text_encoder, pipe.tokenizer, CPU)
    pipe.text_encoder.text_projection.linear2.weight.mul_(-1)
    changed = cache.get(pipe.text_encoder, pipe.tokenizer, CPU)
    assert (changed - before).norm() > 0.1
    other = MusicLDMPipeline.from_pretrained(tiny_model_dir)
    assert cache.get(other.text_encoder, pipe.tokenizer, CPU) == pytest.approx(before, abs=embeddings())
    pipe.text_encoder.to(torch.float64)
    assert cache.get(pipe.text_encoder, pipe.tokenizer, CPU).dtype == torch.float64


def test_an_embedding_is_to_the_last_bit_the_same_whatever_texts_are_beside_it(pipe: MusicLDMPipeline) -> None:
    texts = ["jazz", "a calm and dreamy song with soft piano", "jazz"]
    tower, tokenizer, cpu = pipe.text_encoder, pipe.tokenizer, torch.device("cpu")
    with torch.no_grad():
        together = encode_each(tower, tokenizer, texts, cpu)
        alone = [encode_texts(tower, tokenizer, [text], cpu)[0] for text in texts]
    assert torch.equal(together, torch.stack(alone))
