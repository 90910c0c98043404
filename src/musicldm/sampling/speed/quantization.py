"""Eight bits for the UNet under OpenVINO: weights and activations, in the ranges that they take while music is made.

Post-training quantisation by NNCF. What reads the level of noise and the prompt, and the first and the last convolution
stay as they are: they cost little, and small differences of a prompt lie close together there.
"""

from __future__ import annotations

import hashlib
import logging
import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from io import StringIO
from typing import Any

from musicldm.errors import MissingDependencyError

REHEARSAL: tuple[tuple[int, tuple[str, ...]], ...] = (
    (3, ("techno with synths, 128 BPM", "a slow piano waltz in 3/4", "heavy metal, distorted guitar", "ambient pads")),
    (4, ("jazz trio with tenor sax", "lo-fi beat, 75 BPM", "an orchestra, epic and loud", "low quality, noisy house")),
    (5, ("folk dance on the fiddle", "reggae with organ", "drum and bass, 174 BPM", "a sad string quartet")),
    (6, ("funk with slap bass", "blues on a steel guitar", "synthwave, muffled", "solo flute without drums")),
)
"""Steps and prompts of the music whose ranges count; few and more steps, so that all levels of noise are among them."""
_LEFT_ALONE = (r".*time_emb.*", r".*class_embedding.*", r".*conv_in.*", r".*conv_out.*")
NAME = f"int8_{hashlib.sha256(repr((REHEARSAL, _LEFT_ALONE)).encode()).hexdigest()[:8]}"
"""Says how it was quantised."""


def quantized(model: Any, inputs: Sequence[tuple[Any, ...]]) -> Any:
    """An OpenVINO model with products of eight bits.

    Args:
        model: in float32.
        inputs: arrays for its inputs, for each of the evaluations whose ranges count.

    Raises:
        MissingDependencyError: nncf is not installed.
    """
    try:
        import nncf
    except ImportError as error:
        raise MissingDependencyError("nncf", "int8") from error
    nncf.set_log_level(logging.ERROR)
    with redirect_stdout(sys.stderr if sys.stderr.isatty() else StringIO()):  # it draws bars
        return nncf.quantize(
            model,
            nncf.Dataset(list(inputs), lambda arrays: dict(enumerate(arrays))),
            subset_size=len(inputs),
            preset=nncf.QuantizationPreset.MIXED,
            model_type=nncf.ModelType.TRANSFORMER,
            ignored_scope=nncf.IgnoredScope(patterns=list(_LEFT_ALONE), validate=False),
        )
