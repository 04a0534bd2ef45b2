"""What CLUSTER NODES, SLOTS, SHARDS, INFO and LINKS answer: pure functions of what a node knows.

tls: the client came by TLS, so ports for TLS are told. endpoint: cluster-preferred-endpoint-type. offset: of our own
replication stream, which the tables do not keep.
"""

from collections.abc import Callable, Sequence

from server.cluster import slots
from server.cluster.conf_format import node_line, record_of
from server.cluster.messages import Type
from server.cluster.node import Link, Node
from server.cluster.slot_runs import OwnersReply, RunsReply
from server.cluster.view import View
from server.registry.light import Any
from server.registry.reply_writer import NativeReply

TYPE_WORDS = {
    Type.PING: "ping", Type.PONG: "pong", Type.MEET: "meet", Type.FAIL: "fail", Type.PUBLISH: "publish",
    Type.FAILOVER_AUTH_REQUEST: "auth-req", Type.FAILOVER_AUTH_ACK: "auth-ack", Type.UPDATE: "update",
    Type.MFSTART: "mfstart", Type.MODULE: "module", Type.PUBLISHSHARD: "publishshard"}


def nodes_text(view: View, *, tls: bool = False) -> str:
    """CLUSTER NODES: a line for each node, handshakes too."""
    return "".join(f"{node_text(view, node, tls=tls)}\n" for node in view.nodes.values())


def node_text(view: View, node: Node, *, tls: bool = False) -> str:
    """One line, as CLUSTER REPLICAS has one for each replica."""
    return node_line(record_of(view, node, tls=tls))


# ---- SLOTS
def _place(node: Node, tls: bool, endpoint: str) -> list[Any]:
    more = {}
    if endpoint != "ip":
        more[b"ip"] = node.ip.encode()
    if endpoint != "hostname" and node.hostname:
        more[b"hostname"] = node.hostname.encode()
    preferred = node.preferred_endpoint(endpoint)
    return [preferred.encode() if preferred is not None else None, node.client_port(tls), node.name.encode(), more]


def _offset(view: View, node: Node, offset: int) -> int:
    return offset if node is view.myself else node.offset


def _places(view: View, offset: int, tls: bool, endpoint: str) -> dict[Node, list[Any]]:
    """Of who serves slots: where it is, and where its replicas are that have data."""
    places: dict[Node, list[Any]] = {}
    for node in view.nodes.values():
        if node.slots:
            fit = [other for other in node.replicas if not other.failed and _offset(view, other, offset)]
            places[node] = [_place(other, tls, endpoint) for other in (node, *fit)]
    return places


def slots_reply(view: View, offset: int, *, tls: bool = False, endpoint: str = "ip") -> list[Any]:
    """CLUSTER SLOTS: for each range of slots its first and last, who serves it, and its replicas that have data.

    Complexity: O(nodes + ranges).
    """
    places = _places(view, offset, tls, endpoint)
    ranges = sorted((*run, node.name) for node in places for run in slots.ranges(node.slots))
    return [[first, last, *places[view.nodes[name]]] for first, last, name in ranges]


def slots_written(view: View, offset: int, *, tls: bool = False, endpoint: str = "ip") -> NativeReply:
    """The same as a reply that makes no object for each of thousands of ranges."""
    return OwnersReply(view.owner, _places(view, offset, tls, endpoint))


# ---- SHARDS
def _details(view: View, node: Node, offset: int, endpoint: str) -> dict[bytes, Any]:
    told: dict[bytes, Any] = {b"id": node.name.encode()}
    if node.port:
        told[b"port"] = node.port
    if node.tls_port:
        told[b"tls-port"] = node.tls_port
    told[b"ip"] = node.ip.encode()
    told[b"endpoint"] = (node.preferred_endpoint(endpoint) or "").encode()
    if node.hostname:
        told[b"hostname"] = node.hostname.encode()
    has = _offset(view, node, offset)
    told[b"role"] = b"replica" if node.is_replica else b"master"
    told[b"replication-offset"] = has
    told[b"health"] = b"fail" if node.failed else b"loading" if node.is_replica and not has else b"online"
    return told


def _runs(served: int) -> list[int]:
    return [slot for run in slots.ranges(served) for slot in run]


def runs_written(served: int) -> NativeReply:
    """`runs` of shards_reply, without an object for each number."""
    return RunsReply(slots.to_bytes(served))


def shards_reply(view: View, offset: int, *, endpoint: str = "ip",
                 runs: Callable[[int], Any] = _runs) -> list[dict[bytes, Any]]:
    """CLUSTER SHARDS: for each shard the slots of its master and what is known of its nodes. runs: makes an array of
    first and last, first and last... of a set of slots.

    Complexity: O(nodes + ranges).
    """
    shards: dict[str, list[Node]] = {}
    for node in view.nodes.values():
        if not node.in_handshake:
            shards.setdefault(node.shard_id, []).append(node)
    return [{b"slots": runs((nodes[0].master or nodes[0]).slots),
             b"nodes": [_details(view, node, offset, endpoint) for node in nodes]} for nodes in shards.values()]


# ---- INFO
def info_fields(view: View, sent: Sequence[int], received: Sequence[int],
                links_over_limit: int) -> list[tuple[str, str | int]]:
    """What CLUSTER INFO has, in its order. sent, received: messages by type; links_over_limit: dropped for
    cluster-link-sendbuf-limit. Complexity: O(nodes)."""
    me = view.myself
    shown = me.master if me.is_replica and me.master is not None else me
    owners = [node for node in view.nodes.values() if node.slots]
    failed = sum(node.slot_count for node in owners if node.failed)
    maybe = sum(node.slot_count for node in owners if node.maybe_failed and not node.failed)
    assigned = view.assigned.bit_count()
    fields: list[tuple[str, str | int]] = [
        ("cluster_state", "ok" if view.ok else "fail"), ("cluster_slots_assigned", assigned),
        ("cluster_slots_ok", assigned - failed - maybe), ("cluster_slots_pfail", maybe), ("cluster_slots_fail", failed),
        ("cluster_known_nodes", len(view.nodes)), ("cluster_size", view.size),
        ("cluster_current_epoch", view.current_epoch), ("cluster_my_epoch", shown.config_epoch)]
    for word, counts in (("sent", sent), ("received", received)):
        fields += [(f"cluster_stats_messages_{TYPE_WORDS[Type(kind)]}_{word}", count)
                   for kind, count in enumerate(counts) if count]
        fields.append((f"cluster_stats_messages_{word}", sum(counts)))
    fields.append(("total_cluster_links_buffer_limit_exceeded", links_over_limit))
    return fields


def info_text(fields: Sequence[tuple[str, str | int]]) -> str:
    """CLUSTER INFO."""
    return "".join(f"{name}:{value}\r\n" for name, value in fields)


# ---- LINKS
def links_reply(view: View, carried: Callable[[Link], tuple[str, int]]) -> list[dict[bytes, Any]]:
    """CLUSTER LINKS. carried: what whoever carries a link says of it: the events that are waited for, as "rw", and the
    bytes that wait to be sent."""
    found = []
    for node in view.nodes.values():
        for link in (node.link, node.inbound_link):
            if link is not None:
                events, waiting = carried(link)
                found.append({
                    b"direction": b"from" if link.inbound else b"to", b"node": node.name.encode(),
                    b"create-time": link.created, b"events": events.encode(), b"send-buffer-allocated": waiting,
                    b"send-buffer-used": waiting})
    return found
