"""What the trainings took and reached, from their logs, as results/training.json for the model card.

    python -m benchmarks.quality.training_record --corpus CORPUS --vae RUN --vocoder RUN --clap RUN --ldm RUN

Where a training went on in a second folder (`--init`), name both in order: `--vae FIRST SECOND`. Where only some parts
were trained again, name these; the record keeps the others, and counts the runs of a part in `--went-on` on top of
what it has of that part.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from benchmarks.circumstances import RESULTS, circumstances, plain

RESULT = RESULTS / "training.json"
PARTS = ("vae", "vocoder", "clap", "ldm")


def stage(runs: Sequence[Path]) -> dict[str, Any]:
    """Minutes and steps of the runs together, and the last validation of the last one.

    Raises:
        ValueError: the log of the last run holds no validation.
    """
    logs = [entries(run) for run in runs]
    validations = [entry for entry in logs[-1] if entry["kind"] == "validation"]
    if not validations:
        raise ValueError(f"{runs[-1] / 'log.jsonl'} holds no validation: let the training reach its end")
    return {
        "minutes": sum(log[-1]["minutes"] for log in logs),
        "steps": sum(log[-1]["step"] for log in logs),
        "validation": {key: value for key, value in validations[-1].items() if key not in ("kind", "step", "minutes")},
    }


def added(before: Mapping[str, Any], found: Mapping[str, Any]) -> dict[str, Any]:
    """A stage that went on from another: minutes and steps together, the validation of the later one."""
    return {**found, **{key: before[key] + found[key] for key in ("minutes", "steps")}}


def entries(run: Path) -> list[Mapping[str, Any]]:
    """The entries of a run's log, in their order."""
    return [json.loads(line) for line in (run / "log.jsonl").read_text(encoding="utf-8").splitlines()]


def corpus_facts(folder: Path) -> dict[str, Any]:
    """Number of clips, and the settings that the corpus was built with."""
    settings = json.loads((folder / "corpus.json").read_text(encoding="utf-8"))
    rows = (folder / "metadata.jsonl").read_text(encoding="utf-8").splitlines()
    return {"clips": len(rows), **settings}


def main() -> None:
    """Reads the logs and writes the record."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for part in PARTS:
        parser.add_argument(f"--{part}", type=Path, nargs="+", metavar="RUN")
    parser.add_argument(
        "--went-on", nargs="+", choices=PARTS, default=[], help="parts that began as the record has them"
    )
    parser.add_argument("--corpus", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=RESULT)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="that the trainings had")
    parser.add_argument("--seed", type=int, default=0, help="of the trainings")
    parser.add_argument(
        "--note", action="append", default=[], help="what the card says below the stages; else what is kept"
    )
    parser.add_argument(
        "--stages",
        type=Path,
        help="JSON: a list of stages (trained, machine, clips, what, loss), the card's table; else those kept",
    )
    options = parser.parse_args()
    kept = json.loads(options.out.read_text(encoding="utf-8")) if options.out.is_file() else {}
    runs = {part: getattr(options, part) for part in PARTS}
    unknown = [part for part in PARTS if runs[part] is None and (part not in kept or part in options.went_on)]
    if unknown:
        parser.error(f"name the runs of {', '.join(unknown)}, e.g. --{unknown[0]} RUN")
    before = [part for part in options.went_on if part not in kept]
    if before:
        parser.error(f"{options.out} has nothing of {', '.join(before)} to go on from")
    record = {part: kept[part] if runs[part] is None else stage(runs[part]) for part in PARTS}
    for part in options.went_on:
        record[part] = added(kept[part], record[part])
    seconds = 60 * sum(found["minutes"] for found in record.values())
    run = {key: value for key, value in circumstances(options, seconds).items() if key != "load"}
    options.out.parent.mkdir(parents=True, exist_ok=True)
    stages = json.loads(options.stages.read_text(encoding="utf-8")) if options.stages else kept.get("stages", [])
    history = {"stages": stages, "notes": options.note or kept.get("notes", [])}
    text = json.dumps(plain({**record, "corpus": corpus_facts(options.corpus), **history, "run": run}), indent=1)
    options.out.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
