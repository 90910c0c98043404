"""CLAP: a text tower from a pretrained sentence encoder, then an HTSAT audio tower trained against it.

On a composed corpus, whose clips' attributes are known, it is trained in two stages. In `text` the text tower learns
alone: its embedding must tell genre, lead, tempo, …, stay near the sentence encoder's meaning, and find its clip's
attributes in the batch. In `audio` the audio tower learns to meet the locked text embeddings by symmetric InfoNCE
(arXiv 2211.06687; locked as arXiv 2111.07991 locks images) and to tell the attributes. On any other corpus both towers
learn together (`default`) by InfoNCE alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import AutoTokenizer, ClapFeatureExtractor, ClapModel

from musicldm.data.embeddings import stored_texts
from musicldm.data.encoders import embed_texts
from musicldm.data.store import ClipStore
from musicldm.errors import DataError
from musicldm.model.clap import Clap, clap_input
from musicldm.training.loop.task import Batch, Losses, Schedule, Turn, Validation
from musicldm.training.networks.clap import Scale, build_clap, build_extractor
from musicldm.training.networks.text_states import freeze_states, run_layers, sentence_meanings
from musicldm.training.networks.text_tower import load_encoder
from musicldm.training.setup import Setup, split
from musicldm.training.tasks.clap_attributes import Attributes, Heads, attribute_values


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
        extractor: ClapFeatureExtractor | None = None,
    ) -> None:
        self.recipe, self.train, self.held_out, self.tokenizer = recipe, train, held_out, tokenizer
        self.batch_size, self.sample_rate = recipe.batch_size, train.spec.sample_rate
        values = attribute_values([*train.rows, *held_out.rows])
        self.attributes = None if values is None else Attributes.of(train.rows, values)
        if self.attributes is None and recipe.stage != "joint":
            raise DataError(
                f"{train.folder} does not know genre, tempo, …: recipe {recipe.stage!r} needs a composed corpus"
            )
        self.extractor = extractor or build_extractor(recipe)
        self.clap: Any = clap
        self.extras: Any = self._extras()
        self.modules = nn.ModuleDict({"clap": clap, "extras": self.extras})
        clap.requires_grad_(False)
        self.turns = (self._turn(),)
        for name in self.turns[0].modules:
            self.modules.get_submodule(name).requires_grad_(True)
        self._prepare_texts()
        self._spectrograms: dict[int, Tensor] = {}

    def _prepare_texts(self) -> None:
        """What of captions never changes: locked embeddings, or the frozen layers' states and the meanings to keep."""
        rows, recipe = self.train.rows, self.recipe
        self.captions = [caption for row in rows for caption in row.captions]
        self.first = np.cumsum([0, *(len(row.captions) for row in rows)])
        if recipe.stage == "audio":
            self.locked = torch.from_numpy(stored_texts(self.train, Clap(self.clap, self.tokenizer)))
        else:
            texts = [*self.captions, *random_phrases(self.tokenizer, _PHRASE_COUNT)]
            self.states = freeze_states(self.clap.text_model, self.tokenizer, texts, recipe.frozen)
        if recipe.stage == "text":
            self.meaning = sentence_meanings(self.states, recipe.frozen, load_encoder())

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

    def losses(self, batch: Batch, progress: float) -> Iterator[Losses | None]:  # noqa: ARG002 - the same all along
        """Of the towers that train."""
        yield self._text_losses(batch) if self.recipe.stage == "text" else self._audio_losses(batch)

    def embed(self, texts: Tensor) -> Tensor:
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
        embedded = self.embed(texts)
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
        sounds = self._embed_sound(self.train, clips, batch["shift"].cpu())
        if self.recipe.stage == "joint":
            contrast = info_nce(sounds, self.embed(batch["captions"]), self.extras["scale"]())
            return {"loss": contrast, "contrast": contrast}
        assert self.attributes is not None
        text = self.locked[batch["captions"].cpu()].float().to(sounds.device)
        terms = {
            "contrast": info_nce(sounds, text, self.extras["scale"]()),
            "heads": self.extras["heads"].loss(sounds, self.attributes, clips)
            + 0.3 * self.extras["heads"].loss(text, self.attributes, clips),
        }
        return {"loss": terms["contrast"] + 0.5 * terms["heads"], **terms}

    def _embed_sound(self, store: ClipStore, clips: Tensor, shift: Tensor | None = None) -> Tensor:
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

    def validate(self) -> Validation:
        """Spread of held-out captions; retrieval of held-out clips by caption; attributes read off embeddings."""
        texts = [row.captions[0] for row in self.held_out.rows]
        text = torch.from_numpy(embed_texts(Clap(self.clap, self.tokenizer), texts)).float()
        embeddings = {"text": text}
        similarity = text @ text.T
        figures = {"unrelated_texts": similarity[~torch.eye(len(texts), dtype=torch.bool)].mean().item()}
        if self.recipe.stage != "text":
            embeddings["audio"] = self._held_out_sounds()
            figures |= recalls(text, embeddings["audio"])
            figures["loss"] = info_nce(embeddings["audio"], text, self.extras["scale"]().cpu()).item()
        if "heads" in self.extras:
            figures |= self._attributes_read(embeddings)
        return Validation(figures)

    def _held_out_sounds(self) -> Tensor:
        parts = torch.split(torch.arange(len(self.held_out)), 32)
        return torch.cat([self._embed_sound(self.held_out, part) for part in parts]).cpu()

    def _attributes_read(self, embeddings: Mapping[str, Tensor]) -> dict[str, float]:
        """What the heads read off embeddings of text and audio (clips, D), and their loss where text alone trains."""
        assert self.attributes is not None
        truth = Attributes.of(self.held_out.rows, self.attributes.values)
        assert truth is not None
        figures: dict[str, float] = {}
        if self.recipe.stage == "text":
            text = embeddings["text"]
            loss = self.extras["heads"].loss(text.to(self.clap.device), truth, torch.arange(len(text)))
            figures["loss"] = loss.item()
        for name, embedding in embeddings.items():
            read = self.extras["heads"].figures(embedding.to(self.clap.device), truth)
            figures |= {f"{name}_{key}": value for key, value in read.items()}
        return figures

    def export(self, folder: Path) -> None:
        scale = self.extras["scale"]().detach().log()
        self.clap.logit_scale_t.data.copy_(scale)
        self.clap.logit_scale_a.data.copy_(scale)
        self.clap.save_pretrained(folder / "text_encoder")
        self.tokenizer.save_pretrained(folder / "tokenizer")
        self.extractor.save_pretrained(folder / "feature_extractor")


def info_nce(first: Tensor, second: Tensor, scale: Tensor) -> Tensor:
    """Symmetric InfoNCE of matching unit rows (B, D), `scale` the inverse temperature. arXiv 2103.00020, figure 3."""
    logits = scale * first @ second.T
    labels = torch.arange(len(first), device=first.device)
    return (F.cross_entropy(logits, labels) + F.cross_entropy(logits.T, labels)) / 2


def recalls(texts: Tensor, sounds: Tensor) -> dict[str, float]:
    """Share of texts (n, D) whose own sound, the row of the same number, is among the first 1 and 10 of all."""
    order = (texts @ sounds.T).argsort(dim=1, descending=True)
    rank = (order == torch.arange(len(texts))[:, None]).float().argmax(1)
    return {f"recall_at_{k}": (rank < k).float().mean().item() for k in (1, 10)}


def make_task(setup: Setup) -> ClapTask:
    """The training of a new CLAP, or of that in the model folder `init`, with the feature extractor that it has."""
    recipe = setup.recipe_of(RECIPES)
    train, held_out = split(setup.store)
    if setup.init is None:
        captions = [caption for row in train.rows for caption in row.captions]
        clap, tokenizer = build_clap(recipe, captions, load_encoder())
        return ClapTask(recipe, train, held_out, clap, tokenizer)
    clap, tokenizer = setup.load_init(ClapModel, "text_encoder"), setup.load_init(AutoTokenizer, "tokenizer")
    has_extractor = (setup.init / "feature_extractor").is_dir()
    extractor = setup.load_init(ClapFeatureExtractor, "feature_extractor") if has_extractor else None
    return ClapTask(recipe, train, held_out, clap, tokenizer, extractor)
