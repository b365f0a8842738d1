"""Other people's workloads as trace directories: one module per format, what it cannot carry over said."""

from .records import ImportedTrace

__all__ = ["ImportedTrace"]
