"""Sound estates load; warnings stop nothing."""

from datetime import datetime
from pathlib import Path

import pytest

import estate
from estate.loader import check

CASES = Path(__file__).parents[1] / "cases" / "estate"
EXAMPLES = sorted(Path(estate.__file__).parents[1].glob("examples/*/estate.yaml"))
MINIMAL = (CASES / "minimal.yaml").read_text(encoding="utf-8")


def _written(tmp_path, text):
    (tmp_path / "catalogue.yaml").write_bytes((CASES / "catalogue.yaml").read_bytes())
    path = tmp_path / "estate.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_minimal_estate_loads():
    resolved = estate.load(CASES / "minimal.yaml")
    assert [host.id for host in resolved.hosts] == ["kvm01", "kvm02"]
    assert [tenant.id for tenant in resolved.tenants] == ["hita", "takachiho"]
    assert resolved.start == datetime.fromisoformat("2027-01-01T00:00:00+09:00")
    assert resolved.end == datetime.fromisoformat("2028-04-01T00:00:00+09:00")
    assert len(resolved.digest) == 64


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.parent.name)
def test_every_example_loads(path):
    outcome = check(path)
    assert [str(problem) for problem in outcome.problems] == []
    assert outcome.estate is not None


def test_a_byte_order_mark_windows_line_ends_and_flow_style_are_fine(tmp_path):
    path = _written(tmp_path, "")
    path.write_bytes(b"\xef\xbb\xbf" + MINIMAL.replace("\n", "\r\n").encode())
    assert estate.load(path).name == "試験用の最小の環境"


def test_anchors_may_be_used(tmp_path):
    text = MINIMAL.replace("from: 2027-04-01}", "from: &start 2027-04-01}").replace(
        "    population: 11000", "    population: 11000\n    from: *start"
    )
    tenants = estate.load(_written(tmp_path, text)).tenants
    assert tenants[0].from_ == tenants[1].from_
    assert tenants[0].from_ is not None


def test_the_digest_follows_values_not_layout(tmp_path):
    first = estate.load(_written(tmp_path, MINIMAL)).digest
    assert estate.load(_written(tmp_path, "# a comment\n" + MINIMAL)).digest == first
    assert estate.load(_written(tmp_path, MINIMAL.replace("11000", "11001"))).digest != first


def test_the_catalogue_may_be_a_folder(tmp_path):
    path = _written(tmp_path, MINIMAL.replace("catalogue: catalogue.yaml", "catalogue: parts"))
    whole = (tmp_path / "catalogue.yaml").read_text(encoding="utf-8")
    head, _, systems = whole.partition("  residents:\n    name: 住民記録")
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "a.yaml").write_text(head, encoding="utf-8")
    # `&small` and `&light` belong to the first file; anchors do not reach into another one.
    sizes = "vcpu: {town: 2, city: 4}, memory_gib: {town: 4, city: 8}, disk_gib: {town: 20, city: 50}"
    size = f"{{{sizes}, basis: assumed, source: t}}"
    work = "{fixed_s: 60, cpu_s_per_unit: 0.01, basis: assumed, source: t}"
    rest = systems.replace("*small", size).replace("*light", work)
    (tmp_path / "parts" / "b.yaml").write_text(f"systems:\n  residents:\n    name: 住民記録{rest}", encoding="utf-8")
    assert {system.id for system in estate.load(path).systems} == {"resident-tax", "residents"}


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("hosts:", "  - {id: near, role: backup, latitude: 33.2, longitude: 131.6}\nhosts:", "69 km しか"),
        ("ops@{id}/system", "ops@kvm/system", "同じ接続先"),
        ("population: 61361", "population: 900000", "最大の区分で計算"),
        ("2027-05-01, until: 2027-06-15", "2031-05-01, until: 2031-06-15", "年度"),
        (
            "tenants:",
            "events:\n  - {id: e, name: E, date: 1997-05-01, basis: assumed, source: t}\ntenants:",
            "1 年より離れて",
        ),
    ],
)
def test_a_warning_is_given_with_its_place_and_stops_nothing(tmp_path, old, new, words):
    assert old in MINIMAL
    text = MINIMAL.replace(old, new, 1).replace("memory_gib: 64, disk_gib: 1000", "memory_gib: 640, disk_gib: 10000")
    outcome = check(_written(tmp_path, text))
    assert [str(problem) for problem in outcome.problems] == []
    assert any(words in warning.message and warning.line > 1 for warning in outcome.warnings)
    assert outcome.estate is not None
    assert any(words in warning for warning in outcome.estate.warnings)


def test_a_wrong_value_does_not_hide_the_mistakes_beside_it(tmp_path):
    text = MINIMAL.replace("population: 11000", "population: many").replace("[resident-tax]", "[resident-taxes]")
    text = text.replace('"442046"', '"442045"')
    problems = check(_written(tmp_path, text)).problems
    assert [problem.line for problem in problems] == [10, 14, 15]


def test_a_file_without_permission_is_one_clear_line(monkeypatch):
    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    # As root every file is readable, so the operating system's answer is played here.
    monkeypatch.setattr("estate.file_bytes.os.open", refuse)
    problems = check(CASES / "minimal.yaml").problems
    assert [problem.message for problem in problems] == ["ファイルを読む権限がありません"]
