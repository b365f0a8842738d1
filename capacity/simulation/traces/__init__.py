"""Trace directories, for other people's workloads: reading, checking and what a simulation of one leaves behind.

The files and their columns are in docs/traces.md.
"""

from .memory import needed
from .mistakes import TraceError
from .power import HostPower
from .reader import Trace, read, read_trace
from .results import check_results_replaceable, summary, write_results
from .writer import check_trace_replaceable, write_trace

__all__ = [
    "HostPower",
    "Trace",
    "TraceError",
    "check_results_replaceable",
    "check_trace_replaceable",
    "needed",
    "read",
    "read_trace",
    "summary",
    "write_results",
    "write_trace",
]
