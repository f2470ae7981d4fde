"""Graphs of names: circles in them, and their layers."""

from __future__ import annotations

Graph = dict[str, set[str]]
"""Each node with the nodes that it uses."""


def circles(graph: Graph) -> list[list[str]]:
    """Returns the groups of two and more nodes that all use each other, directly or through others."""
    reachable = {node: _reachable(graph, node) for node in graph}
    groups: list[list[str]] = []
    seen: set[str] = set()
    for node in sorted(graph):
        if node not in seen and node in reachable[node]:
            group = sorted(other for other in reachable[node] if node in reachable.get(other, set()))
            seen.update(group)
            groups.append(group)
    return groups


def layers(graph: Graph) -> list[list[str]]:
    """Returns the nodes from top to bottom: each uses only nodes of later layers.

    Nodes of a circle share a layer with one another.
    """
    group_of = {node: node for node in graph}
    for group in circles(graph):
        group_of.update(dict.fromkeys(group, group[0]))
    heights: dict[str, int] = {}

    def height(group: str) -> int:
        if group not in heights:
            members = [node for node in graph if group_of[node] == group]
            below = {group_of[used] for node in members for used in graph[node] if used in graph} - {group}
            heights[group] = 1 + max((height(other) for other in below), default=-1)
        return heights[group]

    by_height: dict[int, list[str]] = {}
    for node in sorted(graph):
        by_height.setdefault(height(group_of[node]), []).append(node)
    return [by_height[level] for level in sorted(by_height, reverse=True)]


def _reachable(graph: Graph, start: str) -> set[str]:
    found: set[str] = set()
    waiting = list(graph.get(start, ()))
    while waiting:
        node = waiting.pop()
        if node not in found:
            found.add(node)
            waiting.extend(graph.get(node, ()))
    return found
