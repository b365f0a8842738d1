"""A small estate of towns, written as a file: three towns of one kind, one city, two sites; a few weeks of May."""

from pathlib import Path

import yaml

import estate
from estate import Survey

SYSTEMS = ["resident-registry", "resident-tax", "tax-collection"]
TOWNS = (
    ("kita", "012025", 5200, "north"),
    ("naka", "012033", 8100, "north"),
    ("minami", "012041", 6400, "south"),
    ("oki", "011002", 120000, "south"),
)


def document(**changes):
    """The estate as plain data; `changes` replace root keys."""
    return {
        "format": 1,
        "name": "町",
        "fiscal_year": 2027,
        "horizon": {"from": "2027-04-20", "until": "2027-05-20"},
        "sites": [
            {"id": "north", "role": "primary", "latitude": 43.0, "longitude": 141.0},
            {"id": "south", "role": "primary", "latitude": 33.0, "longitude": 131.0},
        ],
        "hosts": [
            {
                "id": f"{site}{{1..3}}",
                "site": site,
                "model": "xeon-2x16",
                "memory_gib": 512,
                "disk_gib": 7680,
                "uri": "qemu+ssh://ops@{id}/system",
            }
            for site in ("north", "south")
        ],
        "tenants": [
            {
                "id": name,
                "code": code,
                "name": name,
                "population": population,
                "site": site,
                "systems": {"only": SYSTEMS},
            }
            for name, code, population, site in TOWNS
        ],
        **changes,
    }


def written(folder: Path, **changes) -> Path:
    """The estate file in `folder`."""
    path = folder / "estate.yaml"
    path.write_text(yaml.safe_dump(document(**changes), allow_unicode=True, sort_keys=False), encoding="utf-8")
    return path


def survey(folder: Path, **changes) -> Survey:
    """The estate by kinds of tenants."""
    return estate.survey(written(folder, **changes))
