"""WHAT EXISTS: the estate file as frozen, validated records. The only room that reads YAML."""

from .document import read_document
from .problems import EstateErrors, Problem

__all__ = ["EstateErrors", "Problem", "read_document"]
