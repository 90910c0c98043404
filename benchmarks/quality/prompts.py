"""Six prompts at the default settings, judged: `python -m benchmarks.quality.prompts --model M`.

Writes results/prompts.json; `benchmarks/tables/readme_results.py` puts it into the README.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from benchmarks.circumstances import RESULTS, circumstances, fingerprint, plain
from musicldm.audio.levels import normalise
from musicldm.audio.writing import write
from musicldm.beats.tracker import BeatTracker
from musicldm.listeners.judges import Judges, judges_folder
from musicldm.pipeline import MusicLDMPipeline

RESULT = RESULTS / "prompts.json"


@dataclass(frozen=True)
class Wish:
    """A prompt and what it asks for; None: not said."""

    prompt: str
    genre: str
    lead: str | None = None
    bpm: int | None = None


WISHES = (
    Wish("melodic techno with a fast beat and synths", "techno", "synth lead"),
    Wish("a lazy lo-fi beat with jazz guitar to study to, 75 BPM", "lo-fi", "guitar", 75),
    Wish("a Celtic dance tune on the fiddle, 112 BPM", "celtic", "strings", 112),
    Wish("heavy metal at 170 BPM, distorted guitar", "metal", "guitar", 170),
    Wish("late-night jazz in a small club, tenor sax over upright bass, 140 BPM", "jazz", "reed", 140),
    Wish("an epic film score with french horn", "cinematic", "brass"),
)


def main() -> None:
    """Generates, judges and writes."""
    options = _arguments()
    torch.set_num_threads(options.threads)
    pipe = MusicLDMPipeline.from_pretrained(str(options.model), dtype="auto")
    pipe.set_progress_bar_config(disable=True)
    judges = Judges.load(options.judges)
    started = time.perf_counter()
    tracker = BeatTracker.from_pretrained()
    heard = [
        hear(pipe, judges, tracker, wish, options.seed + index, options.audio) for index, wish in enumerate(WISHES)
    ]
    found = {
        "prompts": heard,
        "settings": asdict(pipe.generation_defaults),
        "run": {"model": fingerprint(options.model), **circumstances(options, time.perf_counter() - started)},
    }
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(plain(found), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def hear(
    pipe: MusicLDMPipeline, judges: Judges, tracker: BeatTracker, wish: Wish, seed: int, audio: Path | None
) -> dict[str, Any]:
    """One clip of a prompt: what was wanted, and what judges and tracker hear."""
    result: Any = pipe(wish.prompt, generator=torch.Generator().manual_seed(seed))
    wave = result.audios[0]
    if audio is not None:
        audio.mkdir(parents=True, exist_ok=True)
        write(audio / f"{wish.genre}.flac", normalise(wave, pipe.sample_rate), pipe.sample_rate, title=wish.prompt)
    verdict = judges(wave)
    return {
        "prompt": wish.prompt,
        "seed": seed,
        "genre": {"wanted": wish.genre, "heard": verdict.best("genre")[0]},
        "lead": {"wanted": wish.lead, "heard": verdict.best("lead")[0]},
        "tempo": {"wanted": wish.bpm, "tracked": tracker(wave, pipe.sample_rate).tempo or None},
        "drums": verdict.best("drums")[0],
        "quality": verdict.best("quality")[0],
        "score": None if result.scores is None else float(result.scores[0]),
    }


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--judges", type=judges_folder, default="default", help="or a folder of them")
    parser.add_argument("--out", type=Path, default=RESULT)
    parser.add_argument("--audio", type=Path, help="folder for the six clips as FLAC")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--seed", type=int, default=0, help="of the first prompt; the next ones count on")
    return parser.parse_args()


if __name__ == "__main__":
    main()
