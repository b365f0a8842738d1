"""Where a plan stands or is to stand: the options that deploy, guard, drift, network and runbook share."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from .terminal import FAILURE, RefusedError

LAB_STATE = "pulumi"

State = Annotated[
    Path | None,
    typer.Option(
        "--state", metavar="DIR", help="Pulumi の状態を置くフォルダー（既定は .state、--lab なら検証環境の中）"
    ),
]
Uris = Annotated[
    Path | None, typer.Option("--uris", metavar="FILE", help="ホストから URI への JSON（計画の URI に代わる）")
]
Uplinks = Annotated[
    Path | None,
    typer.Option("--uplinks", metavar="FILE", help="アップリンクの JSON（既定は URI のファイルの隣の uplinks.json）"),
]
DomainType = Annotated[str, typer.Option("--domain-type", metavar="kvm|qemu", help="仮想化の種類")]
OnLab = Annotated[bool, typer.Option("--lab", help="動いている検証環境を対象にする（qemu とその URI）")]


@dataclass(frozen=True)
class Target:
    """The state's folder, the files of URIs and uplinks (None: the plan's own URIs, no uplinks), the domain type."""

    state: Path
    uris: Path | None
    uplinks: Path | None
    domain_type: str


def target(
    *, state: Path | None, uris: Path | None, domain_type: str, on_lab: bool, uplinks: Path | None = None
) -> Target:
    """The target that the options name. Raises RefusedError."""
    if on_lab:
        if uris is not None:
            raise RefusedError("--lab と --uris は同時に使えません")
        domain_type, uris = "qemu", _lab_uris()
        # The record of what was built goes with the laboratory: a new one must not be taken for the old.
        state = state or uris.parent / LAB_STATE
    if uplinks is None and uris is not None and (uris.parent / "uplinks.json").is_file():
        uplinks = uris.parent / "uplinks.json"
    return Target(state or Path(".state"), uris, uplinks, domain_type)


def _lab_uris() -> Path:
    """The file that `kumiai lab up` writes; the commands do not know the laboratory otherwise."""
    path = Path(os.environ.get("KUMIAI_LAB") or ".lab") / "uris.json"
    if not path.is_file():
        raise RefusedError(
            f"検証環境が動いていません（{path} がありません）。kumiai lab up で起動してください", exit_code=FAILURE
        )
    return path
