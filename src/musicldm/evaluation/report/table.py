"""A report as tables of text: figures with their intervals, and the embedders that they come from."""

from __future__ import annotations

from musicldm.evaluation.figures.figure import Figure
from musicldm.listeners.embedders import Identity

ARROWS = {"lower": "↓", "higher": "↑", "": ""}
FIGURE_COLUMNS = ("metric", "value", "95 % interval", "n", "better", "to compare with", "by")
EMBEDDER_COLUMNS = ("embedder", "weights", "Hz", "resampler", "numbers")


def number(value: float, unit: str = "") -> str:
    """A value for people: four digits that count, and its unit."""
    text = f"{value:.0f}" if abs(value) >= 1000 else f"{value:.4g}"
    return f"{text} {unit}".rstrip()


def interval(figure: Figure) -> str:
    """The 95 % interval of a figure for people."""
    return f"{number(figure.estimate.low)} to {number(figure.estimate.high)}"


def figure_row(figure: Figure) -> tuple[str, ...]:
    """A cell for each of `FIGURE_COLUMNS`."""
    return (
        figure.metric,
        number(figure.estimate.mean, figure.unit),
        interval(figure),
        str(figure.estimate.n),
        ARROWS[figure.better],
        "" if figure.beside is None else f"{number(figure.beside)} {figure.beside_what}",
        figure.by,
    )


def embedder_row(identity: Identity) -> tuple[str, ...]:
    """A cell for each of `EMBEDDER_COLUMNS`."""
    return identity.name, identity.weights, str(identity.sample_rate), identity.resampler, str(identity.width)
