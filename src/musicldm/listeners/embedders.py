"""Networks that hear sound (and read text) as vectors, each with the identity that every figure made by it must name.

Conventions: waves are (B, samples) float32 at `Identity.sample_rate`, full scale ±1; embeddings are (B, D) float32, of
unit norm for CLAP and as the network gives them otherwise. Whoever brings sound to that rate does it by `RESAMPLER`.
Figures of two embedders cannot be compared, nor those of one embedder by two resamplers (audioldm_eval's README tells
of 30 points of Fréchet distance).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch

from musicldm.errors import CheckpointError, InvalidInputError
from musicldm.events import Listener, ignore, warn_of_notes
from musicldm.machine.devices import choose_device
from musicldm.model.clap import Clap, unit_vectors
from musicldm.model.errors import checkpoint_errors
from musicldm.model.folder import DEFAULT, INDEX, resolve
from musicldm.model.hub import is_hub_id
from musicldm.model.identity import module_hash, sounds_name
from musicldm.model.weights import load_model

Floats = npt.NDArray[np.float32]
RESAMPLER = f"soxr {version('soxr')} HQ"
"""What `musicldm.audio.resampling.resample` does."""
COLLAPSED = 0.98
"""Mean cosine of unrelated captions above which a text tower tells nothing apart; the shipped one is at 0.13."""
CAPTIONS = (
    "a solo piano plays a slow and quiet ballad",
    "fast heavy metal with distorted guitars and a screaming voice",
    "reggae with an off-beat organ and a deep bass",
    "a string quartet in the style of the eighteenth century",
    "minimal techno at 132 BPM with a dry kick drum",
    "the sound of rain on a tin roof",
    "a children's choir sings a cheerful folk song",
    "muffled recording of low quality",
    "bossa nova with nylon guitar and brushes",
    "dark ambient drone without drums",
    "a big band with a trumpet solo",
    "bagpipes and a fiddle play a jig",
)
_TEXTS = 64


@dataclass(frozen=True)
class Identity:
    """What must be said with every figure.

    Attributes:
        name: what it is and where it comes from.
        weights: hash of its weights (16 hexadecimal digits).
        sample_rate: of what it hears, in Hz.
        resampler: by which sound of another rate is brought to it.
        width: numbers in an embedding.
    """

    name: str
    weights: str
    sample_rate: int
    resampler: str
    width: int


class TextEmbedding(Protocol):
    """What embeds texts."""

    def __call__(self, texts: Sequence[str], listen: Listener = warn_of_notes) -> Floats:
        """Texts to embeddings (B, D); `listen` gets a note where a text is too long."""


@dataclass(frozen=True)
class Embedder:
    """A network as functions over arrays; what it cannot do is None.

    Attributes:
        identity: what it is.
        audio: waves (B, samples) to embeddings (B, D) of whole clips; InvalidInputError where they are too short.
        text: texts to embeddings (B, D) in the same space.
        classes: waves to probabilities (B, K), rows adding to 1.
        frames: waves to embeddings (B, T, D) of short pieces in a row, for distances whose convention is to pool these.
        stored: name of the array that holds the embeddings of a prepared folder's clips, where it has that.
    """

    identity: Identity
    audio: Callable[[Floats], Floats]
    text: TextEmbedding | None = None
    classes: Callable[[Floats], Floats] | None = None
    frames: Callable[[Floats], Floats] | None = None
    stored: str | None = None


def open_embedder(name: str = DEFAULT, *, device: str = "auto") -> Embedder:
    """An embedder by name.

    Args:
        name: "default" (the CLAP of the model that ships with musicldm); the folder or hub id of a MusicLDM or of a
            bare `ClapModel`; a folder of judges; `vggish:FILE` or `panns:FILE`, the published PyTorch weights.
        device: "auto", "cpu", "cuda" or "mps".

    Raises:
        InvalidInputError: a device that this machine does not have.
        CheckpointError: nothing of these, weights that do not fit, or a CLAP whose text tower has collapsed.
    """
    place = torch.device(choose_device(device))
    kind, colon, path = name.partition(":")
    if colon and kind == "vggish":
        from musicldm.listeners.vggish import open_vggish

        return open_vggish(Path(path), place)
    if colon and kind == "panns":
        from musicldm.listeners.panns import open_panns

        return open_panns(Path(path), place)
    if name != DEFAULT and (Path(name) / "judges.json").is_file():
        return _of_judges(Path(name))
    return _of_clap(name, place)


def checked_waves(waves: Floats, shortest: int) -> Floats:
    """Waves (B, samples) as they are.

    Raises:
        InvalidInputError: another shape, fewer samples than `shortest`, or values that are not finite.
    """
    if waves.ndim != 2 or waves.shape[1] < shortest:
        raise InvalidInputError(
            f"waves of shape {waves.shape}: (n, samples) with at least {shortest} samples is needed"
        )
    if not np.isfinite(waves).all():
        raise InvalidInputError("the waves hold samples that are not finite")
    return np.asarray(waves, dtype=np.float32)


def identity_of(name: str, network: torch.nn.Module, sample_rate: int, width: int) -> Identity:
    """The identity of a network whose sound is resampled by `RESAMPLER`."""
    return Identity(name, module_hash(network), sample_rate, RESAMPLER, width)


def captions_cosine(embeddings: Floats) -> float:
    """Mean cosine of two different ones of (n, D) unit embeddings, n at least 2."""
    count = len(embeddings)
    total = np.linalg.norm(embeddings.astype(np.float64).sum(axis=0)) ** 2
    return float((total - count) / (count * (count - 1)))


def _of_judges(folder: Path) -> Embedder:
    from musicldm.listeners.judges import DEFAULT_FOLDER, MIN_FRAMES, Judges

    judges = Judges.load(folder)
    shortest = MIN_FRAMES * judges.spec.hop_length + judges.spec.n_fft
    width = next(iter(judges.net.heads.values())).in_features
    assert isinstance(width, int)
    name = DEFAULT if folder == DEFAULT_FOLDER else folder.name
    return Embedder(
        identity_of(f"judges {name}", judges.net, judges.spec.sample_rate, width),
        audio=lambda waves: judges.features(checked_waves(waves, shortest)),
        classes=lambda waves: judges(checked_waves(waves, shortest)).probabilities["genre"],
    )


def _of_clap(name: str, device: torch.device) -> Embedder:
    clap, tokenizer, extractor = _clap_parts(name)
    clap.to(device).eval()
    towers = Clap(clap, tokenizer, extractor)
    rate, width = int(extractor.sampling_rate), int(clap.config.projection_dim)

    @torch.inference_mode()
    def audio(waves: Floats) -> Floats:
        return unit_vectors(towers.embed_waves(checked_waves(waves, int(extractor.fft_window_size)), rate))

    @torch.inference_mode()
    def text(texts: Sequence[str], listen: Listener = warn_of_notes) -> Floats:
        parts = [
            unit_vectors(towers.embed_texts(texts[at : at + _TEXTS], listen)) for at in range(0, len(texts), _TEXTS)
        ]
        return np.concatenate(parts) if parts else np.zeros((0, width), np.float32)

    cosine = captions_cosine(text(CAPTIONS, ignore))
    if cosine > COLLAPSED:
        raise CheckpointError(
            f"the text tower of {name} has collapsed: unrelated captions have a mean cosine of {cosine:.3f}, "
            f"above {COLLAPSED}; choose another CLAP"
        )
    return Embedder(identity_of(f"CLAP of {name}", clap, rate, width), audio, text, stored=sounds_name(clap))


def _clap_parts(name: str) -> tuple[Any, Any, Any]:
    """CLAP in float32, its tokenizer and its feature extractor, of a MusicLDM or bare, in a folder or on the hub."""
    from transformers import AutoTokenizer, ClapFeatureExtractor, ClapModel
    from transformers.utils import logging

    logging.disable_progress_bar()
    source = str(resolve(DEFAULT)) if name == DEFAULT else name
    if not Path(source).is_dir() and not is_hub_id(source):
        raise CheckpointError(
            f"no embedder {name!r}: choose default, a folder or hub id of a MusicLDM or a ClapModel, "
            "a folder of judges, vggish:FILE or panns:FILE"
        )
    inside = _is_whole_model(source)
    folders = ("text_encoder", "tokenizer", "feature_extractor") if inside else ("", "", "")
    with checkpoint_errors(f"{name} gives no CLAP"):
        clap = load_model(ClapModel, source, subfolder=folders[0])
        tokenizer = AutoTokenizer.from_pretrained(source, subfolder=folders[1])
        extractor = ClapFeatureExtractor.from_pretrained(source, subfolder=folders[2])
    return clap.float(), tokenizer, extractor


def _is_whole_model(source: str) -> bool:
    """Whether a folder or hub id is a MusicLDM, with CLAP in a folder of its own."""
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError

    if Path(source).is_dir():
        return (Path(source) / "text_encoder").is_dir()
    with checkpoint_errors(f"{source} cannot be fetched"):
        try:
            hf_hub_download(source, INDEX)
        except EntryNotFoundError:
            return False
    return True
