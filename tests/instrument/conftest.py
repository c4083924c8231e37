"""The instrument package is a distribution of its own; tests take it from the clone."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "instrument" / "src"))
