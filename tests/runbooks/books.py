"""Texts of small runbooks."""

from __future__ import annotations


def book(*blocks: str, head: str = "") -> str:
    """A runbook with these blocks; `head` are further lines of its front matter."""
    lines = ["---", "title: 試験", "impact: なし", *filter(None, head.split("\n")), "---", "# 試験", ""]
    return "\n".join(lines) + "\n" + "\n".join(blocks)


def block(kind: str, **keys: object) -> str:
    """A fenced block; values as they stand in YAML."""
    return "\n".join([f"```yaml {kind}", *(f"{key.rstrip('_')}: {value}" for key, value in keys.items()), "```", ""])


def step(id_: str, **keys: object) -> str:
    """A step whose commands carry its id: `check-ID`, `apply-ID`, `verify-ID`, `undo-ID`."""
    commands: dict[str, object] = {
        "check": f"check-{id_}", "apply": f"apply-{id_}", "verify": f"verify-{id_}", "rollback": f"undo-{id_}",
    }  # fmt: skip
    if "no_rollback" in keys:
        del commands["rollback"]
    return block("step", id=id_, title=f"手順{id_}", **{"on": "\"'kvm01'\"", **commands, **keys})
