"""CLAP: texts and sound to unit embeddings in one space."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch
from accelerate.hooks import CpuOffload

from musicldm.audio import Wave
from musicldm.audio.resampling import resample
from musicldm.errors import InvalidInputError
from musicldm.events import Listener, Note, ignore
from musicldm.machine.locks import exclusively

if TYPE_CHECKING:
    from transformers import BatchEncoding, ClapFeatureExtractor, ClapModel, ClapTextModelWithProjection
    from transformers import PreTrainedTokenizerBase as Tokenizer

_QUIETEST = 1e-10
"""Power (-100 dB) below which nothing is told apart."""


@dataclass(frozen=True)
class Clap:
    """The two towers of a CLAP, each from a batch to unit embeddings. No gradients are kept.

    The model computes in the mode that it is in: call its `eval()` first.

    Args:
        model: `ClapModel`, or `ClapTextModelWithProjection`, which has no audio tower.
        tokenizer: of the text tower; None where no texts are embedded.
        extractor: feature extractor of the audio tower; None where no sound is embedded.
        device: that it computes on; that of the model's weights where None.
    """

    model: ClapModel | ClapTextModelWithProjection
    tokenizer: Tokenizer | None = None
    extractor: ClapFeatureExtractor | None = None
    device: torch.device | None = None

    @property
    def width(self) -> int:
        """Numbers in an embedding."""
        return int(self.model.config.projection_dim)

    @property
    def embeds_waves(self) -> bool:
        """Whether there is an audio tower with its feature extractor."""
        return self.extractor is not None and hasattr(self.model, "get_audio_features")

    @property
    def token_limit(self) -> int:
        """Tokens that fit, special ones included: the tokenizer's own limit, at most as many as there are positions."""
        config = getattr(self.model.config, "text_config", self.model.config)
        # Positions start behind that of the padding token, as in RoBERTa.
        positions = config.max_position_embeddings - (config.pad_token_id or 0) - 1
        return int(min(self._tokenizer.model_max_length, positions))

    @torch.no_grad()
    def embed_texts(self, texts: Sequence[str], listen: Listener = ignore) -> torch.Tensor:
        """Texts to embeddings (len(texts), width) as one batch, padded to the longest of them.

        Args:
            texts: at least one.
            listen: gets a `Note` with the words that are lost where a text is too long.

        Returns:
            Unit vectors in the precision of the model, on its device.
        """
        tokens = self._tokenize(texts, listen)
        ids, mask = tokens["input_ids"].to(self._device), tokens["attention_mask"].to(self._device)
        if hasattr(self.model, "get_text_features"):
            bring_to_device(self.model)
            embeddings: torch.Tensor = self.model.get_text_features(ids, attention_mask=mask).pooler_output
            return embeddings
        return torch.nn.functional.normalize(self.model(ids, attention_mask=mask).text_embeds, dim=-1)

    def embed_each_text(self, texts: Sequence[str], listen: Listener = ignore) -> torch.Tensor:
        """As `embed_texts`, text by text: no embedding then depends, in its last bit, on the texts beside it."""
        embeddings = {text: self.embed_texts([text], listen) for text in dict.fromkeys(texts)}
        return torch.cat([embeddings[text] for text in texts])

    def embed_many_texts(
        self, texts: Sequence[str], batch_size: int = 64, listen: Listener = ignore
    ) -> npt.NDArray[np.float32]:
        """Any number of texts to unit vectors (len(texts), width), as `unit_vectors`.

        Texts of like length share a batch, which saves padding.
        """
        order = sorted(range(len(texts)), key=lambda index: len(texts[index]))
        embeddings = np.zeros((len(texts), self.width), dtype=np.float32)
        for start in range(0, len(order), batch_size):
            rows = order[start : start + batch_size]
            embeddings[rows] = unit_vectors(self.embed_texts([texts[row] for row in rows], listen))
        return embeddings

    @torch.no_grad()
    def embed_waves(self, waves: Wave, sample_rate: int, batch_size: int = 4) -> torch.Tensor:
        """Waves (n, samples) at a rate in Hz to embeddings (n, width), so many at once.

        Sound is resampled to the extractor's rate, 48 kHz with the published CLAP; see `clap_input` for its length.

        Returns:
            Unit vectors in the precision of the model, on its device.

        Raises:
            InvalidInputError: there is no audio tower.
        """
        if self.extractor is None or not self.embeds_waves:
            raise InvalidInputError("this CLAP cannot embed sound: it has no audio tower, or no feature extractor")
        bring_to_device(self.model)
        parts: list[torch.Tensor] = []
        for start in range(0, len(waves), batch_size):
            inputs = clap_input(self.extractor, waves[start : start + batch_size], sample_rate)
            features = inputs["input_features"].to(self._device, self.model.dtype)
            is_longer = inputs["is_longer"].to(self._device)
            parts.append(self.model.get_audio_features(features, is_longer).pooler_output)
        return torch.cat(parts)

    @property
    def _device(self) -> torch.device:
        return next(self.model.parameters()).device if self.device is None else self.device

    @property
    def _tokenizer(self) -> Tokenizer:
        if self.tokenizer is None:
            raise InvalidInputError("this CLAP cannot embed texts: it has no tokenizer")
        return self.tokenizer

    def _tokenize(self, texts: Sequence[str], listen: Listener) -> BatchEncoding:
        """Token ids (n, tokens) and attention mask (n, tokens), and a note for each text that is cut."""
        limit = self.token_limit
        with exclusively(self._tokenizer):  # a fast tokenizer keeps padding and truncation of the call it is in
            tokens = self._tokenizer(list(texts), padding=True, truncation=True, max_length=limit, return_tensors="pt")
            for text, length in zip(texts, tokens["attention_mask"].sum(dim=1).tolist(), strict=True):
                if length >= limit and (lost := self._lost_words(text, limit)):
                    listen(
                        Note(
                            f"the prompt is longer than the {limit} tokens that this model reads, "
                            f"so this part is lost: {lost!r}"
                        )
                    )
        return tokens

    def _lost_words(self, text: str, limit: int) -> str:
        whole = self._tokenizer(text, verbose=False)["input_ids"]
        lost = self._tokenizer.decode(whole[limit - 1 : -1], skip_special_tokens=True)
        return str(lost).strip()


class EmptyPromptCache:
    """Keeps the embedding of the empty prompt as long as the text tower stays as it was. Threads may share it."""

    def __init__(self) -> None:
        self._kept: tuple[tuple[object, ...], torch.Tensor] | None = None

    def get(self, clap: Clap) -> torch.Tensor:
        """The embedding (1, width) of "", computed at the first call and after every change of weights."""
        key, kept = self._state(clap), self._kept
        if kept is None or kept[0] != key:
            kept = self._kept = key, clap.embed_texts([""])
        return kept[1]

    @staticmethod
    def _state(clap: Clap) -> tuple[object, ...]:
        # The version counter of a parameter rises with every change in place, a training step or a loaded state.
        versions = [(id(weight), weight._version) for weight in clap.model.parameters() if not weight.is_inference()]
        return id(clap.model), id(clap.tokenizer), clap.device, clap.model.dtype, tuple(versions)


def unit_vectors(embeddings: torch.Tensor) -> npt.NDArray[np.float32]:
    """Embeddings (n, width) in any precision, on any device, to unit vectors in float32 as an array."""
    return np.asarray(torch.nn.functional.normalize(embeddings.float(), dim=-1).cpu().numpy())


def bring_to_device(module: torch.nn.Module) -> None:
    """Brings a module under model offload to its execution device.

    Accelerate's hook runs before `forward`, and the towers of CLAP are called by methods of their own.
    """
    hook = getattr(module, "_hf_hook", None)
    if isinstance(hook, CpuOffload):
        hook.pre_forward(module)


def clap_input(extractor: ClapFeatureExtractor, waves: Wave, sample_rate: int) -> dict[str, torch.Tensor]:
    """Waves (n, samples) at a rate in Hz to `input_features` (n, 1 or 4, frames, bins) in dB, and `is_longer` (n, 1).

    transformers' `ClapFeatureExtractor` goes through its frames one by one in Python, which takes longer than a small
    audio tower does. Here torch computes the same log-mels, to a thousandth of a decibel, by the extractor's settings.
    The extractor would cut a random piece out of a wave longer than it takes, and a fusing one calls a short wave long
    at random: here the middle is cut beforehand, and no wave is long, so that the same waves give the same values.
    Shorter ones are repeated or padded as the extractor does.
    """
    settings: Any = extractor  # transformers sets its attributes from a file, and declares no types
    length = int(settings.nb_max_samples)
    sound = np.stack([_middle(resample(wave, sample_rate, settings.sampling_rate), length) for wave in waves])
    filled = _filled(torch.from_numpy(sound).double(), length, settings.padding)
    window = torch.hann_window(settings.fft_window_size, dtype=filled.dtype)
    spectrum = torch.stft(
        filled, settings.fft_window_size, settings.hop_length, window=window, center=True, return_complex=True
    )
    fuses = settings.truncation == "fusion"
    filters = torch.from_numpy(settings.mel_filters if fuses else settings.mel_filters_slaney).double()
    mel = spectrum.abs().square().transpose(1, 2) @ filters
    decibels = 10 * mel.clamp(min=_QUIETEST).log10()
    features = decibels.float()[:, None].expand(-1, 4 if fuses else 1, -1, -1).contiguous()
    return {"input_features": features, "is_longer": torch.zeros(len(waves), 1, dtype=torch.bool)}


def _middle(wave: Wave, samples: int) -> Wave:
    start = max(0, (len(wave) - samples) // 2)
    return wave[start : start + samples]


def _filled(sound: torch.Tensor, length: int, padding: str) -> torch.Tensor:
    """Waves (n, samples) as ones (n, length): repeated as often as fits, or cut at the end, where that is wanted."""
    missing = length - sound.shape[1]
    if missing and padding == "repeat":
        return sound.repeat(1, length // sound.shape[1] + 1)[:, :length]
    if missing and padding == "repeatpad":
        sound = sound.repeat(1, length // sound.shape[1])
    return torch.nn.functional.pad(sound, (0, length - sound.shape[1]))
