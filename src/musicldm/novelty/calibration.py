"""What is usual within the training set: the measure for what is said about other music.

Each training clip is compared with all others, those cut from the same file left out. A similarity or evidence that
only 1 in 100 of them reaches is unusual; clips that evidently repeat one another are left out of that count first, or
a training set with doubles would call no copy a copy.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from musicldm.errors import DataError

Numbers = npt.NDArray[np.float64]
FALSE_ALARMS = 0.01
"""Share of new clips that are called copies, half of them by fingerprint and half by outline."""
CLOSE = 0.05
VERDICTS = ("copy", "very close", "close", "new")
_STEPS = 200
_LEAST_EVIDENCE, _LEAST_OUTLINED = 10.0, 6.0
_EVIDENT, _LEAST_SPREAD = 12.0, 2.5


@dataclass(frozen=True)
class Calibration:
    """Quantiles of what training clips have in common with their nearest others.

    Args:
        similarities: quantiles, from 0 to 1 in equal steps, of the largest cosine with another clip.
        evidence: quantiles of the strongest agreement of fingerprints with another clip, nats; doubles left out.
        outlined: quantiles of the best score of outlines with another clip; these doubles left out.
        clips: how many clips the similarities come from.
        fingerprinted: how many the evidence and the scores come from.
        doubles: share of these that evidently repeat another clip.
    """

    similarities: tuple[float, ...]
    evidence: tuple[float, ...]
    outlined: tuple[float, ...]
    clips: int
    fingerprinted: int
    doubles: float

    @property
    def copy(self) -> float:
        """Evidence from which on something is called a copy."""
        return max(quantile(self.evidence, 1 - FALSE_ALARMS / 2), _LEAST_EVIDENCE)

    @property
    def copy_outlined(self) -> float:
        """Score of outlines from which on something is called a copy."""
        return max(quantile(self.outlined, 1 - FALSE_ALARMS / 2), _LEAST_OUTLINED)

    @property
    def very_close(self) -> float:
        """Similarity that 1 in 100 training clips has to another."""
        return quantile(self.similarities, 1 - FALSE_ALARMS)

    @property
    def close(self) -> float:
        """Similarity that 1 in 20 training clips has to another."""
        return quantile(self.similarities, 1 - CLOSE)

    def percentile(self, similarity: float) -> float:
        """Per cent of the training clips that are less like their nearest other clip than `similarity`."""
        return float(100 * np.interp(similarity, self.similarities, np.linspace(0, 1, len(self.similarities))))

    def verdict(self, similarity: float, strength: float) -> str:
        """One of `VERDICTS`; `strength` is that of what may be copied, above 1 a copy."""
        if strength > 1:
            return "copy"
        if similarity > self.very_close:
            return "very close"
        return "close" if similarity > self.close else "new"

    @classmethod
    def of(cls, similarities: Numbers, evidence: Numbers, outlined: Numbers) -> Calibration:
        """From the largest cosines (n,) and the strongest agreements (m,) of training clips with other ones."""
        single = evidence <= evident(evidence)
        return cls(
            steps(similarities),
            steps(evidence[single]),
            steps(outlined[single]),
            len(similarities),
            len(evidence),
            1 - float(single.mean()),
        )

    @classmethod
    def load(cls, stored: dict[str, Any]) -> Calibration:
        """From a manifest. Raises DataError where it is none."""
        try:
            lists = {name: tuple(map(float, stored[name])) for name in ("similarities", "evidence", "outlined")}
            return cls(**{**stored, **lists})
        except (KeyError, TypeError, ValueError):
            raise DataError("the manifest of this novelty index has no calibration: build the index again") from None


def evident(evidence: Numbers) -> float:
    """Evidence beyond which a clip repeats another: the median and 12 times the distance to the upper quartile.

    The strongest of many chance agreements follows Gumbel's distribution, where so much has a probability of 2e-5.
    """
    median, upper = np.quantile(evidence, (0.5, 0.75))
    return float(median + _EVIDENT * max(upper - median, _LEAST_SPREAD))


def steps(values: Numbers) -> tuple[float, ...]:
    """The quantiles of values (n,) in `_STEPS` equal steps, to five digits."""
    return tuple(np.round(np.quantile(values, np.linspace(0, 1, _STEPS + 1)), 5).tolist())


def quantile(steps: tuple[float, ...], share: float) -> float:
    """Between the stored quantiles, the one that a share of the values lies below."""
    return float(np.interp(share, np.linspace(0, 1, len(steps)), steps))
