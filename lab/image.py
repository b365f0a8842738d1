"""The disk image every laboratory guest boots from: Debian's cloud kernel and a small initial RAM file system.

It is an ordinary bootable disk (SYSLINUX on a FAT file system), so a deployment treats it as any base image.
Equal inputs give equal bytes.
"""

import fcntl
import gzip
import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lab.unavailable import LabUnavailable

GUEST = Path(__file__).parent / "guest"
SCRIPTS = ("counter", "flatten.awk", "init")
BUSYBOX = Path("/bin/busybox")
KERNEL_PACKAGE = "linux-image-cloud-amd64"
BOOT_LOADER = Path("/usr/bin/syslinux")

# In the order of dependence where it is known, but the guest tries a few rounds anyway.
MODULES = (
    "virtio", "virtio_ring", "virtio_pci_legacy_dev", "virtio_pci_modern_dev", "virtio_pci", "virtio_blk",
    "failover", "net_failover", "virtio_net", "cdrom", "isofs", "evdev", "button",
)  # fmt: skip
# `nokaslr` and `mitigations=off`: a guest without hardware help has nothing to protect and every instruction costs.
COMMAND_LINE = "console=ttyS0 quiet panic=5 nokaslr mitigations=off tsc=reliable no_timer_check"
EPOCH_S = 1_767_225_600  # 2026-01-01T00:00:00Z: the date of every file in the image
VOLUME_ID = "4b554d49"


@dataclass(frozen=True)
class ImageFile:
    """A guest image on disk (qcow2) and the SHA-256 of its bytes, in lower-case hex."""

    path: Path
    sha256: str


def cache_folder() -> Path:
    """The folder of the user's cache in which kernels and images stay between laboratories."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "kumiai" / "lab"


def build(destination: Path) -> ImageFile:
    """Writes the guest image to `destination` (qcow2, under 24 MB) and answers its digest.

    The first call on a machine fetches Debian's kernel package; later ones copy the image from the cache.
    Raises LabUnavailable when a program is missing or the kernel cannot be fetched.
    """
    for program in ("syslinux", "mkfs.vfat", "mcopy", "qemu-img", "dpkg-deb", "apt-get", "apt-cache"):
        if shutil.which(program, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin") is None:
            raise LabUnavailable(f"検証環境のイメージ作成に必要なプログラムがありません：{program}")
    if not BUSYBOX.exists():
        raise LabUnavailable(f"検証環境のイメージ作成に必要なファイルがありません：{BUSYBOX}（busybox-static）")
    cache = cache_folder()
    cache.mkdir(parents=True, exist_ok=True)
    with _locked(cache / "lock"):
        kernel = _kernel(cache)
        image = cache / f"guest-{_key(kernel)}.qcow2"
        if not image.exists():
            for outdated in cache.glob("guest-*.qcow2"):
                outdated.unlink()
            _make(kernel, image)
    destination.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(image, destination)
    return ImageFile(destination, hashlib.sha256(destination.read_bytes()).hexdigest())


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _kernel(cache: Path) -> Path:
    """The folder with `vmlinuz` and `modules/`, taken from the newest kernel in the cache, else fetched."""
    known = sorted(cache.glob("kernel-*"), key=lambda folder: folder.stat().st_mtime)
    if known:
        return known[-1]
    with tempfile.TemporaryDirectory(dir=cache, prefix="fetch-") as name:
        work = Path(name)
        package = _package_of_kernel()
        _run("apt-get", "download", package, folder=work, purpose="カーネルの取得")
        archive = next(work.glob("*.deb"))
        _run("dpkg-deb", "-x", archive.name, "tree", folder=work, purpose="カーネルの展開")
        kernel = work / "kernel"
        (kernel / "modules").mkdir(parents=True)
        shutil.copyfile(next((work / "tree/boot").glob("vmlinuz-*")), kernel / "vmlinuz")
        for module in MODULES:
            found = next((work / "tree/lib/modules").rglob(f"{module}.ko"), None)
            if found is None:
                raise LabUnavailable(f"カーネル {package} にモジュール {module} がありません")
            shutil.copyfile(found, kernel / "modules" / f"{module}.ko")
        target = cache / f"kernel-{archive.stem}"
        kernel.rename(target)
    return target


def _package_of_kernel() -> str:
    """The name of the package, with its version number, that the cloud kernel's meta package stands for."""
    answer = _run("apt-cache", "depends", KERNEL_PACKAGE, purpose="カーネルの検索")
    for line in answer.splitlines():
        kind, _, name = line.strip().partition(": ")
        if kind == "Depends" and name.startswith("linux-image-"):
            return name
    raise LabUnavailable(f"Debian のパッケージ {KERNEL_PACKAGE} が見つかりません（apt-get update を実行してください）")


def _key(kernel: Path) -> str:
    digest = hashlib.sha256()
    modules = sorted((kernel / "modules").iterdir())
    loader = [BOOT_LOADER, Path("/usr/lib/syslinux/modules/bios/ldlinux.c32")]
    scripts = [*(GUEST / name for name in SCRIPTS), Path(__file__)]
    for path in [kernel / "vmlinuz", *modules, BUSYBOX, *loader, *scripts]:
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:16]


def _make(kernel: Path, image: Path) -> None:
    with tempfile.TemporaryDirectory(dir=image.parent, prefix="image-") as name:
        work = Path(name)
        (work / "syslinux.cfg").write_text(
            f"default guest\nprompt 0\nlabel guest\n kernel vmlinuz\n initrd initrd\n append {COMMAND_LINE}\n"
        )
        (work / "initrd").write_bytes(gzip.compress(initial_file_system(kernel / "modules"), 9, mtime=0))
        shutil.copyfile(kernel / "vmlinuz", work / "vmlinuz")
        contents = ["vmlinuz", "initrd", "syslinux.cfg"]
        size = sum((work / each).stat().st_size for each in contents)
        disk = work / "disk"
        with disk.open("wb") as file:
            file.truncate((size // 2**20 + 2) * 2**20)
        for each in contents:
            os.utime(work / each, (EPOCH_S, EPOCH_S))
        _run("mkfs.vfat", "--invariant", "-i", VOLUME_ID, "-n", "KUMIAI", "disk", folder=work, purpose="イメージの作成")
        _run("mcopy", "-m", "-i", "disk", *contents, "::/", folder=work, purpose="イメージの作成")
        _run("syslinux", "--install", "disk", folder=work, purpose="起動プログラムの書き込み")
        _run("qemu-img", "convert", "-O", "qcow2", "disk", "image", folder=work, purpose="イメージの変換")
        (work / "image").rename(image)


def initial_file_system(modules: Path) -> bytes:
    """The guest's initial RAM file system: busybox, kernel modules and the scripts of `guest/`, as a newc archive."""
    entries: list[tuple[str, int, bytes]] = [
        ("bin", 0o040755, b""),
        ("bin/busybox", 0o100755, BUSYBOX.read_bytes()),
        ("bin/sh", 0o120777, b"busybox"),
        *((name, 0o100755, (GUEST / name).read_bytes()) for name in SCRIPTS),
        ("modules", 0o040755, b""),
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


def _run(*command: str, purpose: str, folder: Path | None = None) -> str:
    environment = os.environ | {
        "LC_ALL": "C",
        "TZ": "UTC",
        "SOURCE_DATE_EPOCH": str(EPOCH_S),
        "MTOOLSRC": os.devnull,
        "PATH": f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin",
    }
    done = subprocess.run(
        command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        reason = (done.stderr.strip() or done.stdout.strip() or f"終了コード {done.returncode}").splitlines()[-1]
        raise LabUnavailable(f"{purpose}に失敗しました（{command[0]}）：{reason}")
    return done.stdout
