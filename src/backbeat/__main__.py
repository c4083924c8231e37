"""`python -m backbeat` is the same as `backbeat`."""

from backbeat.cli import main

main()
