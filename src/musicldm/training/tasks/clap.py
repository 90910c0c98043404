"""CLAP: a text tower from a pretrained sentence encoder, then an HTSAT audio tower trained against it.

On a composed corpus, whose clips' attributes are known, it is trained in two stages. In `text` the text tower learns
alone: its embedding must tell genre, lead, tempo, …, stay near the sentence encoder's meaning, and find its clip's
attributes in the batch. In `audio` the audio tower learns to meet the locked text embeddings by symmetric InfoNCE
(arXiv 2211.06687; locked as arXiv 2111.07991 locks images) and to tell the attributes. On any other corpus both towers
learn together (`default`) by InfoNCE alone.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import ClapAudioConfig, ClapConfig, ClapFeatureExtractor, ClapModel

from musicldm.data.conditions import stored_texts
from musicldm.data.encoders import embed_texts
from musicldm.data.store import ClipStore
from musicldm.errors import DataError
from musicldm.model.clap_input import clap_input
from musicldm.model.parts import load_part
from musicldm.training.tasks.clap_attributes import Attributes, Heads, attribute_values
from musicldm.training.loop.task import Batch, Losses, Schedule, Turn
from musicldm.training.networks.text_tower import build_text_model, keep_pieces, load_encoder, make_tokenizer


@dataclass(frozen=True)
class ClapRecipe:
    """Sizes and weights of a CLAP training; the defaults make the shipped model's.

    Args:
        layers: of the sentence encoder that are kept; the first `frozen` of them stay as they are.
        pieces: size of the vocabulary.
        spec_size: side of the image that the spectrogram is folded into: spec_size² / 64 frames.
        max_seconds: longest audio; longer is cut at random.
        stage: "text", "audio" or "joint", as the module says.
        meaning_weight: of staying near the sentence encoder's embedding, also for phrases of random words.
        matching_weight: of finding the clip's own attributes in the batch.
    """

    stage: Literal["text", "audio", "joint"] = "joint"
    width: int = 512
    layers: tuple[int, ...] = (0, 1, 3, 5)
    frozen: int = 2
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
    meaning_weight: float = 5.0
    matching_weight: float = 0.3


RECIPES: Mapping[str, ClapRecipe] = {
    "default": ClapRecipe(),
    "text": ClapRecipe(stage="text"),
    "audio": ClapRecipe(stage="audio"),
}

_PHRASE_FRAMES = ("{} {}", "{} music", "music for {} {}", "a {} song with {}", "{}, {}, {}", "the sound of {} {}")
_PHRASE_COUNT = 8192
_LENGTH_GROUPS = 4
"""Texts of a batch go through the layers in this many groups of like length, which saves padding."""


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

    @property
    def lengths(self) -> npt.NDArray[np.int64]:
        """Tokens of each text."""
        return np.diff(self.first)

    def batch(self, texts: npt.NDArray[np.int64]) -> tuple[Tensor, Tensor]:
        """Padded states (B, L, hidden) float32 and the mask (B, L) of texts."""
        lengths = self.lengths[texts]
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
    """Trains the text tower, the audio tower against it, or both."""

    name = "clap"
    ema: tuple[str, ...] = ("clap",)
    goal = "loss"
    schedule = Schedule()
    compiled = ("clap.text_model.encoder", "clap.audio_model")

    def __init__(
        self,
        recipe: ClapRecipe,
        train: ClipStore,
        held_out: ClipStore,
        clap: ClapModel,
        tokenizer: Any,
    ) -> None:
        self.recipe, self.train, self.held_out, self.tokenizer = recipe, train, held_out, tokenizer
        self.batch_size, self.sample_rate = recipe.batch_size, recipe.sample_rate
        values = attribute_values([*train.rows, *held_out.rows])
        self.attributes = None if values is None else Attributes.of(train.rows, values)
        if self.attributes is None and recipe.stage != "joint":
            raise DataError(
                f"{train.folder} does not know genre, tempo, …: recipe {recipe.stage!r} needs a composed corpus"
            )
        self.extractor = build_extractor(recipe)
        self.clap: Any = clap
        self.extras: Any = self._extras()
        self.modules = nn.ModuleDict({"clap": clap, "extras": self.extras})
        clap.requires_grad_(False)
        self.turns = (self._turn(),)
        for name in self.turns[0].modules:
            self.modules.get_submodule(name).requires_grad_(True)
        self.captions = [caption for row in train.rows for caption in row.captions]
        self.first = np.cumsum([0, *(len(row.captions) for row in train.rows)])
        self._spectrograms: dict[int, Tensor] = {}
        if recipe.stage == "audio":
            self.locked = torch.from_numpy(stored_texts(train, clap, tokenizer))
        else:
            texts = [*self.captions, *random_phrases(tokenizer, _PHRASE_COUNT)]
            self.states = freeze_states(clap.text_model, tokenizer, texts, recipe.frozen)
        if recipe.stage == "text":
            self.meaning = sentence_meanings(self.states, recipe.frozen)

    def _extras(self) -> nn.ModuleDict:
        extras = nn.ModuleDict()
        if self.attributes is not None and self.recipe.stage != "joint":
            extras["heads"] = Heads(self.attributes.values, self.recipe.width)
        if self.attributes is not None and self.recipe.stage == "text":
            extras["truth"] = nn.Linear(self.attributes.features().shape[1], self.recipe.width)
            extras["meaning"] = nn.Linear(self.recipe.width, self.clap.config.text_config.hidden_size)
        extras["scale"] = Scale()
        return extras

    def _turn(self) -> Turn:
        layers = range(self.recipe.frozen, len(self.recipe.layers))
        encoder = tuple(f"clap.text_model.encoder.layer.{layer}" for layer in layers)
        text = (*encoder, "clap.text_model.pooler", "clap.text_projection")
        audio = ("clap.audio_model", "clap.audio_projection")
        modules = {"text": text, "audio": audio, "joint": (*text, *audio)}[self.recipe.stage]
        factors = {name: self.recipe.encoder_factor for name in modules if name in encoder}
        return Turn("generator", (*modules, "extras"), self.recipe.learning_rate, (0.9, 0.98), 0.01, 5.0, factors)

    def __len__(self) -> int:
        return len(self.train)

    def batch(self, clips: npt.NDArray[np.int64], rng: np.random.Generator) -> Batch:
        """`clips` (B,), `captions` (B,): one random caption each, `phrases` (P,) of random words, `shift` (B,)."""
        which = self.first[clips] + (rng.random(len(clips)) * (self.first[clips + 1] - self.first[clips])).astype(int)
        phrases = len(self.captions) + rng.integers(_PHRASE_COUNT, size=self.recipe.phrases)
        shift = rng.integers(0, 64, size=len(clips))
        drawn = {"clips": clips, "captions": which, "phrases": phrases, "shift": shift}
        return {name: torch.from_numpy(np.asarray(value)) for name, value in drawn.items()}

    def losses(self, turn: str, batch: Batch, progress: float) -> Losses | None:  # noqa: ARG002 - one turn
        return self._text_losses(batch) if self.recipe.stage == "text" else self._audio_losses(batch)

    def _embed(self, texts: Tensor) -> Tensor:
        """Unit embeddings (B, D) of texts by index, through the layers that train."""
        numbers = texts.cpu().numpy()
        order = np.argsort(self.states.lengths[numbers], kind="stable")
        layers, parts = self.clap.text_model.encoder.layer[self.recipe.frozen :], []
        for rows in np.array_split(order, min(_LENGTH_GROUPS, len(order))):
            hidden, mask = (x.to(self.clap.device) for x in self.states.batch(numbers[rows]))
            parts.append(self.clap.text_model.pooler(run_layers(layers, hidden, mask)))
        pooled = torch.cat(parts)[torch.from_numpy(np.argsort(order)).to(self.clap.device)]
        return F.normalize(self.clap.text_projection(pooled), dim=-1)

    def _text_losses(self, batch: Batch) -> Losses:
        assert self.attributes is not None
        clips = batch["clips"].cpu()
        texts = torch.cat([batch["captions"], batch["phrases"]]).cpu()
        embedded = self._embed(texts)
        captions = embedded[: len(clips)]
        truth = F.normalize(self.extras["truth"](self.attributes.features()[clips].to(embedded.device)), dim=-1)
        meant = self.meaning[texts].float().to(embedded.device)
        terms = {
            "heads": self.extras["heads"].loss(captions, self.attributes, clips)
            + 0.3 * self.extras["heads"].loss(truth, self.attributes, clips),
            "meaning": 1 - (F.normalize(self.extras["meaning"](embedded), dim=-1) * meant).sum(1).mean(),
            "matching": info_nce(captions, truth, self.extras["scale"]()),
        }
        loss = terms["heads"] + self.recipe.meaning_weight * terms["meaning"]
        return {"loss": loss + self.recipe.matching_weight * terms["matching"], **terms}

    def _audio_losses(self, batch: Batch) -> Losses:
        clips = batch["clips"].cpu()
        heard = self._hear(self.train, clips, batch["shift"].cpu())
        if self.recipe.stage == "joint":
            contrast = info_nce(heard, self._embed(batch["captions"]), self.extras["scale"]())
            return {"loss": contrast, "contrast": contrast}
        assert self.attributes is not None
        text = self.locked[batch["captions"].cpu()].float().to(heard.device)
        terms = {
            "contrast": info_nce(heard, text, self.extras["scale"]()),
            "heads": self.extras["heads"].loss(heard, self.attributes, clips)
            + 0.3 * self.extras["heads"].loss(text, self.attributes, clips),
        }
        return {"loss": terms["contrast"] + 0.5 * terms["heads"], **terms}

    def _hear(self, store: ClipStore, clips: Tensor, shift: Tensor | None = None) -> Tensor:
        """Unit embeddings (B, D) of clips' sound, their spectrograms turned in time by `shift` frames."""
        spectrograms = []
        for row, clip in enumerate(clips.tolist()):
            image = self._spectrogram(store, clip)
            spectrograms.append(image if shift is None else image.roll(int(shift[row]), dims=1))
        features = torch.stack(spectrograms).float().to(self.clap.device)
        return F.normalize(self.clap.get_audio_features(features).pooler_output, dim=-1)

    def _spectrogram(self, store: ClipStore, clip: int) -> Tensor:
        """(1, frames, 64) float16 of a clip, kept once made."""
        key = clip if store is self.train else -1 - clip
        if key not in self._spectrograms:
            features = clap_input(self.extractor, store.wave(clip)[None], store.spec.sample_rate)
            self._spectrograms[key] = features["input_features"][0].half()
        return self._spectrograms[key]

    def validate(self) -> dict[str, float]:
        """Spread of held-out captions; retrieval of held-out clips by caption; attributes read off embeddings."""
        texts = [row.captions[0] for row in self.held_out.rows]
        text = torch.from_numpy(embed_texts(self.clap, self.tokenizer, texts)).float()
        embeddings = {"text": text}
        similarity = text @ text.T
        figures = {"unrelated_texts": similarity[~torch.eye(len(texts), dtype=torch.bool)].mean().item()}
        if self.recipe.stage != "text":
            parts = torch.split(torch.arange(len(texts)), 32)
            heard = torch.cat([self._hear(self.held_out, part) for part in parts]).cpu()
            order = (text @ heard.T).argsort(dim=1, descending=True)
            place = (order == torch.arange(len(texts))[:, None]).float().argmax(1)
            figures |= {f"recall_at_{k}": (place < k).float().mean().item() for k in (1, 10)}
            figures["loss"] = info_nce(heard, text, self.extras["scale"]().cpu()).item()
            embeddings["audio"] = heard
        if "heads" in self.extras:
            assert self.attributes is not None
            truth = Attributes.of(self.held_out.rows, self.attributes.values)
            assert truth is not None
            if self.recipe.stage == "text":
                everything = torch.arange(len(texts))
                figures["loss"] = self.extras["heads"].loss(text.to(self.clap.device), truth, everything).item()
            for name, embedding in embeddings.items():
                found = self.extras["heads"].figures(embedding.to(self.clap.device), truth)
                figures |= {f"{name}_{key}": value for key, value in found.items()}
        return figures

    def samples(self) -> dict[str, npt.NDArray[np.float32]]:
        return {}

    def export(self, folder: Path) -> None:
        scale = self.extras["scale"]().detach().log()
        self.clap.logit_scale_t.data.copy_(scale)
        self.clap.logit_scale_a.data.copy_(scale)
        self.clap.save_pretrained(folder / "text_encoder")
        self.tokenizer.save_pretrained(folder / "tokenizer")
        self.extractor.save_pretrained(folder / "feature_extractor")


class Scale(nn.Module):
    """The learned inverse temperature, from 1 / 0.07 up to 100."""

    def __init__(self) -> None:
        super().__init__()
        self.log = nn.Parameter(torch.tensor(math.log(1 / 0.07)))

    def forward(self) -> Tensor:
        return self.log.exp().clamp(max=100)


@torch.no_grad()
def sentence_meanings(states: FrozenStates, frozen: int) -> Tensor:
    """The sentence encoder's unit embeddings (texts, hidden) float16: its further layers, then the mean over tokens."""
    rest = load_encoder().model.encoder.layer[frozen:]
    count = len(states.first) - 1
    out = torch.empty(count, states.states.shape[1], dtype=torch.float16)
    order = np.argsort(states.lengths)
    for rows in np.array_split(order, math.ceil(count / 128)):
        hidden, mask = states.batch(rows)
        hidden = run_layers(rest, hidden, mask)
        pooled = (hidden * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)
        out[torch.from_numpy(rows)] = F.normalize(pooled, dim=-1).half()
    return out


def info_nce(first: Tensor, second: Tensor, scale: Tensor) -> Tensor:
    """Symmetric InfoNCE of matching unit rows (B, D), `scale` the inverse temperature. arXiv 2103.00020, figure 3."""
    logits = scale * first @ second.T
    labels = torch.arange(len(first), device=first.device)
    return (F.cross_entropy(logits, labels) + F.cross_entropy(logits.T, labels)) / 2


def make_task(
    recipe: ClapRecipe,
    train: ClipStore,
    held_out: ClipStore,
    init: Path | None = None,
) -> ClapTask:
    """The training of a new CLAP, or of that in the model folder `init`."""
    if init is None:
        clap, tokenizer = build_clap(recipe, [caption for row in train.rows for caption in row.captions])
    else:
        from transformers import AutoTokenizer

        clap = load_part(ClapModel, init, "text_encoder")
        tokenizer = load_part(AutoTokenizer, init, "tokenizer")
    return ClapTask(recipe, train, held_out, clap, tokenizer)
