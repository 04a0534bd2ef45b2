"""INFO replication, and INFO syncs: what has happened so far, and how far replicas are behind."""

from collections.abc import Callable, Iterator

from server.registry.info_sections import REPLICATION, STATS, SYNCS
from server.replication.failover import Failover
from server.replication.following import SYNC, Following
from server.replication.master import seconds
from server.replication.node import Node
from server.replication.payload import Payload
from server.replication.state import SHOWN

replication = REPLICATION.of(Node)
replication.field("role", lambda node: "master" if node.following is None else "slave")


def _is_replica(node: Node) -> bool:
    return node.following is not None


def _has_replicas(node: Node) -> bool:
    return bool(node.master.replicas)


def _is_syncing(node: Node) -> bool:
    return node.following is not None and node.following.payload is not None


def _replica_offset(node: Node) -> int:
    """Who chooses a new master by this must not take one whose data are half gone: 0, as Redis says."""
    return node.stream.offset if node.following is not None and node.following.holds_its_history else 0


def _is_down(node: Node) -> bool:
    return node.following is not None and not node.following.connected


def _takes_second_connection(node: Node) -> bool:
    return node.following is not None and node.config.dual_channel_replication_enabled


def of_master(name: str, read: Callable[[Following], object], shown: Callable[[Node], bool] = _is_replica) -> None:
    """A field about our master, which only a replica has."""
    replication.field(name, lambda node: read(node.following) if node.following is not None else "", shown=shown)


def of_snapshot(name: str, read: Callable[[Payload], object]) -> None:
    """A field about the snapshot that is coming."""
    of_master(name, lambda following: read(following.payload) if following.payload is not None else "", _is_syncing)


def _total(payload: Payload) -> int:
    return max(0, payload.total)


of_master("master_host", lambda following: following.host)
of_master("master_port", lambda following: following.port)
of_master("master_link_status", lambda following: "up" if following.connected else "down")
of_master("master_last_io_seconds_ago", lambda following: following.silent_seconds)
of_master("master_sync_in_progress", lambda following: following.state == SYNC)
replication.field("slave_read_repl_offset", lambda node: node.read_offset if _replica_offset(node) else 0,
                  shown=_is_replica)
replication.field("slave_repl_offset", _replica_offset, shown=_is_replica)
of_master("replicas_repl_buffer_size", lambda following: following.ahead_bytes, _takes_second_connection)
of_master("replicas_repl_buffer_peak", lambda following: following.ahead_peak, _takes_second_connection)
of_snapshot("master_sync_total_bytes", _total)
of_snapshot("master_sync_read_bytes", lambda payload: payload.received)
of_snapshot("master_sync_left_bytes", lambda payload: max(0, _total(payload) - payload.received))
of_snapshot("master_sync_perc",
            lambda payload: f"{100 * payload.received / _total(payload) if _total(payload) else 0:.2f}")
of_master("master_sync_last_io_seconds_ago", lambda following: int(seconds() - following.heard), _is_syncing)
of_master("master_link_down_since_seconds", lambda following: int(seconds() - following.down_since), _is_down)
of_master("master_empty_refused", lambda following: following.refusal.lasts)
replication.field("slave_priority", lambda node: node.config.replica_priority, metric="slave_priority",
                  shown=_is_replica)
replication.field("slave_read_only", lambda node: node.config.replica_read_only, shown=_is_replica)
replication.field("replica_announced", lambda node: node.config.replica_announced, shown=_is_replica)
replication.field("connected_slaves", lambda node: len(node.master.replicas), metric="connected_slaves")
replication.field("min_slaves_good_slaves", lambda node: node.master.good_replicas,
                  shown=lambda node: bool(node.config.min_replicas_to_write and node.config.min_replicas_max_lag))


@replication.family_while(_has_replicas)
def _replicas(node: Node) -> Iterator[tuple[str, str]]:
    """slave0, slave1 ..."""
    for number, replica in enumerate(node.master.connected()):
        lag = int(seconds() - replica.heard) if replica.state in SHOWN and replica.heard else 0
        yield (f"slave{number}", f"ip={replica.ip},port={replica.port},state={SHOWN.get(replica.state, '')},"
               f"offset={replica.acknowledged},lag={lag}" + (f",type={replica.channel}" if replica.channel else ""))


replication.field("replicas_waiting_psync", lambda node: len(node.master.awaited),
                  shown=lambda node: node.config.dual_channel_replication_enabled)


def _failover_state(node: Node) -> str:
    failover: Failover = node.failover
    return failover.state


replication.field("master_failover_state", _failover_state)
replication.field("master_replid", lambda node: node.history.id)
replication.field("master_replid2", lambda node: node.history.second_id)
replication.field("master_repl_offset", lambda node: node.master.shown_offset, metric="master_repl_offset")
replication.field("second_repl_offset", lambda node: node.history.second_offset, metric="second_repl_offset")
replication.field("repl_backlog_active", lambda node: node.master.backlog is not None,
                  metric="repl_backlog_is_active")
replication.field("repl_backlog_size", lambda node: node.config.repl_backlog_size, metric="replication_backlog_bytes")
replication.field("repl_backlog_first_byte_offset",
                  lambda node: node.master.backlog.first_offset + 1 if node.master.backlog is not None else 0,
                  metric="repl_backlog_first_byte_offset")
replication.field("repl_backlog_histlen",
                  lambda node: node.master.backlog.pending if node.master.backlog is not None else 0,
                  metric="repl_backlog_history_bytes")

# ---- ours: by name, or in INFO all
syncs = SYNCS.of(Node)
counts = STATS.of(Node)
counts.field("total_net_repl_input_bytes", lambda node: node.received_bytes, metric="net_repl_input_bytes_total",
             counter=True)
counts.field("total_net_repl_output_bytes", lambda node: node.sent_bytes, metric="net_repl_output_bytes_total",
             counter=True)


syncs.family(lambda node: node.tally.lines())


@syncs.family_while(_has_replicas)
def _lags(node: Node) -> Iterator[tuple[str, str]]:
    """replica0, replica1 ...: those that are online."""
    for number, replica in enumerate(node.master.online()):
        behind, seconds_behind = node.master.lag(replica)
        yield (f"replica{number}", f"ip={replica.ip},port={replica.port},lag_bytes={behind},"
               f"lag_seconds={seconds_behind:.1f},sent_bytes={replica.sent}")
