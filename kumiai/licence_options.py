"""Options that the commands of `kumiai license` have in common, in the same words everywhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Prices = Annotated[
    list[Path] | None, typer.Option("--prices", metavar="FILE", help="価格表 (YAML、XLSX、CSV。なければ同梱の例)")
]
Rate = Annotated[list[str] | None, typer.Option("--rate", metavar="CUR=円", help="為替レート。例 USD=150.25")]
Rules = Annotated[Path | None, typer.Option("--rules", metavar="DIR", help="追加の規則のフォルダー")]
Years = Annotated[int, typer.Option("--years", metavar="N", help="契約の年数 (1 から 30)")]
