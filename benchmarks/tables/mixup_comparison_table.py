"""Table and figure of results/mixup_comparison.json: `python -m benchmarks.tables.mixup_comparison_table`.

Means over seeds with their intervals, beside the paper's rows.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy.stats import t as student

from benchmarks.circumstances import RESULTS, ROOT

RESULT = RESULTS / "mixup_comparison.json"
FIGURE = ROOT / "docs" / "images" / "mixup-comparison.svg"
COLUMNS = {
    "fad": ("FAD (CLAP) ↓", "{:.4f}"),
    "fad_judges": ("FAD (judges) ↓", "{:.2f}"),
    "kl": ("KL ↓", "{:.3f}"),
    "inception": ("IS ↑", "{:.2f}"),
    "clap_score": ("CLAP score ↑", "{:.3f}"),
    "genre": ("genre ↑", "{:.1%}"),
    "tempo": ("tempo within 4 % ↑", "{:.1%}"),
    "sim_aa_90": ("SIM_AA@90 ↓", "{:.1%}"),
    "sim_aa_95": ("SIM_AA@95 ↓", "{:.1%}"),
    "similarity": ("similarity ↓", "{:.3f}"),
    "percentile": ("percentile ↓", "{:.1%}"),
}
PAPER = (
    "| arXiv 2308.01546 | FD_pann ↓ | FD_vgg ↓ | IS ↑ | KL ↓ | text-audio ↑ | SIM_AA@90 ↓ | SIM_AA@95 ↓ |",
    "|---|---|---|---|---|---|---|---|",
    "| MusicLDM | 26.67 | 2.40 | 1.81 | 3.80 | 0.281 | 43.0 % | 4.7 % |",
    "| + BAM | | | | | 0.266 | 40.2 % | 2.7 % |",
    "| + BLM | 24.95 | 2.31 | 1.79 | 3.40 | 0.268 | 40.1 % | 2.0 % |",
)

NONE = "none"
AGAINST = (
    "Differences to no mixup of the same seed, which has the same order of clips and the same starts of its "
    "generations; bold where the interval leaves out 0, as it does by chance in one of twenty:"
)

Summary = dict[str, dict[str, float]]


def write_results(runs: Sequence[Mapping[str, Any]]) -> None:
    """Writes results/mixup_comparison.json and .md and the figure."""
    groups = {(run["size"], run["arm"]): summary(runs, run["size"], run["arm"]) for run in runs}
    against = {
        (size, arm): summary(runs, size, arm, against=NONE)
        for size, arm in groups
        if arm != NONE and (size, NONE) in groups
    }
    report = {
        "table": [{"clips": size, "arm": arm, **found} for (size, arm), found in groups.items()],
        "against_none": [{"clips": size, "arm": arm, **found} for (size, arm), found in against.items()],
        "runs": list(runs),
    }
    text = "\n\n".join([conditions(runs), table(groups), AGAINST, table(against, signed=True), "\n".join(PAPER)])
    RESULT.write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    RESULT.with_suffix(".md").write_text(text + "\n", encoding="utf-8")
    draw(groups)


def summary(runs: Sequence[Mapping[str, Any]], size: int, arm: str, against: str | None = None) -> Summary:
    """Mean over the seeds of one arm, half its 95 % interval by Student's t, and the number of seeds.

    Of the figures, or of their differences to another arm's of the same seed.
    """
    own, other = ({run["seed"]: run for run in runs if (run["size"], run["arm"]) == (size, a)} for a in (arm, against))
    seeds = [seed for seed in own if against is None or seed in other]
    found = {}
    for name in COLUMNS:
        values = np.array([_value(own[seed][name]) - (_value(other[seed][name]) if other else 0.0) for seed in seeds])
        count = len(values)
        half = float(student.ppf(0.975, count - 1) * values.std(ddof=1) / count**0.5) if count > 1 else 0.0
        found[name] = {"mean": float(values.mean()), "half": half, "seeds": count}
    return found


def _value(figure: Any) -> float:
    return float(figure["mean"] if isinstance(figure, Mapping) else figure)


def conditions(runs: Sequence[Mapping[str, Any]]) -> str:
    """What all runs share, and where they ran."""
    all_ = [one["run"] for one in runs]
    run = all_[0]
    machines = "; ".join(dict.fromkeys(f"{one['hardware']}, torch {one['torch']}, {one['date']}" for one in all_))
    seeds = len({one["seed"] for one in runs})
    return (
        f"{run['steps']} steps from the UNet of {run['init']}, parts of the model {run['model']}, {run['generations']} "
        f"generations of a run, judges {run['judges']}; means over {seeds} seeds with 95 % intervals. {machines}."
    )


def table(groups: Mapping[tuple[int, str], Summary], *, signed: bool = False) -> str:
    """As Markdown; of differences `signed`, those whose interval leaves out 0 in bold."""
    names = [title for title, _ in COLUMNS.values()]
    lines = [f"| clips | mixup | {' | '.join(names)} |", "|---" * (len(names) + 2) + "|"]
    for (size, arm), found in groups.items():
        cells = [_cell(found[name], form, signed=signed) for name, (_, form) in COLUMNS.items()]
        lines.append(f"| {size} | {arm} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _cell(value: Mapping[str, float], form: str, *, signed: bool) -> str:
    mean = (form.replace("{:", "{:+") if signed else form).format(value["mean"])
    cell = f"{mean} ± {form.format(value['half'])}" if value["seeds"] > 1 else mean
    return f"**{cell}**" if signed and value["seeds"] > 1 and abs(value["mean"]) > value["half"] else cell


def draw(groups: Mapping[tuple[int, str], Summary]) -> None:
    """Similarity to the training clips against quality, an arm a colour, a size a marker."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    matplotlib.rcParams["svg.hashsalt"] = "musicldm"
    figure, axes = pyplot.subplots(figsize=(6, 4), layout="constrained")
    arms, sizes = (list(dict.fromkeys(key[i] for key in groups)) for i in (1, 0))
    for (size, arm), found in groups.items():
        axes.errorbar(
            found["similarity"]["mean"], found["fad"]["mean"], found["fad"]["half"], found["similarity"]["half"],
            fmt="os^D"[sizes.index(size) % 4], color=f"C{arms.index(arm)}", label=f"{arm}, {size} clips", capsize=2,
        )  # fmt: skip
    axes.set_xlabel("mean similarity to the nearest training clip (less is newer)")
    axes.set_ylabel("FAD by CLAP (less is better)")
    axes.legend(fontsize=7)
    figure.savefig(FIGURE, metadata={"Date": None})
    pyplot.close(figure)


def main() -> None:
    """Writes table and figure of the stored results."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    write_results(json.loads(RESULT.read_text(encoding="utf-8"))["runs"])


if __name__ == "__main__":
    main()
