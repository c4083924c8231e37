"""Pure functions over arrays; they import NumPy and nothing else, read only their arguments."""
