"""The shipped model's README.md from its own configuration and the measured results, then its SHA256SUMS anew.

    python benchmarks/model_card_text.py [--model src/musicldm/default_model]

Reads results/training.json (benchmarks/training_record.py) and results/model_card.json (benchmarks/model_card.py).
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from safetensors import safe_open

from model_card_table import body
from musicldm.checkpoints.defaults import GenerationDefaults
from musicldm.checkpoints.integrity import write_sums
from musicldm.corpus.truth import GENRES
from readme_results import load

MODEL = Path(__file__).resolve().parent.parent / "src" / "musicldm" / "default_model"
PARTS = {"vae": "VAE", "vocoder": "Vocoder", "clap": "CLAP", "ldm": "LDM (UNet)"}
FOLDERS = {"vae": "vae", "vocoder": "vocoder", "clap": "text_encoder", "ldm": "unet"}

HEAD = """\
---
license: apache-2.0
language: en
library_name: musicldm
pipeline_tag: text-to-audio
tags: [music, text-to-music, text-to-audio, latent-diffusion, musicldm]
---

# The default model of musicldm

A small MusicLDM (arXiv 2308.01546): English text to instrumental music, {length:g} s, mono, {rate} Hz. It was trained
from nothing, but for its text tower, on music that the same project composed; no recorded music went
into it.

```python
from musicldm import MusicLDMPipeline

audio = MusicLDMPipeline.from_pretrained("default")("melodic techno with a fast beat and synths").audios[0]
```

## What it is

| part | class | shape | parameters |
|---|---|---|---|
| Text and audio | `ClapModel` | text {layers} x {hidden}, {words} pieces; HTSAT {depths}; width {width} | {clap} |
| Denoiser | `UNet2DConditionModel` | channels {unet_channels}, {prediction}; embedding as class label | {ldm} |
| Autoencoder | `AutoencoderKL` | channels {vae_channels}, {latents} latent, 1/{scale} in time and pitch | {vae} |
| Vocoder | `SpeechT5HifiGan` | {voc_channels} channels, rates {rates} | {vocoder} |

Default settings: {scheduler}, {steps} steps, guidance {guidance:g}, {length:g} s. Weights in 16 bit.

## Data

{clips} clips of {seconds:g} s at {corpus_rate} Hz from `musicldm corpus`, seed {seed}: arrangements that rules write
in {genres} genres ({genre_list}), played with General MIDI sound fonts, some of them degraded in
named ways (muffled, thin, noisy, clipped, hissing, low bit-rate) and captioned so. Every clip has eight captions that
are true to it; a fifth of the lexicon behind them is held out of all captions, to measure with.

Sound fonts: {fonts}. FluidR3 (Frank Wen) and its mono version (Michael Cowgill) are under the MIT licence.
"""

RECIPE = """\
## Recipe

The vocoder and the VAE learn on log-mels and waves; CLAP's text tower begins as the first layers of the sentence
encoder all-MiniLM-L6-v2 (Apache-2.0) with a smaller vocabulary and learns the clips' attributes from their captions,
then the audio tower learns to meet it (InfoNCE against the locked text); the UNet learns on the VAE's latents under
embeddings of captions and of sound, one in ten dropped to the empty prompt. Learning rates, sizes and losses are the
recipes in `musicldm/training`; `docs/train.md` describes them.{notes}

| training | minutes | steps | on held-out clips at its end |
|---|---|---|---|
{rows}

Together {hours:.1f} hours, on the machines that the notes name; recorded {date} with torch {torch},
diffusers {diffusers}, transformers {transformers}.
"""

TAIL = """\
## Limits

- {genres} genres, and the instruments of General MIDI: the timbre is that of sampled instruments played by a program.
- No singing with words, no named artists or songs, no stereo, nothing above {nyquist:g} kHz.
- English prompts. Words far from music are understood only as far as the sentence encoder carries them.
- It learned on clips of {seconds:g} s: longer music is possible but may lose its thread.
- Tempo, lead instrument and sound quality are followed as often as the scores say: make several, keep the best.

## Licence

Apache-2.0, weights and card. What it makes is AI-generated music, and files from `musicldm generate` say so.

## To make it again

```bash
python scripts/train_default_model.py --work RUNS --out MODEL --clips {clips_plain}
```

follows the recipes. It did not make these weights: the stages were started by hand, with the departures listed above.
From end to end the script has run at the smallest size only (12 clips, seconds of training).
"""


def parameters(folder: Path) -> int:
    """Number of weights in the safetensors files of a part."""
    total = 0
    for path in folder.glob("*.safetensors"):
        with safe_open(path, framework="numpy") as file:
            for name in file.keys():  # noqa: SIM118 - no mapping
                size = 1
                for length in file.get_slice(name).get_shape():
                    size *= length
                total += size
    return total


def shapes(model: Path) -> dict[str, Any]:
    """What the configurations of a model folder say about its parts."""
    unet, vae, clap, vocoder = (config(model / name) for name in ("unet", "vae", "text_encoder", "vocoder"))
    scheduler = config(model / "scheduler", "scheduler_config.json")
    defaults = GenerationDefaults.load(model)
    text = clap["text_config"]
    counts = {part: f"{parameters(model / folder) / 1e6:.1f} M" for part, folder in FOLDERS.items()}
    return counts | {
        "layers": text["num_hidden_layers"],
        "hidden": text["hidden_size"],
        "words": f"{text['vocab_size']:,}",
        "depths": dashed(clap["audio_config"]["depths"]),
        "width": clap["projection_dim"],
        "unet_channels": dashed(unet["block_out_channels"]),
        "prediction": scheduler["prediction_type"].replace("_", " "),
        "vae_channels": dashed(vae["block_out_channels"]),
        "latents": vae["latent_channels"],
        "scale": 2 ** (len(vae["block_out_channels"]) - 1),
        "voc_channels": vocoder["upsample_initial_channel"],
        "rates": dashed(vocoder["upsample_rates"]),
        "rate": vocoder["sampling_rate"],
        "nyquist": vocoder["sampling_rate"] / 2000,
        "scheduler": scheduler["_class_name"],
        "steps": defaults.num_inference_steps,
        "guidance": defaults.guidance_scale,
        "length": defaults.audio_length_in_s,
    }


def config(folder: Path, name: str = "config.json") -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / name).read_text(encoding="utf-8"))
    return found


def dashed(numbers: list[int]) -> str:
    return "-".join(map(str, numbers))


def training_row(name: str, found: Mapping[str, Any]) -> str:
    figures = ", ".join(f"`{key}` {value:.3f}" for key, value in found["validation"].items())
    return f"| {name} | {found['minutes']:.0f} | {found['steps']:,} | {figures} |"


def departures(notes: Sequence[str]) -> str:
    """A list of where the training departed from the recipe; nothing where it did not."""
    return (
        "\n\nWhere this model's training departed from them:\n\n" + "\n".join(f"- {n}" for n in notes) if notes else ""
    )


def card(model: Path, training: Mapping[str, Any], measured: Mapping[str, Any]) -> str:
    """The whole card."""
    corpus, run = training["corpus"], training["run"]
    facts = shapes(model) | {
        "clips": f"{corpus['clips']:,}",
        "clips_plain": corpus["clips"],
        "seconds": corpus["seconds"],
        "corpus_rate": corpus["sample_rate"],
        "seed": corpus["seed"],
        "fonts": ", ".join(font.split()[0] for font in corpus["fonts"]),
        "genres": len(GENRES),
        "genre_list": ", ".join(GENRES),
        "rows": "\n".join(training_row(name, training[part]) for part, name in PARTS.items()),
        "notes": departures(training["notes"]),
        "hours": sum(training[part]["minutes"] for part in PARTS) / 60,
        **{key: run[key] for key in ("hardware", "torch", "diffusers", "transformers", "date")},
    }
    scores = f"## Scores\n\n{body(measured)}"
    return "\n".join([HEAD.format(**facts), RECIPE.format(**facts), scores, TAIL.format(**facts)])


def main() -> None:
    """Writes the card and the sums."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=MODEL)
    options = parser.parse_args()
    training, measured = load("training"), load("model_card")
    if training is None or measured is None:
        parser.error("benchmarks/results lacks training.json or model_card.json: measure first")
    (options.model / "README.md").write_text(card(options.model, training, measured), encoding="utf-8")
    write_sums(options.model)


if __name__ == "__main__":
    main()
