"""Array aliases: times are int64 milliseconds since the epoch, values are float64."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Int32s = NDArray[np.int32]
Int64s = NDArray[np.int64]
Float64s = NDArray[np.float64]
Bools = NDArray[np.bool_]

__all__ = ["Bools", "Float64s", "Int32s", "Int64s"]
