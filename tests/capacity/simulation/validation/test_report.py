"""The table and its exit code."""

import pytest

from capacity.simulation.engines import engine
from capacity.simulation.validation import __main__ as report
from capacity.simulation.validation import conservation
from capacity.simulation.validation.checks import Check


@pytest.mark.parametrize(("passed", "code", "verdict"), [(True, 0, "判定：合格"), (False, 1, "判定：不合格 1 件")])
def test_the_exit_code_follows_the_table(monkeypatch, capsys, passed, code, verdict):
    line = Check("事例A", "1", "1 ± 0.1", "fast", passed)
    monkeypatch.setattr(report, "checks", lambda _week, _say: iter([line]))
    assert report.main([]) == code
    shown = capsys.readouterr().out
    assert "事例A" in shown
    assert verdict in shown


@pytest.mark.parametrize("name", ["fast", "simpy"])
def test_nothing_is_lost(monkeypatch, name):
    monkeypatch.setattr(conservation, "systems", lambda: iter([("夜", conservation.eventful_night(vms=12, runs=200))]))
    assert [line.passed for line in conservation.checks(engine(name), name)] == [True]


def test_an_auditors_finding_fails_the_line(monkeypatch):
    monkeypatch.setattr(conservation, "systems", lambda: iter([("夜", conservation.eventful_night(vms=12, runs=50))]))
    monkeypatch.setattr(conservation, "audit", lambda _system, _result: ["h0: above its cores"])
    (line,) = conservation.checks(engine("simpy"), "simpy")
    assert not line.passed
    assert "h0: above its cores" in line.found
