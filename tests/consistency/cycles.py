"""Dependencies between transactions, and cycles of them: what no order of the transactions explains.

    ww  its append came next in the list      wr  it read what the other appended      rw  the other appended behind
                                                                                           what it had read

    G0         ww alone              (Adya's names, as Elle tells them from one another)
    G1c        ww and wr
    G-single   with one rw: a read saw a part of something
    G2         with several rw: each missed what another one wrote
"""

from collections.abc import Iterable, Iterator

WW, WR, RW = "ww", "wr", "rw"


class Graph:
    """Nodes are numbers of transactions."""

    def __init__(self) -> None:
        self._edges: dict[int, dict[int, set[str]]] = {}

    def add(self, before: int, after: int, kind: str) -> None:
        """`before` came first. A transaction may depend on itself: that says nothing."""
        if before != after:
            self._edges.setdefault(before, {}).setdefault(after, set()).add(kind)

    def following(self, node: int, kinds: frozenset[str]) -> Iterator[int]:
        """Who comes directly after it by an edge of one of these kinds."""
        return (after for after, some in self._edges.get(node, {}).items() if some & kinds)

    def anomalies(self) -> Iterator[tuple[str, list[int]]]:
        """The worst cycle of each knot of transactions: its name, and who is in it."""
        for knot in self.knots(frozenset((WW, WR, RW))):
            yield self._worst(knot)

    def _worst(self, knot: set[int]) -> tuple[str, list[int]]:
        for name, kinds in (("G0", frozenset((WW,))), ("G1c", frozenset((WW, WR)))):
            for node in sorted(knot):
                for after in self.following(node, kinds):
                    if after in knot and (path := self.path(after, node, kinds, knot)):
                        return name, path
        for node in sorted(knot):
            for after in self.following(node, frozenset((RW,))):
                if after in knot and (path := self.path(after, node, frozenset((WW, WR)), knot)):
                    return "G-single", path
        return "G2", sorted(knot)

    def path(self, start: int, end: int, kinds: frozenset[str], within: set[int]) -> list[int]:
        """The shortest way; empty without one. Complexity: O(edges)."""
        came_from = {start: start}
        border = [start]
        while border and end not in came_from:
            reached: list[int] = []
            for node in border:
                for after in self.following(node, kinds):
                    if after in within and after not in came_from:
                        came_from[after] = node
                        reached.append(after)
            border = reached
        if end not in came_from:
            return []
        way = [end]
        while way[-1] != start:
            way.append(came_from[way[-1]])
        return way[::-1]

    def knots(self, kinds: frozenset[str]) -> Iterable[set[int]]:
        """Strongly connected parts of more than one node (Tarjan, without recursion). Complexity: O(nodes + edges)."""
        order: dict[int, int] = {}
        low: dict[int, int] = {}
        stack: list[int] = []
        on_stack: set[int] = set()
        for root in list(self._edges):
            if root in order:
                continue
            order[root] = low[root] = len(order)
            stack.append(root)
            on_stack.add(root)
            walk = [(root, self.following(root, kinds))]
            while walk:
                node, rest = walk[-1]
                for after in rest:
                    if after not in order:
                        order[after] = low[after] = len(order)
                        stack.append(after)
                        on_stack.add(after)
                        walk.append((after, self.following(after, kinds)))
                        break
                    if after in on_stack:
                        low[node] = min(low[node], order[after])
                else:
                    walk.pop()
                    if walk:
                        low[walk[-1][0]] = min(low[walk[-1][0]], low[node])
                    if low[node] == order[node]:
                        knot = set(stack[stack.index(node) :]) if stack[-1] != node else {node}
                        del stack[len(stack) - len(knot) :]
                        on_stack -= knot
                        if len(knot) > 1:
                            yield knot
