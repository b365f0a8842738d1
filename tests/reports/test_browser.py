"""The page in a real browser without a network: charts are there, nothing of a name runs, every glyph is drawn."""

from __future__ import annotations

import csv
import json
import re
import subprocess
from pathlib import Path

import pytest

from layout.comparison_records import ComparisonResult
from reports import comparison_page
from reports.html import render
from reports.record import gather
from reports.style import CSS
from tests.reports import folders

pytestmark = pytest.mark.e2e

MUNICIPALITIES = Path(__file__).parents[2] / "estate" / "catalogue" / "municipalities.csv"
PILOT = ("日田市", "臼杵市", "杵築市", "宇佐市", "由布市", "延岡市", "日向市", "串間市", "綾町", "門川町")
# Draws every character and one that no font has; lists those that look like it, or like nothing at all.
GLYPHS = """<!DOCTYPE html><html lang="ja"><head><meta charset="utf-8"><style>%s</style></head><body>
<pre id="answer">unfinished</pre><script>
const font = '24px ' + getComputedStyle(document.body).fontFamily;
function look(text) {
  const canvas = document.createElement('canvas'); canvas.width = canvas.height = 40;
  const pen = canvas.getContext('2d', {willReadFrequently: true});
  pen.font = font; pen.textBaseline = 'top'; pen.fillText(text, 6, 6);
  return pen.getImageData(0, 0, 40, 40).data.join();
}
const absent = look('\\u{10fffd}'), blank = look(' ');
const missing = %s.filter(c => { const seen = look(c); return seen === absent || seen === blank; });
document.getElementById('answer').textContent = JSON.stringify(missing);
</script></body></html>"""


@pytest.fixture
def browse(tmp_path):
    """Runs the browser on a page, without a network, and answers its standard output."""

    def run(page: Path, *options: str) -> str:
        done = subprocess.run(
            [
                "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-sync",
                "--disable-background-networking", "--disable-component-update", "--disable-quic", "--no-proxy-server",
                "--host-resolver-rules=MAP * ~NOTFOUND", f"--user-data-dir={tmp_path / 'profile'}", *options,
                page.as_uri(),
            ],
            check=True, capture_output=True, text=True, timeout=120,
        )  # fmt: skip
        return done.stdout

    return run


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    room = tmp_path_factory.mktemp("page")
    path = room / "page.html"
    path.write_text(render(gather(folders.write(room / "out"))), encoding="utf-8")
    return path


def characters(page: str) -> set[str]:
    """What the page shows: neither its markup nor its style."""
    return set(re.sub(r"<[^>]*>", "", re.sub(r"<style>.*?</style>", "", page, flags=re.S)))


def test_the_page_renders_with_its_charts(page, browse):
    dom = browse(page, "--dump-dom")
    assert dom.count("<svg") == dom.count("</svg>") >= 2
    assert "判定：適合 — 例" in dom
    assert "税込み合計" in dom
    assert "動ける範囲を狭める（最も安い）" in dom
    assert dom.rstrip().endswith("</html>")


def test_the_page_asks_for_nothing(page, browse, tmp_path):
    assert asked(page, browse, tmp_path) == set()


def test_the_check_finds_what_a_page_asks_for(browse, tmp_path):
    path = tmp_path / "asking.html"
    path.write_text('<img src="http://pictures.invalid/x.png">', encoding="utf-8")
    assert asked(path, browse, tmp_path) == {"http://pictures.invalid/x.png"}


def asked(path: Path, browse, tmp_path: Path) -> set[str]:
    """Addresses that a page (not the browser for itself) asked the network for; a page from a file has origin null."""
    log = tmp_path / "net.json"
    browse(path, f"--log-net-log={log}", "--dump-dom")
    events = json.loads(log.read_text(encoding="utf-8"))["events"]
    told = [event["params"] for event in events if "params" in event]
    return {params["url"] for params in told if params.get("initiator") == "null"}


def test_nothing_that_a_name_says_is_run(tmp_path, browse):
    path = tmp_path / "hostile.html"
    path.write_text(render(gather(folders.hostile(tmp_path / "out"))), encoding="utf-8")
    dom = browse(path, "--dump-dom")
    head = dom[: dom.index("<body")]
    assert "<title>owned</title>" not in head
    assert "計画の報告書</title>" in head
    assert "<script" not in dom
    assert "<img" not in dom


def test_the_picture_is_not_empty(page, browse, tmp_path):
    picture = tmp_path / "page.png"
    browse(page, f"--screenshot={picture}", "--window-size=1200,1600", "--hide-scrollbars")
    data = picture.read_bytes()
    assert data.startswith(b"\x89PNG")
    assert int.from_bytes(data[16:20], "big") == 1200
    assert len(data) > 60_000  # an empty page of this size is under 10 kB


def test_every_glyph_of_the_page_and_of_every_municipality_is_drawn(page, browse, tmp_path):
    with MUNICIPALITIES.open(encoding="utf-8", newline="") as file:
        names = [row["name"] for row in csv.DictReader(file)]
    assert len(names) == 1741
    assert set(PILOT) <= set(names)
    wanted = characters(page.read_text(encoding="utf-8")) | set("".join(names))
    wanted = {char for char in wanted if not char.isspace()}
    assert len(wanted) > 700
    assert missing(wanted, browse, tmp_path) == []


def test_the_glyph_check_finds_a_missing_glyph(browse, tmp_path):
    assert missing({"延", "\U0010fffe", "\ue123"}, browse, tmp_path) == ["\ue123", "\U0010fffe"]


def missing(wanted: set[str], browse, tmp_path: Path) -> list[str]:
    path = tmp_path / "glyphs.html"
    path.write_text(GLYPHS % (CSS, json.dumps(sorted(wanted))), encoding="utf-8")
    answer = re.search(r'<pre id="answer">(.*?)</pre>', browse(path, "--dump-dom"), flags=re.S)
    return json.loads(answer[1])


def test_every_glyph_of_the_comparison_is_drawn(browse, tmp_path):
    saved = (folders.CASES / "comparison.json").read_text(encoding="utf-8")
    text = comparison_page.render(ComparisonResult.model_validate_json(saved))
    path = tmp_path / "comparison.html"
    path.write_text(text, encoding="utf-8")
    assert len(re.findall(r'<svg class="chart"', browse(path, "--dump-dom"))) == 2
    assert missing({char for char in characters(text) if not char.isspace()}, browse, tmp_path) == []
