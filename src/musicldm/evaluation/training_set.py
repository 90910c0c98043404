"""The training set: a novelty index of it, or its music as embeddings, block by block, never held as a whole."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from musicldm.data.manifest import MANIFEST
from musicldm.evaluation.clips import find_music, open_store
from musicldm.evaluation.features import ClipFeatures, FeatureOptions, extract_all
from musicldm.evaluation.metrics.similarity import Nearest
from musicldm.events import Listener, ignore
from musicldm.listeners.embedders import Embedder, Floats
from musicldm.machine.parallel import WorkerPool
from musicldm.novelty.index import NoveltyIndex, index_folder, is_index, open_index, read_manifest

_BLOCK = 4096


def open_training(training: Path) -> NoveltyIndex | None:
    """The index that is given for a training set, "default" for the shipped one; None where it is the music itself.

    Raises:
        DataError: neither, or an index that is damaged.
    """
    if is_index(training):
        return open_index(training)
    find_music(training)
    return None


def music_of(training: Path) -> Path | None:
    """The folder of the training set's music; None where there is its index alone."""
    folder = Path(read_manifest(index_folder(training))["source"]) if is_index(training) else training
    return folder if folder.is_dir() else None


def nearest_in_index(index: NoveltyIndex, embeddings: Floats) -> Nearest:
    """The training clips nearest to unit embeddings (n, D) of whole clips, by an index: cosines to about 0.01."""
    cosines, numbers = index.nearest_clips(embeddings)
    return Nearest(cosines[:, 0].astype(np.float64), numbers[:, 0].astype(np.int64), len(index.clips))


def training_blocks(
    folder: Path,
    embedder: Embedder,
    options: FeatureOptions,
    pool: WorkerPool,
    names: list[str],
    listen: Listener = ignore,
) -> Iterator[Floats]:
    """Embeddings (m, D) of a training set's clips; those that `musicldm prepare --model` stored are taken as they are.

    Args:
        folder: prepared data, a corpus, or a folder of audio.
        embedder: whose embeddings.
        options: with that embedder's name alone.
        pool: where the work is done.
        names: gets the name of each clip that is given, in order.
        listen: gets progress, in clips.
    """
    if (folder / MANIFEST).is_file() and embedder.stored is not None and open_store(folder).has(embedder.stored):
        store, pieces = open_store(folder), find_music(folder)
        stored = store.array(embedder.stored)
        for start in range(0, len(pieces), _BLOCK):
            names += [piece.name for piece in pieces[start : start + _BLOCK]]
            yield np.asarray(stored[start : start + _BLOCK], dtype=np.float32)
        return
    name, block = options.embedders[0], list[Floats]()
    for clip in extract_all(find_music(folder), options, pool, listen, "Training set"):
        if not isinstance(clip, ClipFeatures):
            continue  # what cannot be read cannot be copied
        names.append(clip.piece.name)
        block.append(clip.embeddings[name])
        if len(block) == _BLOCK:
            yield np.stack(block)
            block.clear()
    if block:
        yield np.stack(block)
