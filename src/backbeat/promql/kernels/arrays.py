"""Array aliases of the kernels, which import NumPy and nothing else."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Int64s = NDArray[np.int64]
Float64s = NDArray[np.float64]
Bools = NDArray[np.bool_]

__all__ = ["Bools", "Float64s", "Int64s"]
