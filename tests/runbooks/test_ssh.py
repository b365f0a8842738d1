"""The SSH transport against a real sshd: every trap of the library that could hang or mislead a run."""

from __future__ import annotations

import subprocess
import time

import pytest

from runbooks.errors import ConflictError, UnreachableError
from runbooks.reaching.local import Local
from runbooks.reaching.ssh import Connection
from runbooks.reaching.transport import LOST, MOST_OUTPUT, Order
from tests.runbooks import sshd

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with sshd.running(tmp_path_factory.mktemp("sshd")) as running:
        yield running


@pytest.fixture
def connection(server):
    made = Connection(server.login())
    yield made
    made.close()


def running(words: str) -> bool:
    return subprocess.run(["pgrep", "-f", f"^{words}$"], capture_output=True, check=False).returncode == 0


def test_a_command_gives_its_code_and_both_streams(connection):
    done = connection.run(Order("echo out; echo err >&2; exit 3", 10))
    assert (done.code, done.stdout, done.stderr) == (3, "out\n", "err\n")
    assert connection.run(Order("cat", 10, stdin="日本語".encode())).stdout == "日本語"
    assert connection.run(Order("false\necho reached", 10)).code == 1
    assert connection.run(Order("echo $LIBVIRT_DEFAULT_URI", 10)).stdout == "qemu:///system\n"


def test_an_unknown_host_is_refused_and_so_is_a_changed_key(server, tmp_path):
    empty = tmp_path / "known_hosts"
    empty.write_text("")
    with pytest.raises(UnreachableError, match="not found in known_hosts"):
        Connection(server.login(known_hosts=str(empty)))
    other = tmp_path / "other"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(other)], check=True)
    key = " ".join(other.with_suffix(".pub").read_text().split()[:2])
    empty.write_text(f"[127.0.0.1]:{server.port} {key}\n")
    with pytest.raises(UnreachableError, match="なりすまし"):
        Connection(server.login(known_hosts=str(empty)))
    assert empty.read_text().count("\n") == 1


def test_a_file_of_known_hosts_with_marks_is_refused_whole(server, tmp_path):
    marked = tmp_path / "known_hosts"
    good = (server.folder / "known_hosts").read_text()
    marked.write_text(good + "@revoked " + good)
    with pytest.raises(UnreachableError, match="@revoked"):
        Connection(server.login(known_hosts=str(marked)))


def test_a_hashed_file_of_known_hosts_works(server, tmp_path):
    hashed = tmp_path / "known_hosts"
    hashed.write_text((server.folder / "known_hosts").read_text())
    subprocess.run(["ssh-keygen", "-H", "-f", str(hashed)], capture_output=True, check=True)
    assert "127.0.0.1" not in hashed.read_text()
    made = Connection(server.login(known_hosts=str(hashed)))
    made.close()


def test_a_wrong_key_and_a_closed_port_are_told(server, tmp_path):
    key = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    with pytest.raises(UnreachableError, match="接続できません"):
        Connection(server.login(key_file=str(key)))
    with pytest.raises(UnreachableError, match="接続できません"):
        Connection(server.login(port=1))


def test_a_chatty_command_ends_at_its_deadline_over_there(connection):
    begun = time.monotonic()
    done = connection.run(Order("while :; do echo chatty; sleep 0.1; done", 2))
    assert done.timed_out
    assert "chatty" in done.stdout
    assert time.monotonic() - begun < 8
    assert not running("sleep 987.5")


def test_a_command_that_ignores_the_signal_is_killed(connection):
    done = connection.run(Order("trap '' TERM; while :; do sleep 0.2; done", 1))
    assert done.code == 137
    assert done.timed_out


def test_much_on_both_streams_at_once_does_not_block(connection):
    done = connection.run(Order("head -c 9000000 /dev/zero >&2; head -c 9000000 /dev/zero; echo end", 60))
    assert done.code == 0
    assert done.truncated
    assert len(done.stdout) == len(done.stderr) == MOST_OUTPUT


def test_much_input_goes_in_while_output_comes_out(connection):
    data = b"0123456789abcdef" * 300_000
    done = connection.run(Order("cat | sha256sum; cat /dev/null", 60, stdin=data))
    import hashlib

    assert done.stdout.split()[0] == hashlib.sha256(data).hexdigest()
    assert connection.run(Order("exit 4", 10, stdin=data)).code == 4


def test_what_is_left_running_does_not_hold_the_command(connection):
    begun = time.monotonic()
    assert connection.run(Order("sleep 12.25 & echo begun", 30)).stdout == "begun\n"
    assert time.monotonic() - begun < 8


def test_a_command_that_is_killed_by_a_signal_is_no_success(connection):
    assert connection.run(Order("kill -9 $$", 10)).code not in (0, 1)


def test_a_connection_that_breaks_leaves_the_outcome_open(server):
    made = Connection(server.login())
    done = made.run(Order("kill -9 $(ps -o ppid= -p $(ps -o ppid= -p $PPID))", 10))
    assert done.code == LOST
    with pytest.raises(UnreachableError):
        made.run(Order("true", 10))
    made.close()


def test_a_command_outlives_a_broken_connection_only_until_its_deadline(server):
    made = Connection(server.login())
    channel = made._channel()
    from runbooks.reaching.transport import wrapped

    channel.exec_command(wrapped(Order("exec sleep 4.125", 2), root=True))
    time.sleep(0.7)
    assert running("sleep 4.125")
    made.close()
    time.sleep(2.5)
    assert not running("sleep 4.125")


def test_a_lock_is_one_runs_alone_and_goes_with_its_connection(server):
    first, second = Connection(server.login()), Connection(server.login())
    first.hold("test.lock", "yamada.h run-1", 60)
    with pytest.raises(ConflictError, match=r"yamada\.h run-1"):
        second.hold("test.lock", "sato run-2", 60)
    assert first.holds()
    first.close()
    limit = time.monotonic() + 5
    while True:
        try:
            second.hold("test.lock", "sato run-2", 60)
            break
        except ConflictError:
            assert time.monotonic() < limit
            time.sleep(0.1)
    second.close()


def test_a_lock_ends_with_its_time(server):
    made = Connection(server.login())
    made.hold("short.lock", "yamada.h run-1", 1)
    limit = time.monotonic() + 6
    while made.holds():
        assert time.monotonic() < limit
        time.sleep(0.1)
    made.close()


def test_a_change_waits_for_the_orphan_of_another(server):
    first, second = Connection(server.login()), Connection(server.login())
    channel = first._channel()
    from runbooks.reaching.transport import wrapped

    lock = "/run/lock/change"
    channel.exec_command(wrapped(Order("sleep 2", 10, lock=lock), root=True))
    time.sleep(0.5)
    assert second.run(Order("true", 10, lock=lock, lock_wait_s=0)).code == 75
    assert second.run(Order("true", 10, lock=lock, lock_wait_s=10)).code == 0
    for each in (first, second):
        each.close()


def test_too_many_sessions_are_told(tmp_path):
    with sshd.running(tmp_path / "one", sessions=1) as server:
        made = Connection(server.login())
        made.hold("a.lock", "x", 30)
        with pytest.raises(UnreachableError, match="MaxSessions"):
            made.run(Order("true", 5))
        made.close()


def test_here_it_is_the_same():
    with Local() as local:
        done = local.run(Order("echo out; echo err >&2; exit 3", 10))
        assert (done.code, done.stdout, done.stderr) == (3, "out\n", "err\n")
        assert local.run(Order("sleep 30", 1)).timed_out
        assert local.run(Order("cat", 5, stdin=b"data")).stdout == "data"
        assert "runbook" in local.run(Order("kumiai --help", 60)).stdout
        assert local.run(Order("python -c 'import runbooks'", 60)).code == 0
