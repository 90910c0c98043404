"""The shipped model's README.md from its own configuration and the measured results, then its SHA256SUMS anew.

    python -m benchmarks.tables.model_card_text [--model src/musicldm/shipped/default]

Reads results/training.json (benchmarks/quality/training_record.py) and results/model_card.json
(benchmarks/quality/model_card.py).
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import safe_open

from benchmarks.tables.model_card_table import headlines, origin
from benchmarks.tables.readme_results import load
from musicldm.corpus.truth import GENRES
from musicldm.model.checksums import write_sums
from musicldm.model.settings import GenerationDefaults

MODEL = Path(__file__).resolve().parents[2] / "src" / "musicldm" / "shipped" / "default"
PARTS = {"vae": "VAE", "vocoder": "vocoder", "clap": "CLAP", "ldm": "UNet"}
EDITIONS = {1: "first", 2: "second"}
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

A small MusicLDM (arXiv 2308.01546). It turns an English prompt into instrumental music: {length:g} s, mono, {rate} Hz.
It was trained on music that this project composed. No recorded music is in it. Only the text tower began from other
weights, those of the sentence encoder all-MiniLM-L6-v2.

```python
from musicldm import MusicLDMPipeline

audio = MusicLDMPipeline.from_pretrained("default")("melodic techno with a fast beat and synths").audios[0]
```

## Parts

| part | class | shape | parameters | minutes | steps |
|---|---|---|---|---|---|
| text and audio | `ClapModel` | text {layers} x {hidden}, {words} word pieces; HTSAT {depths}; width {width} | {clap} | {clap_took} |
| denoiser | `UNet2DConditionModel` | channels {unet_channels}, {prediction}; embedding as class label | {ldm} | {ldm_took} |
| autoencoder | `AutoencoderKL` | channels {vae_channels}, {latents} latent, 1/{scale} in time and pitch | {vae} | {vae_took} |
| vocoder | `SpeechT5HifiGan` | {voc_channels} channels, rates {rates} | {vocoder} | {vocoder_took} |

Settings: {scheduler}, {steps} steps, guidance {guidance:g}, {length:g} s. Weights in 16 bit.
Trained for {hours:.1f} hours in all; recorded {date} with torch {torch}, diffusers {diffusers}, transformers {transformers}.

## Data

{clips} clips of {seconds:g} s at {corpus_rate} Hz, made by the {edition} edition of `musicldm corpus` from seed {seed}. Rules
compose the music in {genres} genres: {genre_list}.
General MIDI sound fonts play it: {fonts}. FluidR3 (Frank Wen) and its mono
version (Michael Cowgill) are under the MIT licence. Some clips were degraded on purpose (muffled, thin, noisy, clipped,
hissing, low bit-rate), and their captions say so. Every clip has eight captions that are true to it. A fifth of the
expressions that captions are made of is held out of training, to measure with.
"""  # noqa: E501 - rows of tables

HISTORY = """\
## Training

The recipes are those of `musicldm/training`; `docs/train.md` describes them. The stages were started by hand, each from
the weights of the one before:

| stage | minutes | machine | clips | what was new | loss |
|---|---|---|---|---|---|
{rows}

{notes}

On held-out clips at the end:

{figures}
"""

TAIL = """\
## Limits

- {genres} genres, played with the instruments of General MIDI by a program: it sounds like sampled instruments.
- No singing with words, no named artists or songs, no stereo, nothing above {nyquist:g} kHz.
- English prompts. Words far from music are understood only as far as the sentence encoder knows them.
- It learned on clips of {seconds:g} s. Longer music is possible and may lose its thread.
- It follows tempo, lead instrument and sound quality as often as the table says. Make several, and keep the best.

## Licence

Apache-2.0, weights and card. What it makes is AI-generated music, and files from `musicldm generate` say so.

## To make it again

```bash
python scripts/train_default_model.py --work RUNS --out MODEL --clips {clips_plain}
```

follows the recipes, on today's edition of the corpus. It did not make these weights, which took the stages above. From end
to end the script has run at the smallest size only (12 clips, seconds of training).
"""  # noqa: E501


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


def took(found: Mapping[str, Any]) -> str:
    """Minutes and steps, as two cells."""
    return f"{found['minutes']:.0f} | {found['steps']:,}"


def stage_row(number: int, stage: Mapping[str, str]) -> str:
    """One stage of the history."""
    cells = [str(number), *(stage.get(key, "") for key in ("trained", "machine", "clips", "what", "loss"))]
    return f"| {' | '.join(cells)} |"


def figures(name: str, found: Mapping[str, Any]) -> str:
    """The last validation of a training, as one line of a list."""
    return f"- {name}: " + ", ".join(f"`{key}` {value:.3f}" for key, value in found["validation"].items())


def card(model: Path, training: Mapping[str, Any], measured: Mapping[str, Any]) -> str:
    """The whole card."""
    corpus, run = training["corpus"], training["run"]
    genres = corpus["genres"] or GENRES
    facts = shapes(model) | {
        "clips": f"{corpus['clips']:,}",
        "clips_plain": corpus["clips"],
        "seconds": corpus["seconds"],
        "corpus_rate": corpus["sample_rate"],
        "seed": corpus["seed"],
        "edition": EDITIONS[corpus.get("edition", 1)],
        "fonts": ", ".join(font.split()[0] for font in corpus["fonts"]),
        "genres": len(genres),
        "genre_list": ", ".join(genres),
        "rows": "\n".join(stage_row(number, stage) for number, stage in enumerate(training["stages"], 1)),
        "figures": "\n".join(figures(name, training[part]) for part, name in PARTS.items()),
        "notes": "\n".join(f"- {note}" for note in training["notes"]),
        "hours": sum(training[part]["minutes"] for part in PARTS) / 60,
        **{f"{part}_took": took(training[part]) for part in PARTS},
        **{key: run[key] for key in ("torch", "diffusers", "transformers", "date")},
    }
    return "\n".join([HEAD.format(**facts), HISTORY.format(**facts), scores(measured), TAIL.format(**facts)])


def scores(measured: Mapping[str, Any]) -> str:
    """What the judges and the beat tracker found: the prompts' table, and where the rest stands."""
    lines = ["## Measures", "", *origin(measured), "", headlines(measured)]
    return "\n".join(lines) + "\nAll measures stand in `docs/measures.md` of the repository.\n"


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
