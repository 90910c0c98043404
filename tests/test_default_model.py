"""The checkpoint that ships: whole, small enough, and able to do what it is for."""

from pathlib import Path

import numpy as np
import pytest
import torch

from musicldm import MusicLDMPipeline
from musicldm.audio.mel import MelSpec, log_mel
from musicldm.audio.reading import read
from musicldm.model import checksums
from musicldm.model.folder import DEFAULT_FOLDER

FIRST_EDITION = Path(__file__).parent / "oracles" / "first_edition"
MOST_BYTES = 64 * 2**20


@pytest.fixture(scope="module")
def pipe() -> MusicLDMPipeline:
    pipe = MusicLDMPipeline.from_pretrained("default")
    pipe.set_progress_bar_config(disable=True)
    return pipe


def test_the_folder_is_whole_listed_and_within_its_size() -> None:
    checksums.verify(DEFAULT_FOLDER)
    files = [path for path in DEFAULT_FOLDER.rglob("*") if path.is_file()]
    listed = set(checksums.read_sums(DEFAULT_FOLDER))
    assert {path.relative_to(DEFAULT_FOLDER).as_posix() for path in files} == listed | {checksums.FILE_NAME}
    assert sum(path.stat().st_size for path in files) <= MOST_BYTES


def test_the_card_states_licence_and_origin() -> None:
    card = (DEFAULT_FOLDER / "README.md").read_text(encoding="utf-8")
    assert "license: apache-2.0" in card
    assert "FluidR3" in card


def test_a_prompt_becomes_sound_and_the_seed_repeats_it(pipe: MusicLDMPipeline) -> None:
    def play(seed: int) -> np.ndarray:
        generator = torch.Generator().manual_seed(seed)
        return pipe("house, 124 bpm", audio_length_in_s=2.56, num_inference_steps=4, generator=generator).audios[0]

    first = play(1)
    assert first.shape == (40960,)
    assert np.isfinite(first).all()
    assert 0.005 < first.std() < 0.7
    assert np.array_equal(first, play(1))
    assert not np.allclose(first, play(2), atol=1e-2)


def test_words_of_like_meaning_lie_nearer_than_others(pipe: MusicLDMPipeline) -> None:
    """None of these sentences is a training caption; the second of each pair avoids the genre's name."""
    pairs = [
        ("techno", "a dark warehouse rave with a pounding machine beat"),
        ("classical", "a string quartet in a concert hall"),
        ("reggae", "skanking offbeat guitars on a beach in kingston"),
        ("metal", "headbanging with distorted riffs and double bass drums"),
    ]
    texts = [text for pair in pairs for text in pair]
    tokens = pipe.tokenizer(texts, padding=True, return_tensors="pt")
    with torch.no_grad():
        embedded = pipe.text_encoder.get_text_features(**tokens).pooler_output
    similarity = torch.nn.functional.normalize(embedded, dim=-1)
    similarity = similarity[::2] @ similarity[1::2].T
    assert similarity.argmax(dim=1).tolist() == [0, 1, 2, 3]


def test_its_novelty_index_is_of_its_own_clap_and_finds_its_training_music() -> None:
    """The first clips of its training corpus are copies, also as its VAE and vocoder make them anew.

    A clip of another seed is none.
    """
    pytest.importorskip("faiss")
    from musicldm.evaluation.codec import Codec
    from musicldm.novelty.check import check
    from musicldm.novelty.index import open_index

    index = open_index("default")
    embedder = index.embedder("cpu")
    for name in ("000000", "000001"):
        report = check(index, *read(FIRST_EDITION / f"trained-{name}.flac"), embedder)
        assert report.verdict == "copy"
        assert report.copied.place.source == f"audio/{name}.flac"
        assert report.copied.place.bars is not None
        assert report.nearest[0].place.source == f"audio/{name}.flac"
    codec = Codec.load(DEFAULT_FOLDER)
    wave, rate = read(FIRST_EDITION / "trained-000001.flac")
    report = check(index, codec(log_mel(torch.from_numpy(wave), MelSpec())[None])[0], rate, embedder)
    assert (report.verdict, report.copied.by, report.copied.place.source) == ("copy", "outline", "audio/000001.flac")
    assert check(index, *read(FIRST_EDITION / "new-000000.flac"), embedder).verdict != "copy"
