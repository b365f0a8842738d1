"""The definition of a VM, changed so that it can boot from copies of its disks without reaching anybody.

`python -m runbooks.isolation --name NAME --folder DIR < domain.xml` prints it. Runbook `restore-drill` uses it.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import PurePosixPath
from xml.etree import ElementTree

CONSOLE_LOG = "console.log"
_REACHES_OUT = (
    "interface",
    "hostdev",
    "redirdev",
    "channel",
    "filesystem",
    "graphics",
    "shmem",
    "vsock",
    "audio",
    "sound",
)
_OF_THE_ORIGINAL = ("uuid", "resource", "metadata", "title", "description", "seclabel")


class IsolationError(Exception):
    """The text is no definition of a VM, or one that cannot be isolated. One Japanese line."""


def isolated(definition: str, name: str, folder: str) -> str:
    """The definition under another name, without its identity and every device that reaches outside of the VM.

    Each disk becomes the file `folder/VOLUME.qcow2`, a disk of raw format (the seed) `folder/VOLUME`. The serial
    console is written to `folder/console.log`. Raises IsolationError.
    """
    try:
        root = ElementTree.fromstring(definition)  # noqa: S314 - libvirt's own, from our own backup; expat without DTD
    except ElementTree.ParseError as error:
        raise IsolationError(f"仮想サーバの定義として読めません（{error}）") from None
    devices = root.find("devices")
    if root.tag != "domain" or devices is None:
        raise IsolationError("仮想サーバの定義ではありません")
    for tag in _OF_THE_ORIGINAL:
        for found in root.findall(tag):
            root.remove(found)
    own_name = root.find("name")
    if own_name is None:
        own_name = ElementTree.SubElement(root, "name")
    own_name.text = name
    for tag in (*_REACHES_OUT, "serial", "console"):
        for found in devices.findall(tag):
            devices.remove(found)
    for disk in devices.findall("disk"):
        _copied(disk, folder)
    serial = ElementTree.SubElement(devices, "serial", {"type": "file"})
    ElementTree.SubElement(serial, "source", {"path": f"{folder}/{CONSOLE_LOG}"})
    ElementTree.SubElement(serial, "target", {"port": "0"})
    return ElementTree.tostring(root, encoding="unicode") + "\n"


def _copied(disk: ElementTree.Element, folder: str) -> None:
    source, driver = disk.find("source"), disk.find("driver")
    volume = "" if source is None else source.get("volume") or PurePosixPath(source.get("file") or "").name
    if source is None or not volume:
        raise IsolationError("プールのボリュームでもファイルでもないディスクがあります")
    raw = driver is not None and driver.get("type") == "raw"
    disk.set("type", "file")
    source.attrib.clear()
    source.set("file", f"{folder}/{volume}" if raw else f"{folder}/{volume}.qcow2")
    for tag in ("backingStore", "alias"):
        for found in disk.findall(tag):
            disk.remove(found)


def main(arguments: Sequence[str] | None = None) -> int:
    """What the runbook calls. Answers the exit code: 0, or 1 with a Japanese line on stderr."""
    parser = argparse.ArgumentParser(prog="python -m runbooks.isolation", description="隔離して起動するための定義")
    parser.add_argument("--name", required=True)
    parser.add_argument("--folder", required=True)
    chosen = parser.parse_args(arguments)
    try:
        sys.stdout.write(isolated(sys.stdin.read(), chosen.name, chosen.folder))
    except IsolationError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
