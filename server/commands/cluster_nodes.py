"""CLUSTER: what a node tells of itself and of the others."""

from server.cluster.slots import COUNT
from server.dispatch.call import Call
from server.dispatch.node import node_of, text, wall_ms
from server.registry import args
from server.registry.command import ADMIN, LOADING, STALE, group
from server.registry.errors import CommandError, named
from server.registry.light import Any
from server.registry.reply import Verbatim
from server.registry.reply_writer import NativeReply
from server.structures.crc16 import hash_slot

command = group("cluster")
_DIFFERS = ("nondeterministic_output",)
_MAX = 2**63 - 1


def _tls(call: Call) -> bool:
    """Whether the client is to be told of ports for TLS."""
    return call.server.tls.carries(call.client)


# ---- ourselves
@command("CLUSTER|MYID", arity=2, flags=STALE, since="3.0.0")
def cluster_myid(call: Call) -> bytes:
    """Tell the name of this node.

    Complexity: O(1)
    """
    return node_of(call).view.myself.name.encode()


@command("CLUSTER|MYSHARDID", arity=2, flags=STALE, since="7.2.0", tips=_DIFFERS)
def cluster_myshardid(call: Call) -> bytes:
    """Tell the name of the shard that this node is in.

    Complexity: O(1)
    """
    return node_of(call).view.myself.shard_id.encode()


@command("CLUSTER|INFO", arity=2, flags=STALE, since="3.0.0", tips=_DIFFERS)
def cluster_info(call: Call) -> Verbatim:
    """Tell how the cluster is, in fields.

    Complexity: O(1)
    """
    from server.cluster import replies

    return Verbatim(replies.info_text(node_of(call).info()))


@command("CLUSTER|LINKS", arity=2, flags=STALE, since="7.0.0", tips=_DIFFERS)
def cluster_links(call: Call) -> list[Any]:
    """List the links of the bus between this node and others.

    Complexity: O(N) where N is the total number of Cluster nodes
    """
    from server.cluster import replies

    node = node_of(call)
    return list(replies.links_reply(node.view, node.bus.carried))


# ---- all nodes
@command("CLUSTER|NODES", arity=2, flags=STALE, since="3.0.0", tips=_DIFFERS)
def cluster_nodes(call: Call) -> Verbatim:
    """Tell of all nodes, a line each, as nodes.conf has them.

    Complexity: O(N) where N is the total number of Cluster nodes
    """
    from server.cluster import replies

    return Verbatim(replies.nodes_text(node_of(call).view, tls=_tls(call)))


@command("CLUSTER|SLOTS", arity=2, flags=LOADING | STALE, since="3.0.0", tips=_DIFFERS,
         deprecated=("7.0.0", "`CLUSTER SHARDS`"),
         history=(("4.0.0", "Names of nodes are told."), ("7.0.0", "And how else they can be reached.")))
def cluster_slots(call: Call) -> list[Any] | NativeReply:
    """Tell for each range of slots who serves it.

    Complexity: O(N) where N is the total number of Cluster nodes
    """
    from server.cluster import replies

    node = node_of(call)
    told = replies.slots_written if call.may_stream else replies.slots_reply        # a script gets values
    return told(node.view, node.offset(), tls=_tls(call), endpoint=call.config.cluster_preferred_endpoint_type)


@command("CLUSTER|SHARDS", arity=2, flags=LOADING | STALE, since="7.0.0", tips=_DIFFERS)
def cluster_shards(call: Call) -> list[Any]:
    """Tell of each shard: its slots and its nodes.

    Complexity: O(N) where N is the total number of cluster nodes
    """
    from server.cluster import replies

    node = node_of(call)
    how = {"runs": replies.runs_written} if call.may_stream else {}
    return list(replies.shards_reply(node.view, node.offset(), endpoint=call.config.cluster_preferred_endpoint_type,
                                     **how))


def _replicas(call: Call, name: bytes) -> list[bytes]:
    from server.cluster import replies

    view = node_of(call).view
    master = view.nodes.get(text(name))
    if master is None:
        raise named(b"ERR Unknown node %s", name)
    if master.is_replica:
        raise CommandError("ERR The specified node is not a master")
    return [replies.node_text(view, replica, tls=_tls(call)).encode() for replica in master.replicas]


@command("CLUSTER|REPLICAS", arity=3, flags=ADMIN | STALE, since="5.0.0", tips=_DIFFERS, syntax="node-id")
def cluster_replicas(call: Call, name: bytes) -> list[bytes]:
    """Tell of the replicas of a master, a line each.

    Complexity: O(N) where N is the number of replicas.
    """
    return _replicas(call, name)


@command("CLUSTER|SLAVES", arity=3, flags=ADMIN | STALE, since="3.0.0", tips=_DIFFERS, syntax="node-id",
         deprecated=("5.0.0", "`CLUSTER REPLICAS`"))
def cluster_slaves(call: Call, name: bytes) -> list[bytes]:
    """Tell of the replicas of a master, a line each.

    Complexity: O(N) where N is the number of replicas.
    """
    return _replicas(call, name)


@command("CLUSTER|COUNT-FAILURE-REPORTS", arity=3, flags=ADMIN | STALE, since="3.0.0", tips=_DIFFERS, syntax="node-id")
def cluster_count_failure_reports(call: Call, name: bytes) -> int:
    """Tell how many masters say that they cannot reach a node.

    Complexity: O(N) where N is the number of failure reports
    """
    node = node_of(call)
    about = node.view.nodes.get(text(name))
    if about is None:
        raise named(b"ERR Unknown node %s", name)
    return node.protocol.failures.reports(about, wall_ms())


# ---- keys
@command("CLUSTER|KEYSLOT", arity=3, flags=STALE, since="3.0.0", syntax="key")
def cluster_keyslot(call: Call, key: bytes) -> int:
    """Tell the slot of a key.

    Complexity: O(N) where N is the number of bytes in the key
    """
    node_of(call)
    return hash_slot(key)


@command("CLUSTER|COUNTKEYSINSLOT", arity=3, flags=STALE, since="3.0.0", syntax="slot")
def cluster_countkeysinslot(call: Call, slot: bytes) -> int:
    """Tell how many keys of a slot are here.

    Complexity: O(1)
    """
    node = node_of(call)
    number = args.integer(slot)
    if not 0 <= number < COUNT:
        raise CommandError("ERR Invalid slot")
    return node.keys_in(number)


@command("CLUSTER|GETKEYSINSLOT", arity=4, flags=STALE, since="3.0.0", tips=_DIFFERS, syntax="slot count")
def cluster_getkeysinslot(call: Call, slot: bytes, count: bytes) -> list[bytes]:
    """Name keys of a slot that are here, up to a count.

    Complexity: O(N) where N is the number of requested keys
    """
    node = node_of(call)
    number, most = args.integer(slot), args.integer(count)
    if not 0 <= number < COUNT or most < 0:
        raise CommandError("ERR Invalid slot or number of keys")
    return node.keys_of(number, most)
