"""What INFO tells of the server as a whole, which no room owns; and which part answers for what rooms declare."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Protocol

from iothreads.listen import Listener
from scripting.run import Scripting
from server.clients.limits import Limits
from server.clients.pubsub import PubSub
from server.clients.table import ClientTable
from server.clients.tls import Tls
from server.clients.tracking import Tracking
from server.cluster.info import BusLinks
from server.cluster.migrate_target import Targets
from server.config.config import Config
from server.dispatch.collector import Collector
from server.dispatch.cron import Cron
from server.dispatch.hot_keys import Upkeep
from server.dispatch.loop import Loop
from server.dispatch.replicating import Replicating
from server.dispatch.shutdown import Shutdown
from server.keyspace.big_keys import BigKeys
from server.keyspace.database import Keyspace
from server.keyspace.evict import Evictor
from server.keyspace.expire import ActiveExpire
from server.keyspace.lazyfree import LazyFree
from server.observe.debug_settings import DebugSettings, settings
from server.observe.internal_errors import InternalErrors, internal_errors
from server.observe.memory_account import Figures
from server.observe.process import CpuSeconds, cpu_seconds
from server.observe.stats import Stats
from server.persistence.seams import Host
from server.process import Process
from server.registry.clock import monotonic_now_us
from server.registry.info_sections import CLIENTS, SERVER, STATS
from server.registry.parts import Parts
from server.replication.node import Node

if TYPE_CHECKING:
    from server.server import Server


class Whole(Protocol):
    """The server, as far as this page asks."""

    run_id: str
    start_us: int
    config: Config
    process: Process
    clients: ClientTable
    replication: Node

    @property
    def listeners(self) -> Sequence[Listener]: ...
    @property
    def commands_processed(self) -> int: ...


def tell(server: "Server", parts: Parts) -> None:
    """Who answers for what is declared of a part (fields of INFO, subcommands of DEBUG), by its type."""
    s = server
    parts.add(Whole, lambda: s)
    parts.add(Config, lambda: s.config)
    # observe
    parts.add(DebugSettings, lambda: settings)
    parts.add(Stats, lambda: s.stats)
    parts.add(Figures, s.memory.figures)
    parts.add(CpuSeconds, cpu_seconds)
    parts.add(InternalErrors, lambda: internal_errors)
    # the data
    parts.add(Keyspace, lambda: s.keyspace)
    parts.add(LazyFree, lambda: s.keyspace.lazyfree)
    parts.add(ActiveExpire, lambda: s.expiry)
    parts.add(Evictor, lambda: s.evictor)
    parts.add(BigKeys, lambda: s.big_keys)
    # clients, files, other servers
    parts.add(ClientTable, lambda: s.clients)
    parts.add(Limits, lambda: s.limits)
    parts.add(Tls, lambda: s.tls)
    parts.add(PubSub, lambda: s.pubsub)
    parts.add(Tracking, lambda: s.tracking)
    parts.add(Host, lambda: s)
    parts.add(Node, lambda: s.replication)
    parts.add(Targets, lambda: s.migrate_targets)
    parts.add(BusLinks, lambda: s.cluster.bus if s.cluster is not None else ())
    # how commands run
    parts.add(Loop, lambda: s.loop)
    parts.add(Cron, lambda: s.cron)
    parts.add(Collector, lambda: s.collector)
    parts.add(Shutdown, lambda: s.shutdown)
    parts.add(Replicating, lambda: s.replicating)
    parts.add(Upkeep, lambda: s.hot_keys_upkeep)
    parts.add(Scripting, lambda: s.scripting)


# ---- of the server as a whole
server_ = SERVER.of(Whole)
server_.field("process_supervised", lambda s: s.process.supervised or "no")
server_.field("run_id", lambda s: s.run_id)
server_.field("uptime_in_seconds", lambda s: uptime(s), metric="uptime_in_seconds")
server_.field("uptime_in_days", lambda s: uptime(s) // 86400)

CLIENTS.of(Whole).field("connected_clients",           # replicas are told of in their own section
                        lambda s: len(s.clients) - len(s.replication.master.replicas), metric="connected_clients")
STATS.of(Whole).field("total_commands_processed", lambda s: s.commands_processed, metric="commands_processed_total",
                      counter=True)


def uptime(s: Whole) -> int:
    """Whole seconds since the start."""
    return (monotonic_now_us() - s.start_us) // 1000000


@server_.family
def listeners(s: Whole) -> Iterator[tuple[str, str]]:
    """listener0:name=tcp,bind=127.0.0.1,port=6379."""
    for number, kind in enumerate(dict.fromkeys(listener.kind for listener in s.listeners)):
        if kind == "unix":
            yield f"listener{number}", f"name=unix,bind={s.config.unixsocket}"
        else:
            binds = "".join(f"bind={name}," for name in s.config.bind)
            port = s.config.tls_port if kind == "tls" else s.config.port
            yield f"listener{number}", f"name={kind},{binds}port={port}"
