"""Which names exist, as written: also those whose entry has a mistake, so that one mistake is not reported twice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .findings import maybe
from .places import find
from .problems import shown
from .yaml_reader import Node


@dataclass(frozen=True)
class KnownSystem:
    """Names inside a system of the catalogue."""

    roles: frozenset[str]
    jobs: frozenset[str]


@dataclass(frozen=True)
class Known:
    """Names that an estate and its catalogue may refer to."""

    sites: frozenset[str]
    tenants: frozenset[str]
    events: frozenset[str]
    models: frozenset[str]
    units: frozenset[str]
    classes: frozenset[str]
    windows: frozenset[str]
    profiles: frozenset[str]
    systems: Mapping[str, KnownSystem]


def names(estate: Node | None, catalogue: Node | None) -> Known:
    """All names in both trees."""
    systems = {
        name: KnownSystem(keys(catalogue, ("systems", name, "roles")), keys(catalogue, ("systems", name, "jobs")))
        for name in keys(catalogue, ("systems",))
    }
    return Known(
        sites=ids(estate, "sites"),
        tenants=ids(estate, "tenants"),
        events=ids(estate, "events") | keys(catalogue, ("events",)),
        models=keys(catalogue, ("host_models",)),
        units=keys(catalogue, ("units",)),
        classes=ids(catalogue, "classes"),
        windows=keys(catalogue, ("windows",)),
        profiles=keys(catalogue, ("online_profiles",)),
        systems=systems,
    )


def keys(root: Node | None, path: Sequence[str]) -> frozenset[str]:
    """Keys of the mapping at a path; none where there is no mapping."""
    if root is None:
        return frozenset()
    place = find(root, path)
    value = place.node.value
    return frozenset(value) if len(place.steps) == len(path) and isinstance(value, dict) else frozenset()


def ids(root: Node | None, name: str) -> frozenset[str]:
    """The `id` of every item of the list under a root key."""
    if root is None or not isinstance(root.value, dict) or name not in root.value:
        return frozenset()
    items = root.value[name][1].value
    found = (
        item.value["id"][1].value
        for item in (items if isinstance(items, list) else ())
        if isinstance(item.value, dict) and "id" in item.value
    )
    return frozenset(value for value in found if isinstance(value, str))


def unknown(kind: str, name: str, known: frozenset[str] | Mapping[str, object]) -> str:
    """The sentence for a reference to nothing."""
    if not known:
        return f"{kind}{shown(name)}はありません。{kind}が一つも定義されていません"
    return f"{kind}{shown(name)}はありません{maybe(name, known)}"
