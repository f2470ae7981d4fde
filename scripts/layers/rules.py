"""The rules: arrows between targets, and between the folders of a target, go down only."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from .graph import Graph, circles, layers
from .package import Target
from .swift_source import SwiftSource, Use

WIDTH = 118
"""Columns of the picture."""

EXAMPLES = 3
"""Uses that are shown of each forbidden arrow."""

COMMON_MEMBERS = {
    "append", "body", "bytes", "close", "code", "count", "data", "description", "encode", "end", "error", "finish",
    "first", "flush", "hash", "id", "index", "isEmpty", "kind", "last", "length", "make", "map", "message", "name",
    "next", "path", "read", "remove", "reset", "run", "send", "start", "state", "status", "stop", "text", "update",
    "value", "write",
}  # fmt: skip
"""Names of members that types of other packages have as well: their uses tell nothing."""


@dataclass(frozen=True)
class Arrow:
    """Folder `user` of a target uses folder `used`."""

    user: str
    used: str


@dataclass
class FolderGraph:
    """The folders of one target, and the uses that make its arrows."""

    folders: set[str]
    uses: dict[Arrow, list[str]] = field(default_factory=dict)

    def siblings(self, parent: str) -> Graph:
        """Returns the graph of what lies directly in `parent`: its folders, and `.` for its own files.

        A use by or of a deeper folder counts for the folder that lies in `parent`.
        """
        graph: Graph = {}
        for folder in self.folders:
            if (child := _child(parent, folder)) is not None:
                graph.setdefault(child, set())
        for arrow in self.uses:
            user, used = _child(parent, arrow.user), _child(parent, arrow.used)
            if user is not None and used is not None and user != used:
                graph[user].add(used)
        return graph

    def examples(self, parent: str, user: str, used: str) -> list[str]:
        """Returns a few places where the folder `user` in `parent` uses `used`."""
        found: list[str] = []
        for arrow, places in self.uses.items():
            if _child(parent, arrow.user) == user and _child(parent, arrow.used) == used:
                found.extend(places)
        return found[:EXAMPLES]


def _child(parent: str, folder: str) -> str | None:
    """Returns the folder in `parent` that contains `folder`, `.` for `parent` itself, or None if outside."""
    above = PurePosixPath(parent) if parent else PurePosixPath()
    try:
        parts = PurePosixPath(folder).relative_to(above).parts
    except ValueError:
        return None
    return parts[0] if parts else "."


def target_graph(targets: Iterable[Target]) -> Graph:
    """Returns which targets import which, of those given."""
    targets = list(targets)
    names = {target.name for target in targets}
    return {
        target.name: {module for source in target.sources for module in source.imports if module in names}
        for target in targets
    }


def target_faults(targets: list[Target], order: list[list[str]], root: Path) -> list[str]:
    """Returns what is wrong with the imports between targets.

    `order` names the targets from top to bottom; targets in one row must not import each other.
    """
    faults: list[str] = []
    rows = {name: row for row, names in enumerate(order) for name in names}
    names = {target.name for target in targets}
    for name in sorted(names - set(rows)):
        faults.append(f"target {name} has no place in ORDER of scripts/check-layers")
    for name in sorted(set(rows) - names):
        faults.append(f"ORDER of scripts/check-layers names {name}, which is not a folder in Sources")
    for group in circles(target_graph(targets)):
        faults.append(f"circle of targets: {', '.join(group)}")
    for target in targets:
        imported: set[str] = set()
        for source in target.sources:
            for module, line in source.imports.items():
                if module not in names:
                    continue
                imported.add(module)
                place = f"{source.path.relative_to(root)}:{line}"
                if target.name in rows and module in rows and rows[target.name] >= rows[module]:
                    faults.append(f"upward import: {target.name} → {module}\n    {place}")
                if module not in target.declared:
                    faults.append(f"{target.name} imports {module}, which Package.swift does not declare\n    {place}")
        for module in sorted(target.declared - imported):
            faults.append(f"Package.swift lets {target.name} import {module}, but no file does")
    return faults


def folder_graph(target: Target, targets: list[Target], root: Path) -> FolderGraph:
    """Returns which folders of `target` use which."""
    graph = FolderGraph({target.place(source) for source in target.sources})
    index = _Index(target, targets)
    for source in target.sources:
        user = target.place(source)
        shadowed = {name for outer in source.extended for name in index.nested_types.get(outer, ())}
        for use in source.uses:
            used = index.folder(use, source, shadowed)
            if used is not None and used != user:
                place = f"{source.path.relative_to(root)}:{use.line}  {use.name}"
                graph.uses.setdefault(Arrow(user, used), []).append(place)
    return graph


def folder_faults(target: Target, graph: FolderGraph, most_loose: int, most_flat: int) -> list[str]:
    """Returns what is wrong with the folders of a target.

    Its root holds at most `most_loose` files beside folders, or `most_flat` without any.
    """
    faults: list[str] = []
    loose = sum(1 for source in target.sources if target.place(source) == "")
    has_folders = graph.folders != {""}
    most = most_loose if has_folders else most_flat
    if loose > most:
        kind = "beside folders" if has_folders else "in a target without folders"
        faults.append(f"{target.name}: {loose} files at the root {kind}; at most {most}")
    parents = {"."} | {str(parent) for folder in graph.folders for parent in PurePosixPath(folder).parents}
    for parent in sorted(parents):
        parent = "" if parent == "." else parent
        siblings = graph.siblings(parent)
        if parent == "":
            for folder in sorted(siblings):
                if "." in siblings[folder]:
                    faults.append(_fault(f"{target.name}: {folder} uses the root", graph, parent, [(folder, ".")]))
            siblings = {user: used - {"."} for user, used in siblings.items()}
        for group in circles(siblings):
            arrows = [(user, used) for user in group for used in sorted(siblings[user]) if used in group]
            title = f"{'/'.join(filter(None, [target.name, parent]))}: circle of {', '.join(group)}"
            faults.append(_fault(title, graph, parent, arrows))
    return faults


def _fault(title: str, graph: FolderGraph, parent: str, arrows: list[tuple[str, str]]) -> str:
    lines = [title]
    for user, used in arrows:
        lines.append(f"    {user} → {used}")
        lines += [f"        {place}" for place in graph.examples(parent, user, used)]
    return "\n".join(lines)


def picture(targets: list[Target], order: list[list[str]], root: Path) -> str:
    """Returns the targets from top to bottom, each with what it imports and its folders in layers."""
    imports = target_graph(targets)
    below = {name: _below(imports, name) for name in imports}
    by_name = {target.name: target for target in targets}
    blocks: list[str] = []
    for name in (name for row in order for name in row if name in by_name):
        direct = {used for used in imports[name] if not any(used in below[other] for other in imports[name])}
        rest = imports[name] - direct
        head = name
        if imports[name]:
            head += f" → {', '.join(sorted(direct))}"
            head += f" (and {', '.join(sorted(rest))})" if rest else ""
        graph = folder_graph(by_name[name], targets, root).siblings("")
        front = sorted(source.path.stem for source in by_name[name].sources if by_name[name].place(source) == "")
        graph.pop(".", None)
        lines = textwrap.wrap(head, WIDTH, subsequent_indent="        ")
        lines += [f"    {', '.join(front)}"] if front else []
        lines += [f"    {'  '.join(row + '/' for row in layer)}" for layer in layers(graph)]
        blocks.append("\n".join(lines))
    return "\n".join(blocks)


def _below(graph: Graph, name: str) -> set[str]:
    found: set[str] = set()
    waiting = list(graph[name])
    while waiting:
        node = waiting.pop()
        if node not in found:
            found.add(node)
            waiting.extend(graph[node])
    return found


class _Index:
    """Finds the folder of a target in which a name is declared."""

    def __init__(self, target: Target, targets: list[Target]) -> None:
        self.types = self._folders(target, lambda source: source.types)
        self.values = self._folders(target, lambda source: source.values)
        members = self._folders(target, lambda source: source.extension_members)
        declarations = Counter(name for other in targets for source in other.sources for name in source.declared)
        self.members = {
            name: folders
            for name, folders in members.items()
            if declarations[name] == 1 and name not in COMMON_MEMBERS and len(name) > 3
        }
        self.nested_types: dict[str, set[str]] = {}
        for source in target.sources:
            for outer, names in source.nested_types.items():
                self.nested_types.setdefault(outer, set()).update(names)

    @staticmethod
    def _folders(target: Target, names: Callable[[SwiftSource], set[str]]) -> dict[str, set[str]]:
        found: dict[str, set[str]] = {}
        for source in target.sources:
            for name in names(source):
                found.setdefault(name, set()).add(target.place(source))
        return found

    def folder(self, use: Use, source: SwiftSource, shadowed: set[str]) -> str | None:
        """Returns where the used name is declared, or None if not in the target or in several folders."""
        if use.after_dot:
            folders = self.members.get(use.name, set())
        elif use.name in self.types:
            is_local = use.name in shadowed or (use.name in source.declared and use.name not in source.types)
            folders = set() if is_local else self.types[use.name]
        elif use.name in source.declared or use.is_label:
            folders = set()
        else:
            folders = self.values.get(use.name, set())
        return next(iter(folders)) if len(folders) == 1 else None
