"""Who is failing: opinions (PFAIL), what other masters report, and the verdict of the majority (FAIL).

A verdict needs that we cannot reach the node ourselves, and reports by so many masters with slots, none older than
twice the node timeout, that with us they are the majority. It is then told to all, who believe it at once. It is
taken back by each node for itself, once it reaches the other again: a replica and a master without slots at once, a
master with slots only after a time in which nobody took them.

Redis 7.2 also counts what masters without slots report, who are not among those that the majority is counted of. Here
they do not count, so a verdict always has the majority behind it.
"""

from collections.abc import Callable

from server.cluster.actions import Outbox, Verdict
from server.cluster.messages import FAIL, PFAIL
from server.cluster.node import Node
from server.cluster.settings import Settings
from server.cluster.speaker import Speaker
from server.cluster.view import View


class Failures:
    """Reports and verdicts."""

    def __init__(self, view: View, settings: Callable[[], Settings], speaker: Speaker, out: Outbox) -> None:
        self._view = view
        self._settings = settings
        self._speaker = speaker
        self._out = out

    def reported(self, node: Node, by: Node, now: int) -> None:
        """A master says that it cannot reach a node."""
        if by.name not in node.reports:
            self._out.note("verbose", f"Node {by.name} ({by.nodename}) reported node {node.name} ({node.nodename}) as "
                                      "not reachable.")
        node.reports[by.name] = now
        self.judge(node, now)

    def withdrawn(self, node: Node, by: Node) -> None:
        """A master says that it reaches the node."""
        if node.reports.pop(by.name, None) is not None:
            self._out.note("verbose", f"Node {by.name} ({by.nodename}) reported node {node.name} ({node.nodename}) is "
                                      "back online.")

    def reports(self, node: Node, now: int) -> int:
        """How many reports about it count still."""
        oldest = now - self._settings().report_ms
        for name in [name for name, time in node.reports.items() if time < oldest]:
            del node.reports[name]
        return len(node.reports)

    def judge(self, node: Node, now: int) -> None:
        """Whether the majority has spoken, now that we or another have."""
        view = self._view
        if not node.flags & PFAIL or node.flags & FAIL or len(node.reports) + 1 < view.quorum:
            return                          # found at once: of hundreds that are failing every heartbeat tells
        self.reports(node, now)
        voters = {name for name in node.reports if view.nodes[name] in view.voters}
        if view.myself in view.voters:
            voters.add(view.myself.name)
        if len(voters) < view.quorum:
            return
        self._out.note("notice", f"Marking node {node.name} ({node.nodename}) as failing (quorum reached).")
        self._failed(node, now)
        self._out.add(Verdict(node.name, frozenset(voters)))
        self._speaker.fail(node)

    def told(self, node: Node, by: Node, now: int) -> None:
        """Another tells of a verdict."""
        if node is self._view.myself or node.flags & FAIL:
            return
        self._out.note("notice", f"FAIL message received from {by.name} ({by.nodename}) about {node.name} "
                                 f"({node.nodename})")
        self._failed(node, now)

    def _failed(self, node: Node, now: int) -> None:
        node.flags = node.flags & ~PFAIL | FAIL
        node.fail_time = now
        self._out.changed(health=True)

    def suspected(self, node: Node, now: int) -> None:
        """It has not answered for too long."""
        if node.flags & (PFAIL | FAIL):
            return
        node.flags |= PFAIL
        self._out.check_health = True
        if self._view.voters == {self._view.myself}:
            self.judge(node, now)       # we are the majority

    def answered(self, node: Node, now: int) -> None:
        """It has answered us."""
        if node.flags & PFAIL:
            node.flags &= ~PFAIL
            self._out.changed(health=True)
        elif node.flags & FAIL:
            self._reprieve(node, now)

    def _reprieve(self, node: Node, now: int) -> None:
        if node.is_replica or not node.slots:
            why = f"{'replica' if node.is_replica else 'master without slots'} is reachable again."
        elif now - node.fail_time > self._settings().report_ms:
            why = "is reachable again and nobody is serving its slots after some time."
        else:
            return
        self._out.note("notice", f"Clear FAIL state for node {node.name} ({node.nodename}): {why}")
        node.flags &= ~FAIL
        self._out.changed(health=True)
