"""WHAT EXISTS: the estate file as frozen, validated records. The only room that reads YAML."""

from .catalogue_records import Catalogue
from .document import problem_at, read_document
from .kinds import Survey, TenantKind
from .loader import CheckOutcome, check, load, survey
from .problems import EstateErrors, Problem
from .records import EstateFile
from .resolve import resolve
from .resolved import ResolvedEstate

__all__ = [
    "Catalogue",
    "CheckOutcome",
    "EstateErrors",
    "EstateFile",
    "Problem",
    "ResolvedEstate",
    "Survey",
    "TenantKind",
    "check",
    "load",
    "problem_at",
    "read_document",
    "resolve",
    "survey",
]
