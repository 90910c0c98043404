"""Makes docs/examples/*.ogg by the shipped model, and the picture of them: `python scripts/make_examples.py`.

The prompts and seeds are those of `benchmarks/quality/prompts.py`, one clip each: nothing is chosen. In float32, so
that machines differ in the last bits only. It takes a minute or two on two cores; `--draw` draws the picture alone.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path

import torch

from musicldm.audio.mel import log_mel
from musicldm.audio.reading import read

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "docs" / "examples"
PICTURE = ROOT / "docs" / "images" / "examples.png"
PROMPTS: Mapping[str, str] = {
    "techno": "melodic techno with a fast beat and synths",
    "lo-fi": "a lazy lo-fi beat with jazz guitar to study to, 75 BPM",
    "celtic": "a Celtic dance tune on the fiddle, 112 BPM",
    "metal": "heavy metal at 170 BPM, distorted guitar",
    "jazz": "late-night jazz in a small club, tenor sax over upright bass, 140 BPM",
    "film": "an epic film score with french horn",
}
"""Name of the file → prompt; the first has seed 0, the next ones count on."""


def make() -> None:
    """One file a prompt, in place of the one that is there."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for seed, (name, prompt) in enumerate(PROMPTS.items()):
        path = FOLDER / f"{name}.ogg"
        path.unlink(missing_ok=True)
        options = ["--seed", str(seed), "--device", "cpu", "--dtype", "float32", "--out", str(path)]
        subprocess.run([sys.executable, "-m", "musicldm", "generate", prompt, *options], check=True)


def draw() -> None:
    """The log-mels of all examples, as PNG."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot
    from PIL import Image

    figure, axes = pyplot.subplots(2, 3, figsize=(11, 4.4), sharex=True, sharey=True, layout="constrained")
    for axis, (name, prompt) in zip(axes.flat, PROMPTS.items(), strict=True):
        wave, rate = read(FOLDER / f"{name}.ogg")
        mel = log_mel(torch.from_numpy(wave)).numpy()
        axis.imshow(mel.T, origin="lower", aspect="auto", cmap="magma", extent=(0, len(wave) / rate, 0, mel.shape[1]))
        axis.set_title(prompt.partition(",")[0], fontsize=9)
    figure.supxlabel("seconds", fontsize=9)
    figure.supylabel("mel bins, 0 to 8 kHz", fontsize=9)
    PICTURE.parent.mkdir(parents=True, exist_ok=True)
    with BytesIO() as drawn:
        figure.savefig(drawn, dpi=90)
        Image.open(drawn).convert("RGB").quantize(48).save(PICTURE, optimize=True)


if __name__ == "__main__":
    if sys.argv[1:] != ["--draw"]:
        make()
    draw()
