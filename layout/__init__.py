"""THE CONTRACT: records of a plan folder and of every result in it, its reader and writer, and the checkers."""

from .errors import FolderError

__all__ = ["FolderError"]
