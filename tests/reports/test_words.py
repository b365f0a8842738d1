"""Numbers, times and escapes as the page writes them."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import pytest

from reports import figures
from reports.markup import Markup, escaped, tag, visible
from tests.layout.builder import JST


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [(1234567.0, 0, "1,234,567"), (-0.04, 1, "0.0"), (-1.25, 1, "−1.2"), (0, 0, "0"), (999.95, 1, "1,000.0")],
)
def test_numbers(value, digits, text):
    assert figures.number(value, digits) == text


@pytest.mark.parametrize(("value", "text"), [(8, "8"), (1250.0, "1,250"), (0.25, "0.25"), (1.5, "1.5"), (10.0, "10")])
def test_counts(value, text):
    assert figures.count(value) == text


def test_signed_minutes():
    assert [figures.signed_minutes(value) for value in (90, -90, 0.5, -0.5)] == ["+1.5", "−1.5", "0.0", "0.0"]


def test_a_share_of_nothing_is_a_dash():
    assert figures.share(1, 0) == "—"
    assert figures.share(1, 8, 1) == "12.5 %"


def test_periods_name_their_last_day_or_their_moments():
    start = datetime(2027, 5, 1, tzinfo=JST)
    assert figures.period(start, datetime(2027, 7, 1, tzinfo=JST)) == "令和9年5月1日から令和9年6月30日まで"
    late = figures.period(start, start + timedelta(hours=36))
    assert late == "令和9年5月1日 00:00から令和9年5月2日 12:00まで"


def test_weeks():
    assert figures.week_name(date(2028, 3, 27)) == "令和10年3月27日（月）から4月2日（日）までの週"


def test_texts_are_escaped_and_markup_is_not():
    assert escaped("<b>&\"'") == "&lt;b&gt;&amp;&quot;&#x27;"
    assert escaped(Markup("<b>")) == "<b>"
    assert tag("a", "<", href='"><script>', class_=None) == '<a href="&quot;&gt;&lt;script&gt;">&lt;</a>'


@pytest.mark.parametrize("char", ["\x00", "\x1b", "\u202e", "\u2066", "\u200b", "\ufeff", "\u2028"])
def test_characters_that_hide_are_shown_by_their_code(char):
    assert visible(f"a{char}b") == f"a\\u{ord(char):04x}b"


def test_joined_markup_stays_markup_but_added_text_does_not():
    assert not isinstance(Markup("<b>") + "<i>", Markup)
