"""The reference engine: docs/simulation-model.md on SimPy, written to be read rather than to be fast.

One concept a file, from the outside in: `centre` settles instants, `clock` says when they are, `run`, `vm` and `host`
are what a run meets on its way, `bandwidth`, `printing` and `windows` what it shares with others, `work` is what gets
served, `ledger` keeps the account.
"""

from .centre import simulate

__all__ = ["simulate"]
