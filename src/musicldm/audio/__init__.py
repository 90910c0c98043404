"""Sound as arrays: log-mels, levels, rates, reading and writing."""

import numpy as np
import numpy.typing as npt

Wave = npt.NDArray[np.float32]
"""A mono wave (n_samples,) with full scale ±1, unless a docstring says otherwise."""
