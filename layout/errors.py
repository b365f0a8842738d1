"""What goes wrong with a plan folder."""

from __future__ import annotations


class FolderError(Exception):
    """A plan folder or a layout that cannot be read or written. The message is one Japanese line; exit code 2."""

    exit_code = 2

    def __init__(self, message: str) -> None:
        # Names in messages come from files that nobody vouches for: no line breaks, no terminal controls.
        self.message = "".join(c if c.isprintable() else "?" for c in message)
        super().__init__(self.message)
