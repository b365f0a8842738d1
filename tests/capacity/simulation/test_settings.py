"""Settings: what nobody can simulate is refused in Japanese, one line per mistake."""

from datetime import date, datetime, timedelta, timezone

import pytest

from capacity.simulation.settings import Settings, SettingsError, from_words

JST = timezone(timedelta(hours=9))


def test_words_become_settings():
    found = from_words({"week": "2027-05-12", "load_factor": "1.5", "late_start": "false", "printers": "3"})
    assert found == Settings(week=date(2027, 5, 12), load_factor=1.5, late_start=False, printers=3)


def test_all_fields_have_defaults_and_are_frozen():
    settings = Settings()
    with pytest.raises(ValueError, match="frozen"):
        settings.seed = 1


def test_a_time_without_zone_is_japans():
    found = from_words({"failed_host": "kvm01", "failed_host_at": "2027-05-12T02:00"})
    assert found.failed_host_at == datetime(2027, 5, 12, 2, tzinfo=JST)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ({"week": "nonsense"}, "--week: 日付ではありません（「nonsense」）"),
        ({"week": ""}, "--week: 日付ではありません（空の値）"),
        ({"week": "2027-02-30"}, "--week: 日付ではありません"),
        ({"load_factor": "x"}, "load_factor: 数が要ります"),
        ({"load_factor": "0"}, "load_factor: 値が小さすぎます"),
        ({"load_factor": ".nan"}, "load_factor: 有限の数が要ります（「.nan」）"),
        ({"load_factor": "1e400"}, "load_factor: 有限の数が要ります"),
        ({"online": "firts"}, "もしかして: 「first」"),
        ({"printers": "2.5"}, "printers: 整数が要ります"),
        ({"vary_work": "no"}, "vary_work: 真偽値が要ります"),
        ({"nonsense": "1"}, "nonsense: 知らないキーです"),
        ({"lost_site_at": "2027-05-12T02:00"}, "lost_site_at には lost_site も要ります"),
        ({"failed_host": "a", "failed_host_at": "2027-05-12T02:00Z"}, "日本時間（+09:00）で書いてください"),
        ({"until_half_width_s": "3", "most_replications": "3"}, "most_replications（3）は replications（20）以上"),
        ({"replications": "0"}, "replications: 値が小さすぎます"),
        ({"replications": "100001"}, "replications: 値が大きすぎます"),
    ],
)
def test_wrong_words_are_refused(words, said):
    with pytest.raises(SettingsError) as refused:
        from_words(words, {"week": "--week"})
    assert len(refused.value.lines) == 1
    assert said in refused.value.lines[0]


def test_every_mistake_is_told_at_once():
    with pytest.raises(SettingsError) as refused:
        from_words({"load_factor": "x", "seed": "-1", "line_mib_s": ".inf"})
    assert len(refused.value.lines) == 3
