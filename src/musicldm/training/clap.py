"""CLAP: a text tower from a pretrained sentence encoder, then an HTSAT audio tower trained against it.

Where a corpus knows its clips' attributes, the text tower learns first, alone: its embedding must tell genre, lead,
tempo, …, stay near the sentence encoder's meaning, and find its clip's attributes in the batch. The audio tower then
learns to meet the locked text embeddings by symmetric InfoNCE (arXiv 2211.06687; locked text as arXiv 2111.07991 locks
images). For any other corpus both towers learn together by InfoNCE alone.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import ClapAudioConfig, ClapConfig, ClapFeatureExtractor, ClapModel

from musicldm.data.clips import ClipStore
from musicldm.training.attributes import Attributes, Heads
from musicldm.training.loop import Batch, Losses, Turn
from musicldm.training.text_tower import build_text_model, keep_pieces, load_encoder, make_tokenizer


@dataclass(frozen=True)
class ClapRecipe:
    """Sizes and weights of a CLAP training; the defaults make the shipped model's.

    Args:
        layers: of the sentence encoder that are kept; the first `frozen` of them stay as they are.
        pieces: size of the vocabulary.
        spec_size: side of the image that the spectrogram is folded into: spec_size² / 64 frames.
        max_seconds: longest audio; longer is cut at random.
        text_until: share of the run in which the text tower learns alone.
        meaning_weight: of staying near the sentence encoder's embedding, also for phrases of random words.
        matching_weight: of finding the clip's own attributes in the batch.
    """

    width: int = 512
    layers: tuple[int, ...] = (0, 1, 2, 3, 4)
    frozen: int = 3
    pieces: int = 10_000
    max_tokens: int = 96
    sample_rate: int = 16000
    hop_length: int = 700
    max_seconds: int = 11
    spec_size: int = 128
    window: int = 4
    audio_channels: int = 32
    depths: tuple[int, ...] = (2, 2, 4, 2)
    heads: tuple[int, ...] = (2, 4, 8, 16)
    batch_size: int = 96
    phrases: int = 32
    learning_rate: float = 1e-3
    encoder_factor: float = 0.2
    text_until: float = 0.5
    meaning_weight: float = 5.0
    matching_weight: float = 0.3


RECIPES: Mapping[str, ClapRecipe] = {"default": ClapRecipe()}

_PHRASE_FRAMES = ("{} {}", "{} music", "music for {} {}", "a {} song with {}", "{}, {}, {}", "the sound of {} {}")
_PHRASE_COUNT = 8192


def build_extractor(recipe: ClapRecipe) -> ClapFeatureExtractor:
    """Waveform → log-mel in dB (1, frames, 64), silence after clips shorter than `max_seconds`."""
    return ClapFeatureExtractor(
        feature_size=64,
        sampling_rate=recipe.sample_rate,
        hop_length=recipe.hop_length,
        max_length_s=recipe.max_seconds,
        fft_window_size=1024,
        frequency_min=0,
        frequency_max=recipe.sample_rate / 2,
        truncation="rand_trunc",
        padding="repeatpad",
    )


def build_clap(recipe: ClapRecipe, captions: Sequence[str]) -> tuple[ClapModel, Any]:
    """A CLAP whose text tower is the sentence encoder's, and its tokenizer."""
    encoder = load_encoder()
    used = {piece for caption in captions for piece in encoder.tokenizer.tokenize(caption)}
    pieces = keep_pieces(encoder.tokenizer.vocab, recipe.pieces, used)
    text = build_text_model(encoder, pieces, recipe.layers, recipe.max_tokens)
    text.config.projection_dim = recipe.width
    audio = ClapAudioConfig(
        spec_size=recipe.spec_size,
        num_mel_bins=64,
        window_size=recipe.window,
        patch_embeds_hidden_size=recipe.audio_channels,
        hidden_size=recipe.audio_channels * 2 ** (len(recipe.depths) - 1),
        depths=list(recipe.depths),
        num_attention_heads=list(recipe.heads),
        num_hidden_layers=len(recipe.depths),
        projection_dim=recipe.width,
        hidden_dropout_prob=0.0,
    )
    config = ClapConfig(text_config=text.config.to_dict(), audio_config=audio.to_dict(), projection_dim=recipe.width)
    clap = ClapModel(config)
    clap.text_model.load_state_dict(text.state_dict())
    return clap, make_tokenizer(pieces, recipe.max_tokens)


@dataclass(frozen=True)
class FrozenStates:
    """What the frozen layers make of many texts: (all tokens, hidden) float16, text i at first[i] : first[i + 1]."""

    states: Tensor
    first: npt.NDArray[np.int64]

    def batch(self, texts: npt.NDArray[np.int64]) -> tuple[Tensor, Tensor]:
        """Padded states (B, L, hidden) float32 and the mask (B, L) of texts."""
        lengths = self.first[texts + 1] - self.first[texts]
        out = torch.zeros(len(texts), int(lengths.max()), self.states.shape[1])
        for row, (text, length) in enumerate(zip(texts, lengths, strict=True)):
            out[row, :length] = self.states[self.first[text] : self.first[text] + length]
        return out, torch.arange(out.shape[1])[None] < torch.from_numpy(lengths)[:, None]


@torch.no_grad()
def freeze_states(
    text_model: Any, tokenizer: Any, texts: Sequence[str], frozen: int, batch_size: int = 128
) -> FrozenStates:
    """Runs the embeddings and the first `frozen` layers once over all texts."""
    text_model.eval()
    ids = tokenizer(list(texts), truncation=True)["input_ids"]
    first = np.cumsum([0, *map(len, ids)]).astype(np.int64)
    states = torch.empty(int(first[-1]), text_model.config.hidden_size, dtype=torch.float16)
    order = sorted(range(len(ids)), key=lambda index: len(ids[index]))
    for start in range(0, len(order), batch_size):
        rows = order[start : start + batch_size]
        padded = tokenizer.pad({"input_ids": [ids[row] for row in rows]}, return_tensors="pt")
        hidden = text_model.embeddings(input_ids=padded["input_ids"])
        hidden = run_layers(text_model.encoder.layer[:frozen], hidden, padded["attention_mask"].bool())
        for row, state in zip(rows, hidden, strict=True):
            states[first[row] : first[row + 1]] = state[: len(ids[row])].half()
    return FrozenStates(states, first)


def run_layers(layers: Any, hidden: Tensor, mask: Tensor) -> Tensor:
    """Transformer layers over hidden (B, L, H) where mask (B, L) is true."""
    bias = torch.zeros(mask.shape, dtype=hidden.dtype, device=hidden.device)
    bias = bias.masked_fill(~mask, torch.finfo(hidden.dtype).min)[:, None, None]
    for layer in layers:
        hidden = layer(hidden, attention_mask=bias)
    return hidden


def random_phrases(tokenizer: Any, count: int, seed: int = 0) -> list[str]:
    """Short phrases of random vocabulary words: what the text tower must keep understanding beside captions."""
    rng = np.random.default_rng(seed)
    words = sorted(word for word in tokenizer.get_vocab() if word.isascii() and word.isalpha() and len(word) > 2)
    frames = [_PHRASE_FRAMES[index] for index in rng.integers(len(_PHRASE_FRAMES), size=count)]
    return [frame.format(*rng.choice(words, size=3)) for frame in frames]


class ClapTask:
    """Trains the text tower, then the audio tower against it."""

    name = "clap"
    ema: tuple[str, ...] = ("clap",)

    def __init__(
        self, recipe: ClapRecipe, train: ClipStore, held_out: ClipStore, clap: ClapModel, tokenizer: Any
    ) -> None:
        self.recipe, self.train, self.held_out, self.tokenizer = recipe, train, held_out, tokenizer
        self.batch_size = recipe.batch_size
        self.attributes = Attributes.of(train.rows)
        known = self.attributes.values if self.attributes is not None else {}
        self.held_out_attributes = Attributes.of(held_out.rows, known) if known else None
        self.extractor = build_extractor(recipe)
        trained = clap.text_model.encoder.layer[recipe.frozen :]
        clap.requires_grad_(False)
        for module in (trained, clap.text_model.pooler, clap.text_projection, clap.audio_model, clap.audio_projection):
            module.requires_grad_(True)
        clap.logit_scale_t.requires_grad_(True)
        extras = nn.ModuleDict({"meaning": nn.Linear(recipe.width, clap.config.text_config.hidden_size)})
        if self.attributes is not None:
            extras["heads"] = Heads(known, recipe.width)
            extras["truth"] = nn.Linear(self.attributes.features().shape[1], recipe.width)
        self.clap: Any = clap
        self.extras: Any = extras
        self.modules = nn.ModuleDict({"clap": clap, "extras": extras})
        self.turns = self._turns()
        self.captions = [caption for row in train.rows for caption in row.captions]
        self.first = np.cumsum([0, *(len(row.captions) for row in train.rows)])
        texts = [*self.captions, *random_phrases(tokenizer, _PHRASE_COUNT)]
        self.states = freeze_states(clap.text_model, tokenizer, texts, recipe.frozen)
        self.meaning = self._meanings()
        self._spectrograms: dict[int, Tensor] = {}
        self._locked: Tensor | None = None

    def _turns(self) -> tuple[Turn, ...]:
        layers = range(self.recipe.frozen, len(self.recipe.layers))
        encoder = tuple(f"clap.text_model.encoder.layer.{layer}" for layer in layers)
        text = (*encoder, "clap.text_model.pooler", "clap.text_projection")
        audio = ("clap.audio_model", "clap.audio_projection")
        factors = dict.fromkeys(encoder, self.recipe.encoder_factor)
        rate = self.recipe.learning_rate
        if self.attributes is None:
            return (Turn("audio", (*text, *audio), rate, (0.9, 0.98), 0.01, 1.0, factors),)
        return (
            Turn("text", (*text, "extras"), rate, (0.9, 0.98), 0.01, 5.0, factors),
            Turn("audio", audio, rate, (0.9, 0.98), 0.05, 1.0),
        )

    @torch.no_grad()
    def _meanings(self) -> Tensor:
        """The sentence encoder's unit embeddings (texts, hidden) of all texts, float16: mean over tokens of its end."""
        encoder = load_encoder()
        rest = encoder.model.encoder.layer[len(self.recipe.layers[: self.recipe.frozen]) :]
        count = len(self.states.first) - 1
        out = torch.empty(count, self.states.states.shape[1], dtype=torch.float16)
        order = np.argsort(np.diff(self.states.first))
        for rows in np.array_split(order, math.ceil(count / 128)):
            hidden, mask = self.states.batch(rows)
            hidden = run_layers(rest, hidden, mask)
            pooled = (hidden * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)
            out[torch.from_numpy(rows)] = F.normalize(pooled, dim=-1).half()
        return out

    def __len__(self) -> int:
        return len(self.train)

    def batch(self, clips: npt.NDArray[np.int64], rng: np.random.Generator) -> Batch:
        """`clips` (B,), `captions` (B,): one random caption each, `phrases` (P,) of random words, `shift` (B,)."""
        which = self.first[clips] + (rng.random(len(clips)) * (self.first[clips + 1] - self.first[clips])).astype(int)
        phrases = len(self.captions) + rng.integers(_PHRASE_COUNT, size=self.recipe.phrases)
        shift = rng.integers(0, 64, size=len(clips))
        return {name: torch.from_numpy(np.asarray(value)) for name, value in
                (("clips", clips), ("captions", which), ("phrases", phrases), ("shift", shift))}  # fmt: skip

    def losses(self, turn: str, batch: Batch, progress: float) -> Losses | None:
        alone = self.attributes is not None and progress < self.recipe.text_until
        if turn == "text":
            return self._text_losses(batch) if alone else None
        return None if alone else self._audio_losses(batch)

    def _embed(self, texts: Tensor) -> Tensor:
        """Unit embeddings (B, D) of texts by index, through the layers that train."""
        clap = self.clap
        hidden, mask = self.states.batch(texts.cpu().numpy())
        hidden, mask = hidden.to(clap.device), mask.to(clap.device)
        hidden = run_layers(clap.text_model.encoder.layer[self.recipe.frozen :], hidden, mask)
        return F.normalize(clap.text_projection(clap.text_model.pooler(hidden)), dim=-1)

    def _text_losses(self, batch: Batch) -> Losses:
        assert self.attributes is not None
        extras, clips = self.extras, batch["clips"].cpu()
        texts = torch.cat([batch["captions"], batch["phrases"]]).cpu()
        embedded = self._embed(texts)
        captions = embedded[: len(clips)]
        truth = F.normalize(extras["truth"](self.attributes.features()[clips].to(embedded.device)), dim=-1)
        meant = self.meaning[texts].float().to(embedded.device)
        terms = {
            "heads": extras["heads"].loss(captions, self.attributes, clips)
            + 0.3 * extras["heads"].loss(truth, self.attributes, clips),
            "meaning": 1 - (F.normalize(extras["meaning"](embedded), dim=-1) * meant).sum(1).mean(),
            "matching": info_nce(captions, truth, self.clap.logit_scale_t.exp()),
        }
        loss = terms["heads"] + self.recipe.meaning_weight * terms["meaning"]
        return {"loss": loss + self.recipe.matching_weight * terms["matching"], **terms}

    def _audio_losses(self, batch: Batch) -> Losses:
        clap, clips = self.clap, batch["clips"].cpu()
        heard = self._hear(self.train, clips, batch["shift"].cpu())
        if self.attributes is None:
            terms = {"contrast": info_nce(heard, self._embed(batch["captions"]), clap.logit_scale_a.exp())}
            return {"loss": terms["contrast"], **terms}
        if self._locked is None:
            self._locked = self._embed_all()
        text = self._locked[batch["captions"].cpu()].float().to(heard.device)
        terms = {
            "contrast": info_nce(heard, text, clap.logit_scale_a.exp()),
            "heads": self.extras["heads"].loss(heard, self.attributes, clips),
        }
        return {"loss": terms["contrast"] + 0.5 * terms["heads"], **terms}

    @torch.no_grad()
    def _embed_all(self) -> Tensor:
        training = self.modules.training
        self.modules.eval()
        texts = torch.arange(len(self.captions))
        out = torch.cat([self._embed(part).half().cpu() for part in torch.split(texts, 256)])
        self.modules.train(training)
        return out

    def _hear(self, store: ClipStore, clips: Tensor, shift: Tensor | None = None) -> Tensor:
        """Unit embeddings (B, D) of clips' sound, their spectrograms turned in time by `shift` frames."""
        spectrograms = []
        for row, clip in enumerate(clips.tolist()):
            image = self._spectrogram(store, clip)
            spectrograms.append(image if shift is None else image.roll(int(shift[row]), dims=1))
        clap = self.clap
        features = torch.stack(spectrograms).float().to(clap.device)
        return F.normalize(clap.get_audio_features(features).pooler_output, dim=-1)

    def _spectrogram(self, store: ClipStore, clip: int) -> Tensor:
        """(1, frames, 64) float16 of a clip, kept once made."""
        key = clip if store is self.train else -1 - clip
        if key not in self._spectrograms:
            features = self.extractor(store.wave(clip), sampling_rate=store.spec.sample_rate, return_tensors="pt")
            self._spectrograms[key] = features["input_features"][0].half()
        return self._spectrograms[key]

    def validate(self) -> dict[str, float]:
        """Attribute accuracies of held-out captions and sounds, retrieval of clips by caption, spread of texts."""
        clap = self.clap
        texts = [row.captions[0] for row in self.held_out.rows]
        tokens = self.tokenizer(texts, padding=True, truncation=True, return_tensors="pt").to(clap.device)
        text = F.normalize(clap.get_text_features(**tokens).pooler_output, dim=-1)
        heard = torch.cat([self._hear(self.held_out, part) for part in torch.split(torch.arange(len(texts)), 32)])
        rank = (text @ heard.T).argsort(dim=1, descending=True).cpu() == torch.arange(len(texts))[:, None]
        place = rank.float().argmax(1)
        similarity = text @ text.T
        figures = {
            "recall_at_1": (place < 1).float().mean().item(),
            "recall_at_10": (place < 10).float().mean().item(),
            "unrelated_texts": similarity[~torch.eye(len(texts), dtype=torch.bool)].mean().item(),
        }
        if self.held_out_attributes is not None:
            for name, embedding in (("text", text), ("audio", heard)):
                found = self.extras["heads"].figures(embedding, self.held_out_attributes)
                figures |= {f"{name}_{key}": value for key, value in found.items()}
        return figures

    def samples(self) -> dict[str, npt.NDArray[np.float32]]:
        return {}

    def export(self, folder: Path) -> None:
        self.clap.save_pretrained(folder / "text_encoder")
        self.tokenizer.save_pretrained(folder / "tokenizer")
        self.extractor.save_pretrained(folder / "feature_extractor")


def info_nce(first: Tensor, second: Tensor, scale: Tensor) -> Tensor:
    """Symmetric InfoNCE of matching unit rows (B, D), `scale` the inverse temperature. arXiv 2103.00020, figure 3."""
    logits = scale.clamp(max=100) * first @ second.T
    labels = torch.arange(len(first), device=first.device)
    return (F.cross_entropy(logits, labels) + F.cross_entropy(logits.T, labels)) / 2


def make_task(recipe: ClapRecipe, train: ClipStore, held_out: ClipStore, init: Path | None = None) -> ClapTask:
    """The training of a new CLAP, or of that in the model folder `init`."""
    if init is None:
        clap, tokenizer = build_clap(recipe, [caption for row in train.rows for caption in row.captions])
    else:
        from transformers import AutoTokenizer

        clap = ClapModel.from_pretrained(init / "text_encoder", dtype=torch.float32)
        tokenizer = AutoTokenizer.from_pretrained(init / "tokenizer")
    return ClapTask(recipe, train, held_out, clap, tokenizer)
