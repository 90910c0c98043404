"""Trains the judges on a prepared corpus: `python scripts/train_judges.py --data CORPUS --out FOLDER [--model FOLDER]`.

`musicldm train judges` with one thing more: the accuracies on the clips of `--test` (another corpus, with another seed)
go into the card too. A tenth of the clips is never trained on; the accuracies on it, and on reconstructions of it where
a model is given, are in the card already.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from musicldm.data.store import ClipStore
from musicldm.events import Event, Note
from musicldm.listeners.judges import Judges
from musicldm.training.loop.log import TrainingProgress
from musicldm.training.run import train
from musicldm.training.tasks.judges import FOLDER, accuracies


def main() -> None:
    """Trains, measures, saves and prints the card."""
    options = _arguments()
    length = {"steps": options.steps} if options.steps else {"minutes": options.minutes}
    with tempfile.TemporaryDirectory() as work:
        run = options.run or Path(work) / "run"
        train(
            "judges", data=options.data, out=run, model=options.model, seed=options.seed, listen=_show, **length
        )  # fmt: skip
        judges = Judges.load(run / FOLDER)
    if options.model is not None:
        judges.card["reconstructions"]["model"] = options.model.name
    judges.card["seed"] = options.seed
    if options.test is not None:
        test = ClipStore(options.test)
        judges.card["test"] = {"data": options.test.name, **accuracies(judges, test.mels, test.rows)}
    judges.save(options.out)
    for name in ("held_out", "held_out_reconstructed", "test"):
        if name in judges.card:
            print(name, judges.card[name])


def _show(event: Event) -> None:
    if isinstance(event, TrainingProgress):
        print(event.line, flush=True)
    elif isinstance(event, Note):
        print(event.text, flush=True)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="prepared corpus")
    parser.add_argument("--out", type=Path, required=True, help="folder for judges.safetensors and judges.json")
    parser.add_argument("--run", type=Path, help="folder of the run; a temporary one where none is given")
    parser.add_argument("--model", type=Path, help="model folder whose VAE and vocoder colour a part of the training")
    parser.add_argument("--test", type=Path, help="another prepared corpus, only measured")
    parser.add_argument("--minutes", type=float, default=7.0)
    parser.add_argument("--steps", type=int, help="instead of --minutes")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


if __name__ == "__main__":
    main()
