"""What one node tells of others in its heartbeats, and of itself beside the header.

Of a node that we know, gossip is an opinion: a master's that it is failing counts as a report, anybody's that it is
well spares us a ping, and tells where it is now when we cannot reach it. Of one that we do not know, it is how we
learn of it, if we know who tells and were not told to forget it.
"""

from __future__ import annotations

from server.cluster.actions import Outbox
from server.cluster.contact import Contact
from server.cluster.failures import Failures
from server.cluster.messages import FAIL, MIGRATE_TO, NOADDR, NOFAILOVER, PFAIL, Gossip, Heartbeat, role_of
from server.cluster.node import Node
from server.cluster.view import View, random_name
from server.registry.light import TYPE_CHECKING

if TYPE_CHECKING:
    from random import Random

_FAILING = FAIL | PFAIL
_LEARNED = FAIL | MIGRATE_TO | NOFAILOVER   # of one whom we did not know; that we cannot reach it we find out
NODES_MAX = 2000            # that gossip may make known. Redis Cluster is made for 1,000, and all cost each
CLOCKS_DIFFER_MS = 500      # by which another's clock may be ahead of ours


class Hearing:
    """Takes in heartbeats' bodies."""

    def __init__(self, view: View, failures: Failures, contact: Contact, rng: Random, out: Outbox) -> None:
        self._view = view
        self._failures = failures
        self._contact = contact
        self._rng = rng
        self._out = out

    def gossip(self, entries: list[Gossip], sender: Node, now: int) -> None:
        """What a node that we know tells of others.

        Complexity: O(entries).
        """
        nodes, me = self._view.nodes, self._view.myself
        tells = sender.is_master
        for entry in entries:
            node = nodes.get(entry.name)
            if node is None:
                self._learn(entry, now)
            elif node is not me:
                if entry.flags & _FAILING:
                    if tells:
                        self._failures.reported(node, sender, now)
                    continue
                if node.reports and tells:
                    self._failures.withdrawn(node, sender)
                if not node.ping_sent and not (node.reports and self._failures.reports(node, now)):
                    seen = entry.pong_received * 1000
                    if node.pong_received < seen <= now + CLOCKS_DIFFER_MS:
                        node.pong_received = seen
                if node.flags & _FAILING and not entry.flags & NOADDR:
                    self._contact.move(node, entry.ip, *self._contact.ports_of(entry.port, entry.pport), entry.bus_port)

    def _learn(self, entry: Gossip, now: int) -> None:
        if entry.flags & NOADDR or len(self._view.nodes) >= NODES_MAX or self._view.is_forgotten(entry.name, now):
            return
        node = Node(entry.name, random_name(self._rng), role_of(entry.flags) | entry.flags & _LEARNED, now)
        node.ip, node.bus_port = entry.ip, entry.bus_port
        node.port, node.tls_port = self._contact.ports_of(entry.port, entry.pport)
        node.fail_time = now if node.failed else 0
        self._view.add(node)
        self._out.changed()

    def about_itself(self, body: Heartbeat, sender: Node, now: int) -> None:
        """The extensions."""
        view = self._view
        for kind in body.unknown:
            self._out.note("warning", f"Received unknown extension type {kind}")
        for name, ttl in body.forgotten:
            node = view.nodes.get(name)
            if node is not None and node is not view.myself and node is not view.myself.master:
                view.forget_for(name, now + ttl * 1000)
                self._contact.remove(node)
        shard_id = body.shard_id or (sender.master or sender).shard_id
        if (sender.hostname, sender.nodename, sender.shard_id) != (body.hostname, body.nodename, shard_id):
            sender.hostname, sender.nodename, sender.shard_id = body.hostname, body.nodename, shard_id
            self._out.changed()
