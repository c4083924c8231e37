"""The example and the instrument package are taken from the clone."""

import sys
from pathlib import Path

for place in ("examples", "instrument/src"):
    sys.path.insert(0, str(Path(__file__).parents[2] / place))
