"""The shipped methods and the documented example: they load, and the page lists them all."""

from __future__ import annotations

import re
from fractions import Fraction
from pathlib import Path

from licensing import splitting
from licensing.splitting.records import exact

PAGE = Path(__file__).parents[3] / "docs" / "cost-split.md"


def test_the_page_lists_every_shipped_method():
    listed = re.findall(r"^\| `([a-z-]+)` \|.*\|.*\|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert set(splitting.load().methods) <= set(listed)


def test_the_example_of_the_page_is_a_method(tmp_path):
    (example,) = re.findall(r"```yaml\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    (tmp_path / "ours.yaml").write_text(example, encoding="utf-8")
    method = splitting.load(tmp_path, ["nobeoka"]).method("our-group", "費目 a")
    assert [exact(part.share) for part in method.parts] == [Fraction(3, 10), Fraction(3, 10), Fraction(2, 5)]


def test_ordinances_as_published():
    """facts: Niigata 50 / 50 with 1,000 yen; Kushimoto and Kozagawa 15 / 35 / 50, 9.5 / - / 90.5, 6 / 94 / -."""
    methods = splitting.load().methods
    found = {
        name: {part.by: part.share for part in method.parts}
        for name, method in methods.items()
        if "niigata" in name or "kushimoto" in name
    }
    assert found == {
        "niigata-union": {"equal": "50%", "population": "50%"},
        "kushimoto-kozagawa-plant-building": {"equal": "15%", "population": "35%", "use": "50%"},
        "kushimoto-kozagawa-plant-operation": {"equal": "9.5%", "use": "90.5%"},
        "kushimoto-kozagawa-other-building": {"equal": "6%", "population": "94%"},
    }
    assert methods["niigata-union"].truncate_jpy == 1000
