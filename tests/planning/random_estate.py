"""Random small estates from a seed: 2-6 tenants, 1-3 systems each, 1-2 sites, four weeks."""

from __future__ import annotations

from typing import Any

import numpy as np

CODES = ("442046", "442062", "442101", "442119", "442135", "452033")
MADE_UP = {"basis": "assumed", "source": "made up by the test"}


def estate(seed: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """An estate document and its catalogue document. Some are too tight to fit, on purpose."""
    rng = np.random.default_rng(seed)
    sites = ["east", "west"][: int(rng.integers(1, 3))]
    systems = [f"system-{index}" for index in range(int(rng.integers(1, 4)))]
    tenants = int(rng.integers(2, 7))
    document = {
        "format": 1,
        "name": f"random {seed}",
        "fiscal_year": 2027,
        "horizon": {"from": "2027-05-31", "until": "2027-06-28"},
        "catalogue": "catalogue.yaml",
        "sites": [
            {
                "id": site,
                "role": "primary" if index == 0 else "backup",
                "latitude": 32.0 + 5 * index,
                "longitude": 131.0 + 5 * index,
            }
            for index, site in enumerate(sites)
        ],
        "hosts": [
            {
                "id": f"{site}{{01..{int(rng.integers(3, 6)):02d}}}",
                "site": site,
                "model": "box",
                "memory_gib": float(rng.choice([64, 128])),
                "disk_gib": 4000.0,
                "uri": "qemu+ssh://ops@{id}/system",
            }
            for site in sites
        ],
        "tenants": [
            {
                "id": f"town-{index}",
                "code": CODES[index],
                "name": f"町{index}",
                "population": int(rng.integers(1_000, 80_000)),
                "site": str(rng.choice(sites)),
                "systems": {"only": sorted({str(rng.choice(systems)) for _ in range(3)})},
            }
            for index in range(tenants)
        ],
        "policy": {"spare_hosts": 1, "vcpu_overcommit": 4.0},
    }
    return document, _catalogue(rng, systems)


def _catalogue(rng: np.random.Generator, systems: list[str]) -> dict[str, Any]:
    return {
        "format": 1,
        "host_models": {
            "box": {**MADE_UP, "name": "box", "sockets": 2, "socket_capacity": 2, "cores_per_socket": 8},
        },
        "units": {"residents": {**MADE_UP, "name": "residents", "per_resident": 1.0}},
        "classes": [{"id": "small", "max_population": 30_000}, {"id": "large", "max_population": 10_000_000}],
        "windows": {
            "night": {**MADE_UP, "business_day": "20:00-06:00", "closed_day": "20:00-06:00"},
            "weekend": {**MADE_UP, "business_day": None, "closed_day": "08:00-22:00"},
            "day": {**MADE_UP, "business_day": "08:30-17:15", "closed_day": None},
        },
        "online_profiles": {"office": {**MADE_UP, "name": "office", "business_day": {"08:30-17:15": 1.0}}},
        "systems": {system: _system(rng) for system in systems},
    }


def _system(rng: np.random.Generator) -> dict[str, Any]:
    replicas = int(rng.integers(1, 3))
    sizes = {
        "vcpu": {"small": int(rng.integers(1, 3)), "large": int(rng.integers(2, 6))},
        "memory_gib": {"small": float(rng.integers(2, 8)), "large": float(rng.integers(4, 24))},
        "disk_gib": {"small": 50.0, "large": 200.0},
        "replicas": {"large": replicas},
    }
    jobs: dict[str, Any] = {
        "nightly": _job(rng, "FREQ=DAILY", "night", kind="nightly"),
        "backup": {**_job(rng, "FREQ=DAILY", "night", kind="backup"), "after": [{"job": "nightly", "lag_h": 0.5}]},
    }
    if rng.random() < 0.7:
        jobs["weekly"] = {**_job(rng, "FREQ=WEEKLY;BYDAY=MO", "night", kind="notice"), "nights": 3, "exclusive": True}
    if rng.random() < 0.5:
        jobs["weekend"] = _job(rng, "FREQ=WEEKLY;BYDAY=SA", "weekend", kind="report")
    return {
        "name": "業務",
        "group": "試験",
        "segment": str(rng.choice(["mynumber", "lgwan"])),
        "window": "night",
        "service_hours": "day",
        "roles": {
            "ap": {
                "name": "ap",
                "size": {**MADE_UP, **sizes},
                "slots": int(rng.integers(1, 3)),
                "online": {**MADE_UP, "profile": "office", "cores_per_1000_residents": 0.01},
            }
        },
        "jobs": jobs,
    }


def _job(rng: np.random.Generator, rrule: str, window: str, kind: str) -> dict[str, Any]:
    return {
        "name": kind,
        "kind": kind,
        "role": "ap",
        "when": {**MADE_UP, "rrule": rrule},
        "window": window,
        "work": {
            **MADE_UP,
            "fixed_s": float(rng.integers(0, 900)),
            "cpu_s_per_unit": float(rng.uniform(0.005, 0.15)),
            "max_cores": float(rng.integers(1, 5)),
        },
    }
