"""The targets of a package: their folders, their files and what the manifest lets them import."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

from . import swift_source
from .swift_source import SwiftSource


@dataclass
class Target:
    """A target under `Sources`."""

    name: str
    """The name of its module."""
    folder: Path
    declared: set[str] = field(default_factory=set)
    """Targets of the package that the manifest lets it import."""
    sources: list[SwiftSource] = field(default_factory=list)

    def place(self, source: SwiftSource) -> str:
        """Returns the folder of a file, relative to the target; empty for a file at the root."""
        folder = source.path.parent.relative_to(self.folder)
        return "" if folder == Path(".") else folder.as_posix()


def targets(root: Path) -> list[Target]:
    """Returns the targets under `Sources` of the package in the folder `root`."""
    declared = _declared_dependencies(root)
    found: list[Target] = []
    for folder in sorted(path for path in (root / "Sources").iterdir() if path.is_dir()):
        target = Target(folder.name, folder)
        target.sources = [swift_source.read(path) for path in sorted(folder.rglob("*.swift"))]
        found.append(target)
    names = {target.name for target in found}
    for target in found:
        target.declared = declared.get(target.name, set()) & names
    return found


def _declared_dependencies(root: Path) -> dict[str, set[str]]:
    """Returns for each target of `Package.swift` the names in its declaration, by the name of its folder."""
    manifest = swift_source.without_comments((root / "Package.swift").read_text(encoding="utf-8"))
    declared: dict[str, set[str]] = {}
    for match in re.finditer(r"\.(?:target|executableTarget|systemLibrary)\(", manifest):
        text = _balanced(manifest, match.end() - 1)
        name = re.search(r'name:\s*"([^"]+)"', text)
        path = re.search(r'path:\s*"Sources/([^"]+)"', text)
        if name:
            names = set(re.findall(r'"([^"]+)"', text)) - {name.group(1)}
            declared[path.group(1) if path else name.group(1)] = names
    return declared


def _balanced(text: str, start: int) -> str:
    """Returns the text from the parenthesis at `start` to the one that closes it."""
    depth = 0
    for index in range(start, len(text)):
        depth += {"(": 1, ")": -1}.get(text[index], 0)
        if depth == 0:
            return text[start : index + 1]
    return text[start:]
