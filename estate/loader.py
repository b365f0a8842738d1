"""From the path of an estate file to the resolved estate, or to every mistake at once."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from . import catalogue_checks, date_checks, disturbance_checks, estate_checks, fit_checks, reference_checks
from .case import Case
from .catalogue_reader import path_of, read_catalogue
from .catalogue_records import Catalogue
from .kinds import Survey, surely_fits, survey_of
from .known import names
from .problems import EstateErrors, Problem, once
from .records import EstateFile
from .resolve import resolve
from .resolved import ResolvedEstate
from .validation import Document, validate
from .yaml_reader import read

_STAND_INS = {"format": 1, "name": "?", "fiscal_year": 2027, "sites": [], "hosts": [], "tenants": []}


@dataclass(frozen=True)
class SoundEstate:
    """An estate file and its catalogue without any mistake."""

    file: EstateFile
    catalogue: Catalogue
    digest: str
    survey: Survey

    @cached_property
    def estate(self) -> ResolvedEstate:
        """The resolved estate; made when it is asked for, because the nation's has 480,000 jobs."""
        return resolve(self.file, self.catalogue, self.digest)


@dataclass(frozen=True)
class CheckOutcome:
    """What `kumiai check` found. `sound` is None when there are problems; warnings never stop anything."""

    problems: tuple[Problem, ...]
    warnings: tuple[Problem, ...]
    sound: SoundEstate | None

    @cached_property
    def estate(self) -> ResolvedEstate | None:
        """The resolved estate with the warnings; None when there are problems."""
        return None if self.sound is None else self.sound.estate.model_copy(update={"warnings": self._texts})

    @cached_property
    def survey(self) -> Survey | None:
        """The estate by kinds of tenants, with the warnings; None when there are problems."""
        if self.sound is None:
            return None
        survey = self.sound.survey
        return replace(survey, estate=survey.estate.model_copy(update={"warnings": self._texts}))

    @property
    def _texts(self) -> tuple[str, ...]:
        return tuple(f"{warning.path}: {warning.message}" for warning in self.warnings)


def load(path: Path) -> ResolvedEstate:
    """The resolved estate of an estate file, its warnings included. Raises EstateErrors with every mistake."""
    outcome = check(path)
    if outcome.estate is None:
        raise EstateErrors(outcome.problems)
    return outcome.estate


def survey(path: Path) -> Survey:
    """The estate of an estate file by kinds of tenants, its warnings included. Raises EstateErrors as `load`."""
    outcome = check(path)
    if outcome.survey is None:
        raise EstateErrors(outcome.problems)
    return outcome.survey


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
    catalogue = case.catalogue.record
    digest = _digest(document, case.catalogue)
    sound = SoundEstate(case.file, catalogue, digest, survey_of(case.file, catalogue, digest))
    if not _fits(case, sound.survey):
        fit_checks.check(case, sound.estate)
        if document.problems:
            return _outcome(document.problems, case.warnings, None)
    return _outcome([], case.warnings, sound)


def _fits(case: Case, survey: Survey) -> bool:
    """Whether everything fits, looking at the representatives of the tenants only."""
    scratch = replace(case, estate=replace(case.estate, problems=[]))
    fit_checks.check(scratch, survey.estate)
    return not scratch.estate.problems and surely_fits(survey, case.file)


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


def _outcome(problems: list[Problem], warnings: list[Problem], sound: SoundEstate | None) -> CheckOutcome:
    return CheckOutcome(once(problems), once(warnings), sound)
