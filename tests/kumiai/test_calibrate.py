"""`kumiai calibrate`, and an estate that holds its answer."""

from datetime import datetime, timedelta

import pytest

import estate


@pytest.fixture
def log(tmp_path):
    lines = ["job,tenant,start,end,units,cores"]
    for row in range(10):
        start = datetime(2026, 6, 1, 22) + timedelta(days=row)
        units = 10_000 + 1_000 * row
        end = start + timedelta(seconds=90 + 0.05 * units)
        lines.append(f"resident-tax/assessment,hita,{start},{end},{units},1")
    path = tmp_path / 'odd "name"\u202e.csv'
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_the_block_makes_an_estate_that_checks_and_holds_the_measured_numbers(ask, log, tmp_path):
    answer = ask("calibrate", log)
    assert answer.code == 0
    assert answer.out.startswith("# 判定：1 件のジョブの値を 10 行から求めました\nmeasured:\n")
    ask("new", tmp_path / "mine", "--from", "pilot")
    path = tmp_path / "mine" / "estate.yaml"
    text = path.read_text(encoding="utf-8")
    assert "\nmeasured:" not in text
    path.write_text(f"{text}\n{answer.out}", encoding="utf-8")
    checked = ask("check", path)
    assert (checked.code, checked.out) == (0, "判定：誤りはありません\n")
    jobs = [
        job
        for job in estate.load(path).jobs
        if (job.tenant, job.system, job.job) == ("hita", "resident-tax", "assessment")
    ]
    assert [(job.fixed_s, job.basis) for job in jobs] == [(pytest.approx(90), "measured")]
    assert "10 行の実行記録、2026-06-01～2026-06-10" in jobs[0].source
    assert 'odd "name"?.csv（sha256 ' in jobs[0].source


def test_the_block_goes_to_a_file_and_the_figures_to_json(ask, log, tmp_path):
    answer = ask("calibrate", log, "-o", tmp_path / "measured.yaml", "--json")
    document = answer.document
    assert document["format_version"] == "1.0"
    assert document["jobs"][0]["cpu_s_per_unit"]["value"] == pytest.approx(0.05)
    written = (tmp_path / "measured.yaml").read_text(encoding="utf-8")
    assert written == f"# {document['verdict']}\n{document['yaml']}"


def test_a_log_without_a_job_to_fit_gives_no_block(ask, log, tmp_path):
    lines = log.read_text(encoding="utf-8").splitlines()[:4]
    log.write_text("\n".join(lines) + "\n", encoding="utf-8")
    answer = ask("calibrate", log, "-o", tmp_path / "measured.yaml")
    assert answer.code == 3
    assert answer.err.splitlines() == [
        "hita resident-tax/assessment：行が少なすぎます（3 行、8 行以上）",
        "貼り付ける値がありません",
    ]
    assert not (tmp_path / "measured.yaml").exists()


def test_online_load_of_sysstat(ask, tmp_path):
    lines = ["# hostname;interval;timestamp;CPU;%user;%iowait;%idle"]
    for step in range(24 * 7):
        at = datetime(2026, 4, 1) + timedelta(hours=step)
        lines.append(f"ap1;3600;{at} UTC;-1;30.0;5.0;{65.0 if at.hour < 8 else 95.0}")
    path = tmp_path / "load.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    answer = ask("calibrate", path, "--format", "sysstat", "--vcpu", 4, "--population", 12_000)
    assert (answer.code, answer.err) == (0, "")
    assert "online_profiles:\n  measured-1:\n" in answer.out
    assert "cores_per_1000_residents: 0.1," in answer.out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("--format", "xlsx"),
            "--format: 知らない形式です（xlsx）。jobs、sysstat、prometheus のどれかを指定してください",
        ),
        (("--vcpu", "4"), "--vcpu と --population は sysstat と prometheus のときだけ使います"),
        (("--format", "sysstat", "--vcpu", "nan"), "--vcpu: 0 より大きい数です（nan）"),
        (("--format", "sysstat", "none.csv"), "sysstat と prometheus の記録は 1 つずつ指定してください"),
        (("none.csv",), "none.csv: ファイルがありません"),
        (("-o", "."), ".: フォルダーです。ファイルの名前を指定してください"),
        (("--format", "sysstat"), "csv:1: sadf -d の見出し"),
    ],
)
def test_refusals(ask, log, arguments, message):
    answer = ask("calibrate", log, *arguments)
    assert (answer.code, answer.out) == (2, "")
    assert message in answer.err
