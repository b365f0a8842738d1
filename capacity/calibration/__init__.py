"""Sizes from measurements: what the user's own job logs and load records say about an estate."""
