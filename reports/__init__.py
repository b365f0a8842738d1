"""Renders saved results. Computes nothing."""
