"""`python -m benchmarks.peers`: this comparison alone."""

from .comparison import main

main()
