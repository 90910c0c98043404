"""How well a decoder gives clips back: `python -m benchmarks.quality.decoder DATA --decoder FOLDER`.

VAE and vocoder do the same beside it. DATA is a folder of clips that no part was trained on, prepared with its sound at
full rate (`--hifi-rate 48000`). Each clip's log-mel goes through the VAE's encoder, and its latents (means) back to
sound, by the decoder and by the VAE's decoder and the vocoder. The figures, means over the clips, go to
benchmarks/results/decoder.json:

- `log_mel_l1_16k`: L1 in nats between log-mels, the model's own (16 kHz, 64 bins), after resampling by soxr.
- `log_mel_l1_48k`: the same in 128 bins of the whole band, windows of 2048 samples; of the mean of the channels.
- `magnitude`, `convergence`: L1 in nats of log magnitudes, and spectral convergence, over five resolutions.
- `hum_db`: of white and brown noise given back, how far multiples of the frame rate stand out of their surroundings.
- `side_db`, `side_true_db`: level of the side over the mid, made and true, where there are two channels.
- `seconds`: for 10.24 s from latents, the best of several; where `load_average` is above 0, others were at work too,
  and `processor_seconds` of one thread say more.

`--pictures FOLDER` also writes a picture of each of the first clips: original above, decoder, VAE and vocoder below.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL
from PIL import Image
from transformers import SpeechT5HifiGan

from benchmarks.circumstances import RESULTS, processor
from musicldm.audio.mel import MelSpec, log_mel
from musicldm.audio.resampling import resample
from musicldm.data.cutting import FULL_SCALE
from musicldm.data.store import ClipStore
from musicldm.model.decoder import Decoder
from musicldm.model.folder import parts_folder
from musicldm.model.parts import load_part
from musicldm.model.vae import Vae
from musicldm.model.vocoder import HifiGan
from musicldm.training.spectral_losses import spectral_distance
from musicldm.training.tasks.decoder import log_spectrum, mel_bands, mid_and_side
from musicldm.training.tasks.decoder_start import DecoderRecipe

RESULT = RESULTS / "decoder.json"
PACKAGES = ("numpy", "torch", "diffusers", "transformers", "soxr")
SECONDS = 10.24
Way = Callable[[torch.Tensor], tuple[torch.Tensor, int]]
"""Latents (1, C, T, F), unscaled, to a wave (channels, samples) and its rate in Hz."""


def main() -> None:
    """Measures, prints and stores."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--decoder", type=Path, required=True, help="folder with decoder/ in it")
    parser.add_argument("--model", default="default", help="whose VAE and vocoder; default, or a folder")
    parser.add_argument("--clips", type=int, default=64, help="at most; spread over the data")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--rounds", type=int, default=5, help="of the timing")
    parser.add_argument("--pictures", type=Path)
    parser.add_argument("--result", type=Path, default=RESULT)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    store = ClipStore(options.data)
    store = store.part(np.unique(np.linspace(0, len(store) - 1, options.clips).astype(int)).tolist())
    model = parts_folder(options.model)
    vae = Vae(load_part(AutoencoderKL, model, "vae").eval())
    vocoder = HifiGan(load_part(SpeechT5HifiGan, model, "vocoder").eval())
    decoder = load_part(Decoder, options.decoder, "decoder").eval()
    ways: dict[str, Way] = {
        "decoder": lambda z: (torch.cat(list(decoder.pieces(z)), dim=-1)[0], decoder.config.sample_rate),
        "vae and vocoder": lambda z: (vocoder(vae.decode(z)), store.spec.sample_rate),
    }
    with torch.no_grad():
        found = {name: measured(way, store, vae, options.rounds) for name, way in ways.items()}
        if options.pictures:
            draw(ways, store, vae, options.pictures)
    record = {
        "clips": len(store),
        "parameters": sum(p.numel() for p in decoder.parameters()),
        "config": {name: value for name, value in decoder.config.items() if not name.startswith("_")},
        "ways": found,
        "threads": options.threads,
        "load_average": round(os.getloadavg()[0], 1),
        "hardware": f"{processor()}, {os.cpu_count()} cores",
        "versions": {name: version(name) for name in PACKAGES},
        "date": datetime.now(UTC).date().isoformat(),
    }
    options.result.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(found, indent=2))


def measured(way: Way, store: ClipStore, vae: Vae, rounds: int) -> dict[str, Any]:
    """All figures of one way back to sound."""
    figures: dict[str, list[float]] = {}
    for index in range(len(store)):
        wave, rate = way(latents_of(store, vae, index))
        for name, value in distances(wave, rate, store, index).items():
            figures.setdefault(name, []).append(value)
    said = {name: round(float(np.mean(values)), 4) for name, values in figures.items()}
    by_genre: dict[str, list[float]] = {}
    for row, value in zip(store.rows, figures["log_mel_l1_16k"], strict=True):
        by_genre.setdefault(str(row.fields.get("genre", "")), []).append(value)
    genres = {name: round(float(np.mean(values)), 3) for name, values in sorted(by_genre.items())}
    latents = latents_of(store, vae, 0)
    frames = round(SECONDS * latents.shape[2] * store.spec.sample_rate / store.waves.shape[1])
    latents = latents.repeat(1, 1, -(-frames // latents.shape[2]), 1)[:, :, :frames]
    return {**said, "log_mel_l1_16k_by_genre": genres, "hum_db": hum(way, store, vae), **timed(way, latents, rounds)}


def latents_of(store: ClipStore, vae: Vae, index: int) -> torch.Tensor:
    """Means (1, C, T, F) of a clip's latents."""
    mel = torch.from_numpy(np.asarray(store.mels[index], np.float32))
    return vae.encode(mel[None])[0]


def distances(wave: torch.Tensor, rate: int, store: ClipStore, index: int) -> dict[str, float]:
    """Of one clip's wave (channels, samples) against the original."""
    assert store.hifi is not None
    full = store.hifi.sample_rate
    true = torch.from_numpy(np.asarray(store.array("hifi")[index], np.float32) / FULL_SCALE)
    made = torch.from_numpy(np.stack([resample(one.numpy(), rate, full) for one in wave]))
    length = min(made.shape[1], true.shape[1])
    fake, real = (mid_and_side(wave[None, :, :length])[:, 0] for wave in (made, true))
    low = resample(fake[0].numpy(), full, store.spec.sample_rate)
    mel = log_mel(torch.from_numpy(low), store.spec)
    whole = MelSpec(full, 2048, 2048, 512, 128, 0.0, full / 2)
    terms = spectral_distance(fake, real, DecoderRecipe().resolutions, mel_bands(full, store.spec), full)
    said = {
        "log_mel_l1_16k": F.l1_loss(mel, torch.from_numpy(np.asarray(store.mels[index], np.float32))[: len(mel)]),
        "log_mel_l1_48k": F.l1_loss(log_mel(fake, whole), log_mel(real, whole)),
        "magnitude": terms["magnitude"],
        "convergence": terms["convergence"],
    }
    if len(made) == len(true) == 2:
        for name, sound in (("side_db", made), ("side_true_db", true)):
            mid, side = mid_and_side(sound[None])[0].square().mean(-1).clamp_min(1e-10)
            said[name] = 10 * (side / mid).log10()
    return {name: float(value) for name, value in said.items()}


def hum(way: Way, store: ClipStore, vae: Vae) -> float:
    """Mean over white and brown noise of the excess in dB of multiples of the frame rate up to 4 kHz.

    The spectrum in bins of a hertz at each multiple, over the mean power of the bins 10 to 40 Hz to its sides. A wave
    without a hum has about 0.
    """
    spec, rng = store.spec, np.random.default_rng(0)
    frames, found = spec.sample_rate // spec.hop_length, []
    for brown in (False, True):
        noise = rng.standard_normal(store.waves.shape[1])
        if brown:
            noise = np.cumsum(noise - noise.mean())
            noise -= np.linspace(noise[0], noise[-1], len(noise))
        wave = torch.from_numpy((0.1 * noise / noise.std()).astype(np.float32))
        made, rate = way(vae.encode(log_mel(wave, spec)[None])[0])
        made = made.mean(0)[: made.shape[1] // rate * rate]
        power = torch.fft.rfft(made.reshape(-1, rate) * torch.hann_window(rate)).abs().square().mean(0)
        for tone in range(frames, 4001, frames):
            around = torch.cat([power[tone - 40 : tone - 9], power[tone + 10 : tone + 41]]).mean()
            found.append(float(10 * (power[tone - 1 : tone + 2].mean() / around).log10()))
    return round(float(np.mean(found)), 2)


def timed(way: Way, latents: torch.Tensor, rounds: int) -> dict[str, float]:
    """Seconds for latents of 10.24 s, and processor seconds, the best of the rounds after one that does not count."""
    clock, work = [], []
    for _ in range(rounds + 1):
        started, worked = time.perf_counter(), time.process_time()
        way(latents)
        clock.append(time.perf_counter() - started)
        work.append(time.process_time() - worked)
    return {"seconds": round(min(clock[1:]), 4), "processor_seconds": round(min(work[1:]), 4)}


def draw(ways: dict[str, Way], store: ClipStore, vae: Vae, folder: Path) -> None:
    """A picture a clip: decibels from -95 to -25 of the original and of each way below it, over 24 kHz and the time."""
    assert store.hifi is not None
    folder.mkdir(parents=True, exist_ok=True)
    full = store.hifi.sample_rate
    for index in range(min(12, len(store))):
        true = torch.from_numpy(np.asarray(store.array("hifi")[index], np.float32) / FULL_SCALE)
        rows = [log_spectrum(true.mean(0))]
        for way in ways.values():
            wave, rate = way(latents_of(store, vae, index))
            rows.append(log_spectrum(torch.from_numpy(resample(wave.mean(0).numpy(), rate, full))))
        width = min(row.shape[1] for row in rows)
        gap = np.zeros((4, width), np.float32)
        shown = np.concatenate([part for row in rows for part in (row[::-1, :width], gap)])
        shade = np.clip((shown + 95) / 70, 0, 1)
        genre = str(store.rows[index].fields.get("genre", ""))
        picture = Image.fromarray(np.round(255 * shade).astype(np.uint8))
        picture.resize((2 * width, len(shown))).save(folder / f"{index:02d}-{genre}.png")


if __name__ == "__main__":
    main()
