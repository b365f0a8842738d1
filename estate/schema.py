"""JSON Schema of the estate file and the catalogue, for completion in editors; generated from the records.

`python -m estate.schema --write` writes the files anew; a test keeps them current.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from .catalogue_records import Catalogue
from .records import EstateFile

FOLDER = Path(__file__).parent / "schema"
FILES: dict[str, type[BaseModel]] = {"estate.schema.json": EstateFile, "catalogue.schema.json": Catalogue}
_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def json_schema(model: type[BaseModel] = EstateFile) -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of a record as it is written in a file."""
    return {"$schema": _DIALECT, **model.model_json_schema(by_alias=True, mode="validation")}


def text(model: type[BaseModel]) -> str:
    """The schema as the bytes of its file."""
    return json.dumps(json_schema(model), ensure_ascii=False, indent=2) + "\n"


def write() -> list[Path]:
    """Write the schema files beside this module; returns their paths."""
    FOLDER.mkdir(exist_ok=True)
    paths = []
    for name, model in FILES.items():
        path = FOLDER / name
        path.write_text(text(model), encoding="utf-8")
        paths.append(path)
    return paths


def main(arguments: list[str]) -> int:
    """`--write` writes the files; without it the estate's schema goes to stdout."""
    if arguments == ["--write"]:
        for path in write():
            sys.stderr.write(f"{path}\n")
        return 0
    if arguments:
        sys.stderr.write("usage: python -m estate.schema [--write]\n")
        return 2
    sys.stdout.write(text(EstateFile))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
