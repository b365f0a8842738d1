"""WHEN AND WHERE: calendar, runs, windows, placement, simulation."""
