"""The disk image every laboratory guest boots from: Debian's cloud kernel and a small initial RAM file system.

It is an ordinary bootable disk (SYSLINUX on a FAT file system), so a deployment treats it as any base image.
Equal inputs give equal bytes.
"""

import gzip
import hashlib
import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lab import agent
from lab.packages import opened_cache, run, search_path, unpacked
from lab.unavailable import LabUnavailable

GUEST = Path(__file__).parent / "guest"
SCRIPTS = ("counter", "flatten.awk", "init")
AGENT_SCRIPTS = ("agent", "still")
BUSYBOX = Path("/bin/busybox")
KERNEL_PACKAGE = "linux-image-cloud-amd64"
BOOT_LOADER = Path("/usr/bin/syslinux")

# In the order of dependence where it is known, but the guest tries a few rounds anyway.
MODULES = (
    "virtio", "virtio_ring", "virtio_pci_legacy_dev", "virtio_pci_modern_dev", "virtio_pci", "virtio_blk",
    "failover", "net_failover", "virtio_net", "virtio_console", "cdrom", "isofs", "evdev", "button",
)  # fmt: skip
# Another choice of modules is another folder of the cache.
KERNEL_KIND = f"kernel-{hashlib.sha256(' '.join(MODULES).encode()).hexdigest()[:8]}"
# `nokaslr` and `mitigations=off`: a guest without hardware help has nothing to protect and every instruction costs.
# `maxcpus=1`: without hardware help QEMU 7.2 dies now and then while a guest boots (memory_region_dispatch_write of no
# region, in the thread of a vCPU; 1 of 351 boots on a busy machine): a vCPU writes to a device while another one moves
# the memory of a device, as drivers do when they start. So the drivers start on one, and init switches the others on.
COMMAND_LINE = "console=ttyS0 quiet panic=5 nokaslr mitigations=off tsc=reliable no_timer_check maxcpus=1"
EPOCH_S = 1_767_225_600  # 2026-01-01T00:00:00Z: the date of every file in the image
VOLUME_ID = "4b554d49"


@dataclass(frozen=True)
class ImageFile:
    """A guest image on disk (qcow2) and the SHA-256 of its bytes, in lower-case hex."""

    path: Path
    sha256: str


def build(destination: Path, *, guest_agent: bool = False) -> ImageFile:
    """Writes the guest image to `destination` (qcow2, under 24 MB) and answers its digest.

    The first call on a machine fetches Debian's kernel package (and the guest agent's, where it is wanted); later ones
    copy the image from the cache. Raises LabUnavailable when a program is missing or a package cannot be fetched.
    """
    for program in ("syslinux", "mkfs.vfat", "mcopy", "qemu-img", "dpkg-deb", "apt-get", "apt-cache"):
        if shutil.which(program, path=search_path()) is None:
            raise LabUnavailable(f"検証環境のイメージ作成に必要なプログラムがありません：{program}")
    if not BUSYBOX.exists():
        raise LabUnavailable(f"検証環境のイメージ作成に必要なファイルがありません：{BUSYBOX}（busybox-static）")
    with opened_cache() as cache:
        kernel = unpacked(cache, KERNEL_KIND, _package_of_kernel, _keep_kernel)
        for outdated in cache.glob("kernel-*"):
            if outdated != kernel:
                shutil.rmtree(outdated)
        programs = _programs(agent.files(cache) if guest_agent else {})
        kind = "with-agent" if guest_agent else "guest"
        image = cache / f"{kind}-{_key(kernel, programs)}.qcow2"
        if not image.exists():
            for outdated in cache.glob(f"{kind}-*.qcow2"):
                outdated.unlink()
            _make(kernel, programs, image)
        destination.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(image, destination)
    return ImageFile(destination, hashlib.sha256(destination.read_bytes()).hexdigest())


def _package_of_kernel() -> str:
    """The name of the package, with its version number, that the cloud kernel's meta package stands for."""
    answer = run("apt-cache", "depends", KERNEL_PACKAGE, purpose="カーネルの検索")
    for line in answer.splitlines():
        kind, _, name = line.strip().partition(": ")
        if kind == "Depends" and name.startswith("linux-image-"):
            return name
    raise LabUnavailable(f"Debian のパッケージ {KERNEL_PACKAGE} が見つかりません（apt-get update を実行してください）")


def _keep_kernel(tree: Path, kept: Path) -> None:
    (kept / "modules").mkdir()
    shutil.copyfile(next((tree / "boot").glob("vmlinuz-*")), kept / "vmlinuz")
    for module in MODULES:
        found = next((tree / "lib/modules").rglob(f"{module}.ko"), None)
        if found is None:
            raise LabUnavailable(f"Debian のカーネルにモジュール {module} がありません")
        shutil.copyfile(found, kept / "modules" / f"{module}.ko")


def _programs(more: Mapping[str, Path]) -> dict[str, Path]:
    """Where each program and script goes in the guest -> where it lies here; `more` is what the agent brings."""
    scripts = (*SCRIPTS, *AGENT_SCRIPTS) if more else SCRIPTS
    return {"bin/busybox": BUSYBOX} | {name: GUEST / name for name in scripts} | dict(more)


def _key(kernel: Path, programs: Mapping[str, Path]) -> str:
    digest = hashlib.sha256()
    modules = sorted((kernel / "modules").iterdir())
    loader = [BOOT_LOADER, Path("/usr/lib/syslinux/modules/bios/ldlinux.c32")]
    for path in [kernel / "vmlinuz", *modules, *programs.values(), *loader, Path(__file__)]:
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:16]


def _make(kernel: Path, programs: Mapping[str, Path], image: Path) -> None:
    with tempfile.TemporaryDirectory(dir=image.parent, prefix="image-") as name:
        work = Path(name)
        (work / "syslinux.cfg").write_text(
            f"default guest\nprompt 0\nlabel guest\n kernel vmlinuz\n initrd initrd\n append {COMMAND_LINE}\n"
        )
        (work / "initrd").write_bytes(gzip.compress(initial_file_system(kernel / "modules", programs), 9, mtime=0))
        shutil.copyfile(kernel / "vmlinuz", work / "vmlinuz")
        contents = ["vmlinuz", "initrd", "syslinux.cfg"]
        size = sum((work / each).stat().st_size for each in contents)
        disk = work / "disk"
        with disk.open("wb") as file:
            file.truncate((size // 2**20 + 2) * 2**20)
        for each in contents:
            os.utime(work / each, (EPOCH_S, EPOCH_S))
        _tool(
            "mkfs.vfat", "--invariant", "-i", VOLUME_ID, "-n", "KUMIAI", "disk", folder=work, purpose="イメージの作成"
        )
        _tool("mcopy", "-m", "-i", "disk", *contents, "::/", folder=work, purpose="イメージの作成")
        _tool("syslinux", "--install", "disk", folder=work, purpose="起動プログラムの書き込み")
        _tool("qemu-img", "convert", "-O", "qcow2", "disk", "image", folder=work, purpose="イメージの変換")
        (work / "image").rename(image)


def initial_file_system(modules: Path, programs: Mapping[str, Path]) -> bytes:
    """The guest's initial RAM file system as a newc archive: programs at their places, and kernel modules."""
    folders = {str(above) for name in programs for above in Path(name).parents} | {"modules"}
    entries: list[tuple[str, int, bytes]] = [
        *((name, 0o040755, b"") for name in sorted(folders - {"."})),
        *((name, 0o100755, path.read_bytes()) for name, path in programs.items()),
        ("bin/sh", 0o120777, b"busybox"),
    ]
    entries += [(f"modules/{each.name}", 0o100644, each.read_bytes()) for each in sorted(modules.iterdir())]
    archive = bytearray()
    for number, (name, mode, data) in enumerate([*entries, ("TRAILER!!!", 0, b"")], start=1):
        encoded = name.encode() + b"\0"
        links = 2 if mode & 0o040000 == 0o040000 and not mode & 0o100000 else 1
        fields = (number, mode, 0, 0, links, 0, len(data), 0, 0, 0, 0, len(encoded), 0)
        archive += b"070701" + b"".join(b"%08x" % field for field in fields) + encoded
        archive += bytes(-len(archive) % 4)
        archive += data
        archive += bytes(-len(archive) % 4)
    return bytes(archive)


def _tool(*command: str, folder: Path, purpose: str) -> None:
    run(*command, folder=folder, purpose=purpose, SOURCE_DATE_EPOCH=str(EPOCH_S), MTOOLSRC=os.devnull)
