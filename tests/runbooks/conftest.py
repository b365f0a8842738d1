"""A small plan, and runs of hand-made runbooks on machines that answer from a list."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from textwrap import dedent

import pytest

from layout.folder import PlanFolder
from runbooks.running.confirmation import Consent
from runbooks.running.journal import Journal
from runbooks.running.run import Request, Result, carry_out
from runbooks.text.library import Library
from runbooks.text.names import Site
from tests.infra import plans
from tests.runbooks.fake import Answer, FakeMachines

OPERATOR = "yamada.h"


@pytest.fixture(scope="session")
def plan(tmp_path_factory) -> PlanFolder:
    """Two hosts, one tenant: `t00-s00-ap-01` on kvm01; `t00-s00-ap-02` and `t00-s00-db-01` on kvm02."""
    return plans.write(tmp_path_factory.mktemp("runbooks") / "plan", tenants=1)


@dataclass
class Bench:
    """Runs runbooks of a folder against fake machines and keeps what was asked and said."""

    root: Path
    site: Site
    journal: Journal
    machines: FakeMachines = field(default_factory=FakeMachines)
    told: list[str] = field(default_factory=list)

    @property
    def folder(self) -> Path:
        found = self.root / "books"
        found.mkdir(exist_ok=True)
        return found

    def write(self, name: str, text: str) -> Path:
        """Writes a runbook."""
        path = self.folder / f"{name}.md"
        path.write_text(dedent(text).lstrip(), encoding="utf-8")
        return path

    def run(self, name: str, *, library: Library | None = None, consent: Consent | None = None, **options) -> Result:
        """Runs it; `options` are those of Request, and `stop_asked`."""
        stop_asked = options.pop("stop_asked", lambda: False)
        request = Request(name, options.pop("parameters", {}), options.pop("operator", OPERATOR), **options)
        return carry_out(
            request,
            self.site,
            library or Library(self.folder),
            lambda: self.machines,
            self.journal,
            consent=consent or Consent(yes=True),
            tell=self.told.append,
            stop_asked=stop_asked,
        )

    def again(self, *answers: Answer) -> None:
        """Other machines with other answers."""
        self.machines = FakeMachines(list(answers))

    def kinds(self, run: str | None = None) -> list[str]:
        """The kinds of the journal's entries, commands and their results left out."""
        return [
            entry.kind
            for entry in self.journal.entries()
            if entry.kind not in ("command", "result") and run in (None, entry.run)
        ]


@pytest.fixture
def bench(plan, tmp_path) -> Bench:
    site = Site(plan.layout, plan.path, tmp_path / "state", {}, layout_digest=plan.layout_digest)
    return Bench(tmp_path, site, Journal(tmp_path / "journal"))
