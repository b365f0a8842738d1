"""The split methods that may be named: the shipped ones and a buyer's own."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from estate import EstateErrors, read_document
from estate.places import find
from estate.yaml_reader import read

from ..errors import LicensingError, did_you_mean
from .records import SplitMethod, TenantTakes

SHIPPED = Path(__file__).parent / "methods"


@dataclass(frozen=True)
class MethodBook:
    """All methods by id."""

    methods: Mapping[str, SplitMethod]

    def method(self, method_id: str, where: str) -> SplitMethod:
        """Answers the method of that id; raises LicensingError with the nearest known id. `where` names who asks."""
        if method_id not in self.methods:
            raise LicensingError(f"{where}: 負担方法 {method_id} がありません{did_you_mean(method_id, self.methods)}")
        return self.methods[method_id]


def load(folder: Path | None = None, tenants: Collection[str] | None = None) -> MethodBook:
    """Reads the shipped methods, then those of `folder`, which replace shipped ones of the same id.

    With `tenants`, the ids of the estate, methods that name others are refused.
    Raises LicensingError with every mistake of every file, by file, line and column.
    """
    methods: dict[str, SplitMethod] = {}
    problems: list[str] = []
    for place in (SHIPPED, *(() if folder is None else (folder,))):
        if not place.is_dir():
            raise LicensingError(f"{place}: 負担方法のフォルダーがありません")
        if other := sorted(place.glob("*.yml")):
            wanted = "負担方法のファイルの名前は .yaml で終わるようにしてください"
            raise LicensingError(*(f"{path}: {wanted}" for path in other))
        files = sorted(place.glob("*.yaml"))
        if not files:
            raise LicensingError(f"{place}: 負担方法のファイル（*.yaml）がありません")
        here: dict[str, Path] = {}
        for path in files:
            try:
                method = read_document(path, SplitMethod)
            except EstateErrors as errors:
                problems.extend(str(problem) for problem in errors.problems)
                continue
            if method.id in here:
                message = f"負担方法 {method.id} が {here[method.id]} にもあります。一つにしてください"
                problems.append(_at(path, ("id",), message))
            if tenants is not None:
                problems.extend(_unknown_tenants(path, method, tenants))
            here[method.id] = path
            methods[method.id] = method
    if problems:
        raise LicensingError(*problems)
    return MethodBook(methods)


def _unknown_tenants(path: Path, method: SplitMethod, tenants: Collection[str]) -> Iterator[str]:
    for index, part in enumerate(method.parts):
        for name in part.shares:
            if name not in tenants:
                place = ("parts", index, "shares", name)
                yield _at(path, place, f"団体 {name} がありません{did_you_mean(name, tenants)}")
    if isinstance(method.remainder, TenantTakes) and method.remainder.tenant not in tenants:
        name = method.remainder.tenant
        yield _at(path, ("remainder", "tenant"), f"団体 {name} がありません{did_you_mean(name, tenants)}")


def _at(path: Path, steps: Sequence[str | int], message: str) -> str:
    """The line of a mistake that only shows when several things are put together."""
    place = find(read(path)[0], steps)
    return str((place.key or place.node).problem(place.label, message))
