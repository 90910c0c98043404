"""Mixtures to hear and see before training on them: both sources from their cuts on, and what becomes of them."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from musicldm.audio import Wave
from musicldm.beats.picture import draw_wave
from musicldm.data.store import ClipStore
from musicldm.errors import DataError, MissingDependencyError
from musicldm.training.array_parts import ArrayParts
from musicldm.training.mixup.mixing import Mixer, MixupOptions, Pairing, mix_latents, mix_waves

_NEEDED = 0.4
"""Share of a clip that a mixture is long at least."""


@dataclass(frozen=True)
class Example:
    """A mixture with its sources, all (samples,) from the cuts on and of one length.

    Attributes:
        anchor: the clip that is mixed.
        partner: what it is mixed with.
        mixture: as training takes it; of latents, as they decode.
        downbeats: of anchor and partner in seconds from the cuts.
        beats: likewise.
        names: the files of anchor and partner.
        pairing: cuts and λ.
    """

    anchor: Wave
    partner: Wave
    mixture: Wave
    downbeats: tuple[tuple[float, ...], tuple[float, ...]]
    beats: tuple[tuple[float, ...], tuple[float, ...]]
    names: tuple[str, str]
    pairing: Pairing


def examples(
    store: ClipStore, options: MixupOptions, parts: ArrayParts | None, count: int, seed: int = 0
) -> Iterator[Example]:
    """Mixtures of clips drawn at random.

    Args:
        store: the clips.
        options: how they are mixed; their probability does not count.
        parts: for "blm", which mixes latents.
        count: how many.
        seed: of all draws.

    Raises:
        DataError: none of the clips that were drawn has a partner, or beats where they are needed.
    """
    seconds = store.waves.shape[1] / store.spec.sample_rate
    mixer = Mixer.of_rows(store.rows, seconds, options)
    rng, made = np.random.default_rng(seed), 0
    for clip in rng.permutation(len(store)):
        pairing = mixer.draw_pairing(int(clip), _NEEDED * seconds, rng)
        if pairing is None:
            continue
        yield _example(store, int(clip), pairing, options, parts)
        made += 1
        if made == count:
            return
    if not made:
        raise DataError(f"no clip in {store.folder} has a partner to be mixed with by {options.kind!r}")


def _example(store: ClipStore, clip: int, pairing: Pairing, options: MixupOptions, parts: ArrayParts | None) -> Example:
    rate = store.spec.sample_rate
    waves = [store.wave(index) for index in (clip, pairing.partner)]
    if options.kind == "blm":
        assert parts is not None
        mixture = _decoded(waves, pairing, parts)
    else:
        mixture = mix_waves(waves[0], waves[1], pairing, rate, match_loudness=options.match_loudness)
    cuts = (pairing.start, pairing.partner_start)
    pieces = [wave[round(cut * rate) :][: len(mixture)] for wave, cut in zip(waves, cuts, strict=True)]
    rows = [store.rows[index] for index in (clip, pairing.partner)]
    length = min(len(mixture), *(len(piece) for piece in pieces))
    times = [
        tuple(
            tuple(time - cut for time in row.fields.get(name, ()) if 0 <= time - cut < length / rate)
            for row, cut in zip(rows, cuts, strict=True)
        )
        for name in ("downbeats", "beats")
    ]
    return Example(
        pieces[0][:length],
        pieces[1][:length],
        mixture[:length],
        (times[0][0], times[0][1]),
        (times[1][0], times[1][1]),
        (rows[0].source, rows[1].source),
        pairing,
    )


def _decoded(waves: Sequence[Wave], pairing: Pairing, parts: ArrayParts) -> Wave:
    anchor, partner = (parts.encode(wave[None])[0] for wave in waves)
    mixed = mix_latents(anchor, partner, pairing, anchor.shape[1] * parts.sample_rate / len(waves[0]))
    mean, _ = np.split(mixed, 2)
    wave: Wave = parts.decode(np.asarray(mean[None], dtype=np.float32))[0]
    return wave


def picture(example: Example, sample_rate: int, title: str) -> bytes:
    """Anchor, partner and mixture one above the other over one time, with their beats and downbeats, as a PNG.

    Raises:
        MissingDependencyError: matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingDependencyError("matplotlib", "beats") from error
    figure = Figure(figsize=(10, 6), dpi=100, layout="constrained")
    figure.suptitle(title)
    names = (f"anchor: {example.names[0]}", f"partner: {example.names[1]}", "mixture, with the downbeats of both")
    downbeats = (*example.downbeats, example.downbeats[0] + example.downbeats[1])
    beats = (*example.beats, ())
    for row, wave in enumerate((example.anchor, example.partner, example.mixture)):
        axes = figure.add_subplot(3, 1, row + 1, ylim=(-1.05, 1.05), yticks=[], title=names[row])
        draw_wave(axes, wave, sample_rate)
        axes.vlines(beats[row], -0.6, 0.6, color="tab:blue", linewidth=1)
        axes.vlines(downbeats[row], -1.05, 1.05, color="tab:red", linewidth=2)
        axes.set_xlim(0, len(wave) / sample_rate)
    axes.set_xlabel("seconds")
    file = io.BytesIO()
    figure.savefig(file, format="png")
    return file.getvalue()
