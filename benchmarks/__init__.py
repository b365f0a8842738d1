"""Reproducible measurements. They print figures and never judge; `python -m benchmarks` runs all."""
