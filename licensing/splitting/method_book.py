"""The split methods that may be named: the shipped ones and a buyer's own."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from estate import EstateErrors, read_document

from ..errors import LicensingError, did_you_mean
from .records import SplitMethod, TenantTakes

SHIPPED = Path(__file__).parent / "methods"


@dataclass(frozen=True)
class MethodBook:
    """All methods by id, and the file each was read from."""

    methods: Mapping[str, SplitMethod]
    files: Mapping[str, Path]

    def method(self, method_id: str, where: str) -> SplitMethod:
        """Answers the method of that id; raises LicensingError with the nearest known id. `where` names who asks."""
        if method_id not in self.methods:
            raise LicensingError(f"{where}: 負担方法 {method_id} がありません{did_you_mean(method_id, self.methods)}")
        return self.methods[method_id]

    def require_tenants(self, method_id: str, tenants: Collection[str]) -> None:
        """Raises LicensingError, one line per name, where a method names a tenant that the estate does not have."""
        method, file = self.methods[method_id], self.files[method_id]
        problems = [
            f"{file}: parts[{index}].shares: 団体 {name} がありません{did_you_mean(name, tenants)}"
            for index, part in enumerate(method.parts)
            for name in part.shares
            if name not in tenants
        ]
        if isinstance(method.remainder, TenantTakes) and method.remainder.tenant not in tenants:
            name = method.remainder.tenant
            problems.append(f"{file}: remainder.tenant: 団体 {name} がありません{did_you_mean(name, tenants)}")
        if problems:
            raise LicensingError(*problems)


def load(folder: Path | None = None) -> MethodBook:
    """Reads the shipped methods, then those of `folder`, which replace shipped ones of the same id.

    Raises LicensingError with every mistake of every file, by file, line and column.
    """
    methods: dict[str, SplitMethod] = {}
    files: dict[str, Path] = {}
    problems: list[str] = []
    for place in (SHIPPED, *(() if folder is None else (folder,))):
        if not place.is_dir():
            raise LicensingError(f"{place}: 負担方法のフォルダーがありません")
        here: dict[str, Path] = {}
        for path in sorted(place.glob("*.yaml")):
            try:
                method = read_document(path, SplitMethod)
            except EstateErrors as errors:
                problems.extend(str(problem) for problem in errors.problems)
                continue
            if method.id in here:
                problems.append(f"{path}: 負担方法 {method.id} が {here[method.id]} にもあります。一つにしてください")
            here[method.id] = path
            methods[method.id], files[method.id] = method, path
    if problems:
        raise LicensingError(*problems)
    return MethodBook(methods, files)
