"""The estate of every municipality: complete, the same every time, with as many hosts as its rule says."""

import re

import pytest

import estate
from estate import national
from estate.romaji import romaji


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    path = tmp_path_factory.mktemp("nation") / "estate.yaml"
    path.write_text(national.estate_text(), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def outcome(path):
    return estate.check(path)


def test_it_checks_without_mistakes_or_warnings(outcome):
    assert (outcome.problems, outcome.warnings) == ((), ())


def test_it_holds_every_municipality_with_every_system_at_its_prefecture(outcome):
    survey = outcome.survey
    assert (len(survey.tenants), len({tenant.id for tenant in survey.tenants})) == (1741, 1741)
    assert len(survey.estate.sites) == 48
    prefectures = {tenant.code[:2]: tenant.site for tenant in survey.tenants}
    assert len(prefectures) == len(set(prefectures.values())) == 47
    assert all(tenant.site == prefectures[tenant.code[:2]] for tenant in survey.tenants)
    for kind in survey.kinds:
        assert sum(system.tenant == kind.representative for system in survey.estate.systems) == 40
    by_code = {tenant.code: tenant for tenant in survey.tenants}
    assert (by_code["442046"].id, by_code["442046"].name, by_code["442046"].population) == ("hita-shi", "日田市", 61361)


def test_hosts_follow_the_rule_in_its_comments(outcome, path):
    text = path.read_text(encoding="utf-8")
    written = int(re.search(r"([0-9,]+) ホスト", text).group(1).replace(",", ""))
    estate_ = outcome.survey.estate
    assert len(estate_.hosts) == written
    assert 4_600 <= written <= 5_000
    vcpu = {kind.representative: 0 for kind in outcome.survey.kinds}
    for vm in estate_.vms:
        vcpu[vm.tenant] += vm.vcpu
    needed: dict[str, int] = {}
    for kind in outcome.survey.kinds:
        for tenant in kind.tenants:
            needed[tenant.site] = needed.get(tenant.site, 0) + vcpu[kind.representative]
    for site, total in needed.items():
        usable = sum(host.site == site for host in estate_.hosts) - 1
        assert usable * 32 * 1.6 >= total * 1.03


def test_it_is_the_same_every_time_and_smaller_ones_check_too(path, tmp_path):
    assert path.read_text(encoding="utf-8") == national.estate_text()
    small = tmp_path / "estate.yaml"
    small.write_text(national.estate_text(9), encoding="utf-8")
    found = estate.check(small)
    assert (found.problems, len(found.survey.tenants)) == ((), 9)


@pytest.mark.parametrize(
    ("kana", "latin"),
    [
        ("さっぽろ", "sapporo"),
        ("きょうと", "kyouto"),
        ("にっちゅう", "nitchuu"),
        ("じゅうおう", "juuou"),
        ("ふくい", "fukui"),
    ],
)
def test_kana_are_written_as_people_read_them(kana, latin):
    assert romaji(kana) == latin


def test_what_is_no_hiragana_is_refused():
    with pytest.raises(ValueError, match="not hiragana"):
        romaji("札幌")
