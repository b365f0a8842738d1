"""Simulation of a planned week: the reference model in SimPy."""
