"""A folder of the cache appears whole or not at all."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tools.cache import appearing, cache_folder

ROOT = Path(__file__).resolve().parents[2]

# Takes the target and a name as arguments; says on stdout when it is inside the block, then works for a while.
BUILDER = """
import sys, time
from pathlib import Path
from tools.cache import appearing
with appearing(Path(sys.argv[1])) as partial:
    print("building" if partial else "there", flush=True)
    if partial:
        (partial / "one").write_text(sys.argv[2])
        time.sleep(float(sys.argv[3]))
        (partial / "two").write_text(sys.argv[2])
"""


def start(target, name, seconds):
    command = [sys.executable, "-c", BUILDER, str(target), name, str(seconds)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_cache_follows_xdg_only_where_it_is_absolute():
    assert cache_folder({"XDG_CACHE_HOME": "/var/c", "HOME": "/home/a"}) == Path("/var/c/kumiai")
    assert cache_folder({"XDG_CACHE_HOME": "c", "HOME": "/home/a"}) == Path("/home/a/.cache/kumiai")
    assert cache_folder({"HOME": "/home/a"}) == Path("/home/a/.cache/kumiai")


def test_failed_block_leaves_nothing(tmp_path):
    target = tmp_path / "tools" / "key"

    def fail():
        with appearing(target) as partial:
            assert partial is not None
            (partial / "half").write_text("x")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert [path.name for path in target.parent.iterdir()] == [".lock"]


def test_killed_build_is_swept_away_by_the_next(tmp_path):
    target = tmp_path / "key"
    with start(target, "killed", 60) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "building\n"
        process.send_signal(signal.SIGKILL)
    assert not target.exists()
    assert len(list(tmp_path.glob(".partial-*"))) == 1
    with appearing(target) as partial:
        assert partial is not None
        (partial / "one").write_text("second")
    assert sorted(path.name for path in tmp_path.iterdir()) == [".lock", "key"]
    assert [path.name for path in target.iterdir()] == ["one"]


def test_two_builds_at_once_build_once(tmp_path):
    target = tmp_path / "key"
    with start(target, "first", 0.5) as first:
        assert first.stdout is not None
        assert first.stdout.readline() == "building\n"
        started = time.monotonic()
        with start(target, "second", 0) as second:
            said, waited = second.communicate(timeout=30)
        assert said == "there\n"
        assert "待ちます" in waited
        assert time.monotonic() - started > 0.1
        assert first.wait(timeout=30) == 0
    assert {path.name: path.read_text() for path in target.iterdir()} == {"one": "first", "two": "first"}
