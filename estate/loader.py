"""From the path of an estate file to the resolved estate, or to every mistake at once."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from . import catalogue_checks, date_checks, disturbance_checks, estate_checks, fit_checks, reference_checks
from .case import Case
from .catalogue_reader import path_of, read_catalogue
from .catalogue_records import Catalogue
from .known import names
from .problems import EstateErrors, Problem, once
from .records import EstateFile
from .resolve import resolve
from .resolved import ResolvedEstate
from .validation import Document, validate
from .yaml_reader import read

_STAND_INS = {"format": 1, "name": "?", "fiscal_year": 2027, "sites": [], "hosts": [], "tenants": []}


@dataclass(frozen=True)
class CheckOutcome:
    """What `kumiai check` found. `estate` is None when there are problems; warnings never stop anything."""

    problems: tuple[Problem, ...]
    warnings: tuple[Problem, ...]
    estate: ResolvedEstate | None


def load(path: Path) -> ResolvedEstate:
    """The resolved estate of an estate file, its warnings included. Raises EstateErrors with every mistake."""
    outcome = check(path)
    if outcome.estate is None:
        raise EstateErrors(outcome.problems)
    return outcome.estate


def check(path: Path) -> CheckOutcome:
    """Read, validate and cross-check an estate file and its catalogue; never raises for a user's mistake."""
    try:
        root, problems = read(path)
    except EstateErrors as errors:
        return CheckOutcome(errors.problems, (), None)
    document = validate(root, problems, EstateFile, _STAND_INS)
    if document.record is None:
        return _outcome(document.problems, [], None)
    # `names` looks into the whole trees, so that an entry with a mistake still counts as existing.
    case = Case(document, None, names(document.written, None))
    unreadable = _read_catalogue(case, path)
    reference_checks.check(case)
    estate_checks.check(case)
    date_checks.check(case)
    disturbance_checks.check(case)
    found = [*document.problems, *unreadable]
    if case.catalogue is not None:
        catalogue_checks.check(case.catalogue, case.known)
        found = [*document.problems, *unreadable, *case.catalogue.problems]
    if not any(problem.exit_code == 2 for problem in found):
        before = len(document.problems)
        fit_checks.check_hosts(case)
        found += document.problems[before:]
    if found or case.catalogue is None or case.catalogue.record is None:
        return _outcome(found, case.warnings, None)
    estate = resolve(case.file, case.catalogue.record, digest=_digest(document, case.catalogue))
    fit_checks.check(case, estate)
    if document.problems:
        return _outcome(document.problems, case.warnings, None)
    warnings = tuple(f"{warning.path}: {warning.message}" for warning in once(case.warnings))
    return _outcome([], case.warnings, estate.model_copy(update={"warnings": warnings}))


def _read_catalogue(case: Case, path: Path) -> list[Problem]:
    """Put the catalogue into the case; what makes it unreadable is returned."""
    place = path_of(case.file.catalogue, path)
    if not place.exists():
        estate_checks.catalogue_missing(case)
        return []
    try:
        case.catalogue = read_catalogue(place)
    except EstateErrors as errors:
        return list(errors.problems)
    case.known = names(case.estate.written, case.catalogue.written)
    return []


def _digest(estate: Document[EstateFile], catalogue: Document[Catalogue]) -> str:
    """sha256 over the values of both, in the order of the files; comments and layout do not count."""
    both = [estate.written.data(), catalogue.written.data()]
    text = json.dumps(both, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _outcome(problems: list[Problem], warnings: list[Problem], estate: ResolvedEstate | None) -> CheckOutcome:
    return CheckOutcome(once(problems), once(warnings), estate)
