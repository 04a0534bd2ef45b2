"""INFO replication, and what the stats section says of syncs."""

from collections.abc import Iterator

from server.registry.info import Section, section
from server.replication.failover import Failover
from server.replication.following import Following
from server.replication.master import seconds
from server.replication.node import Node
from server.replication.replica import SHOWN


def _of_replica(node: Node, following: Following) -> Iterator[tuple[str, str]]:
    config = node.config
    payload = following.payload
    yield "master_host", following.host
    yield "master_port", str(following.port)
    yield "master_link_status", "up" if following.connected else "down"
    yield "master_last_io_seconds_ago", str(following.silent_seconds)
    yield "master_sync_in_progress", str(int(following.state == "sync"))
    yield "slave_read_repl_offset", str(node.stream.offset + len(node.unapplied()))
    yield "slave_repl_offset", str(node.stream.offset)
    if payload is not None:
        total, received = max(0, payload.total), payload.received
        yield "master_sync_total_bytes", str(total)
        yield "master_sync_read_bytes", str(received)
        yield "master_sync_left_bytes", str(total - received if total else 0)
        yield "master_sync_perc", f"{100 * received / total if total else 0:.2f}"
        yield "master_sync_last_io_seconds_ago", str(int(seconds() - following.heard))
    if not following.connected:
        yield "master_link_down_since_seconds", str(int(seconds() - following.down_since))
    yield "slave_priority", str(config.replica_priority)
    yield "slave_read_only", str(int(config.replica_read_only))
    yield "replica_announced", str(int(config.replica_announced))


replication: Section[Node] = section("replication", "Replication", source=lambda server: server.replication)
replication.field("role", lambda node: "master" if node.following is None else "slave")


@replication.family
def _master(node: Node) -> Iterator[tuple[str, str]]:
    """Of our master, if we have one."""
    if node.following is not None:
        yield from _of_replica(node, node.following)


replication.field("connected_slaves", lambda node: len(node.master.replicas), metric="connected_slaves")
replication.field("min_slaves_good_slaves", lambda node: node.master.good_replicas,
                  shown=lambda node: bool(node.config.min_replicas_to_write and node.config.min_replicas_max_lag))


@replication.family
def _replicas(node: Node) -> Iterator[tuple[str, str]]:
    """slave0, slave1 ..."""
    for number, replica in enumerate(node.master.connected()):
        lag = int(seconds() - replica.heard) if replica.state in SHOWN and replica.heard else 0
        yield (f"slave{number}", f"ip={replica.ip},port={replica.port},state={SHOWN.get(replica.state, '')},"
               f"offset={replica.acknowledged},lag={lag}")


def _failover_state(node: Node) -> str:
    failover: Failover = node.failover
    return failover.state


replication.field("master_failover_state", _failover_state)
replication.field("master_replid", lambda node: node.history.id)
replication.field("master_replid2", lambda node: node.history.second_id)
replication.field("master_repl_offset", lambda node: node.master.shown_offset, metric="master_repl_offset")
replication.field("second_repl_offset", lambda node: node.history.second_offset, metric="second_repl_offset")
replication.field("repl_backlog_active", lambda node: int(node.master.backlog is not None),
                  metric="repl_backlog_is_active")
replication.field("repl_backlog_size", lambda node: node.config.repl_backlog_size, metric="replication_backlog_bytes")
replication.field("repl_backlog_first_byte_offset",
                  lambda node: node.master.backlog.first_offset + 1 if node.master.backlog is not None else 0,
                  metric="repl_backlog_first_byte_offset")
replication.field("repl_backlog_histlen",
                  lambda node: node.master.backlog.pending if node.master.backlog is not None else 0,
                  metric="repl_backlog_history_bytes")
