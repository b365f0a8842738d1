"""What of the guest's counter can be tried without a guest."""

import subprocess

from lab.counter import RECORD, parse_dump
from lab.image import GUEST

DUMP = """\
00000000:  6b 75 6d 69 61 69 2d 63 6f 75 6e 74 65 72 20 61  kumiai-counter.a
00000010:  2d 30 31 20 34 32 0a 00 00 00 00 00 00 00 00 00  .01.42..........
00000020:  00 00 00                                         ...
read 35/35 bytes at offset 0
35 bytes, 1 ops; 00.00 sec (1.1 MiB/sec and 2000.0000 ops/sec)
"""


def test_the_dump_of_a_sector_gives_its_bytes():
    sector = parse_dump(DUMP)
    assert sector == b"kumiai-counter a-01 42\n" + bytes(12)
    assert RECORD.fullmatch(sector)[2] == b"42"
    assert parse_dump("qemu-io: can't open device\n") == b""


def test_a_guest_does_not_touch_a_data_disk_that_holds_something_else(tmp_path):
    disk = tmp_path / "disk"
    for content in (b"letters", b"kumiai-counter a-01 4x2\n", b"\0\0\0letters"):
        written = content + bytes(1024 - len(content))
        disk.write_bytes(written)
        command = ["busybox", "sh", str(GUEST / "counter"), str(disk), "a-01"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
        assert done.returncode == 1
        assert "something else" in done.stdout
        assert disk.read_bytes() == written
