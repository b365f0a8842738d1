"""What an importer hands over."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa


@dataclass(frozen=True)
class ImportedTrace:
    """Tables of a trace directory by file name, and what a reader must know about where they come from."""

    format: str
    tables: Mapping[str, pa.Table]
    source: tuple[str, ...]
    """Files read, each with the digest of its bytes."""
    units: tuple[str, ...]
    """How the source's units became seconds and cores, one Japanese sentence each."""
    notes: tuple[str, ...]
    """What was left out or merged, with counts, one Japanese sentence each."""

    def document(self) -> dict[str, object]:
        """All but the tables, as it is written beside them."""
        rows = {stem: table.num_rows for stem, table in self.tables.items()}
        return {
            "format_version": "1.0",
            "verdict": f"判定：{rows.get('runs', 0):,} 件の処理を取り込みました（{self.format}）",
            "format": self.format,
            "source": list(self.source),
            "units": list(self.units),
            "notes": list(self.notes),
            "rows": rows,
        }
