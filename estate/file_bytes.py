"""The text of an input file, or one clear line why it cannot be read as text."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path

from .problems import EstateErrors, Problem

LARGEST_FILE = 8 * 1024 * 1024
"""Bytes. The estate of all 1,741 municipalities takes less than a quarter of this."""

_FORBIDDEN = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # YAML 1.2, c-printable


def read_text(path: Path) -> str:
    """Text of a regular UTF-8 file of at most 8 MiB, without its byte order mark. Raises EstateErrors."""
    data = read_bytes(path)
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise _refused(path, "文字コードが UTF-16 です。UTF-8 で保存してください")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = data[: error.start].decode("utf-8-sig", errors="replace")
        found = f"バイト 0x{data[error.start]:02x}"
        raise _refused(path, f"UTF-8 の文書ではありません（{found}）。UTF-8 で保存してください", before) from None
    forbidden = _FORBIDDEN.search(text)
    if forbidden:
        code = ord(forbidden.group())
        message = f"制御文字（U+{code:04X}）があります。YAML の文書（テキスト）を指定してください"
        raise _refused(path, message, text[: forbidden.start()])
    return text


def read_bytes(path: Path, wanted: str = "YAML のファイル") -> bytes:
    """Bytes of a regular file of at most 8 MiB; `wanted` is what to give instead of a folder. Raises EstateErrors."""
    # O_NONBLOCK: opening a named pipe must not wait for its writer.
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        descriptor = os.open(path, flags)
    except FileNotFoundError:
        raise _refused(path, "ファイルがありません。パスを確かめてください") from None
    except PermissionError:
        raise _refused(path, "ファイルを読む権限がありません") from None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise _refused(path, f"ファイルを開けません（{reason}）") from None
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        os.close(descriptor)
        if stat.S_ISDIR(status.st_mode):
            raise _refused(path, f"フォルダーです。{wanted}を指定してください")
        raise _refused(path, "通常のファイルではありません（パイプや装置は読みません）")
    with os.fdopen(descriptor, "rb") as file:
        data = file.read(LARGEST_FILE + 1)
    if len(data) > LARGEST_FILE:
        size = max(status.st_size, len(data)) / 1024 / 1024
        raise _refused(
            path, f"ファイルが大きすぎます（{size:.1f} MiB）。上限は {LARGEST_FILE // 1024 // 1024} MiB です"
        )
    return data


def _refused(path: Path, message: str, before: str = "") -> EstateErrors:
    lines = before.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return EstateErrors([Problem(str(path), len(lines), len(lines[-1]) + 1, "", message)])
