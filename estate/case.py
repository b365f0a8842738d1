"""What the cross checks look at: the estate file and its catalogue, read as far as they are sound."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from functools import cached_property

from .catalogue_records import Catalogue
from .known import Known
from .places import find
from .problems import Problem
from .records import EstateFile
from .validation import Document


@dataclass
class Case:
    """An estate file with its catalogue (None where the catalogue cannot be read) and the names in both."""

    estate: Document[EstateFile]
    catalogue: Document[Catalogue] | None
    known: Known
    warnings: list[Problem] = field(default_factory=list)

    @property
    def file(self) -> EstateFile:
        """The estate file's record; only called where there is one."""
        if self.estate.record is None:
            raise ValueError("no record to check")
        return self.estate.record

    @cached_property
    def tenant_index(self) -> dict[str, int]:
        """Place of each tenant in the file, by id."""
        return {tenant.id: index for index, tenant in enumerate(self.file.tenants)}

    @cached_property
    def shared_index(self) -> dict[str, int]:
        """Place of each shared system in the file, by its id."""
        return {shared.system: index for index, shared in enumerate(self.file.shared)}

    @property
    def year_is_written(self) -> bool:
        """False where `fiscal_year` is missing or wrong, so that nothing can be said about other years."""
        return find(self.estate.root, ["fiscal_year"]).node is find(self.estate.written, ["fiscal_year"]).node

    @property
    def year(self) -> tuple[date, date]:
        """The fiscal year `[1 April, 1 April)`."""
        return date(self.file.fiscal_year, 4, 1), date(self.file.fiscal_year + 1, 4, 1)
