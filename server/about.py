"""Which part answers for what rooms declare."""

from scripting.run import Scripting, VmMemory
from server.acl.denials import Denials
from server.acl.users import Users
from server.clients.blocking import BlockedCounts
from server.clients.client_table import ClientTable
from server.clients.limits import Limits, RecentPeaks
from server.clients.pubsub import PubSub
from server.clients.tls import Tls
from server.clients.tracking import Tracking
from server.cluster.info import BusLinks
from server.cluster.migrate_target import Targets
from server.config.config import Config
from server.dispatch.collector import Collector
from server.dispatch.cron import Cron
from server.dispatch.faults import Faults
from server.dispatch.hot_keys import Upkeep
from server.dispatch.lane_totals import LaneTotals, lane_totals
from server.dispatch.load import Load
from server.dispatch.loop import Loop
from server.dispatch.replicating import Replicating
from server.dispatch.served import Served
from server.dispatch.shutdown import Shutdown
from server.keyspace.big_keys import BigKeys
from server.keyspace.database import Keyspace
from server.keyspace.defrag import ActiveDefrag
from server.keyspace.defrag_walk import DefragWalk
from server.keyspace.evict import Evictor
from server.keyspace.expire import ActiveExpire
from server.keyspace.keyspace_told import DatabaseLines
from server.keyspace.lazyfree import LazyFree
from server.observe.cpu_seconds import CpuSeconds, cpu_seconds
from server.observe.debug_settings import DebugSettings, settings
from server.observe.error_counts import ErrorCounts
from server.observe.internal_errors import InternalErrors, internal_errors
from server.observe.memory_account import Figures
from server.observe.now import Now
from server.observe.stats import Stats
from server.persistence.seams import Host
from server.registry.light import TYPE_CHECKING
from server.registry.parts import Parts
from server.replication.node import Node
from server.whole import Whole

if TYPE_CHECKING:
    from server.server import Server


def tell(server: "Server", parts: Parts) -> None:
    """Who answers for what is declared of a part (fields of INFO, subcommands of DEBUG), by its type."""
    s = server
    whole: Whole = s
    host: Host = s
    parts.keep(Whole, whole)
    parts.keep(Config, s.config)
    # observe
    parts.keep(DebugSettings, settings)
    parts.keep(Now, Now(s.start_us))
    parts.keep(Stats, s.stats)
    parts.keep(ErrorCounts, s.stats.error_counts)
    parts.add(Figures, s.memory.figures)
    parts.add(CpuSeconds, cpu_seconds)
    parts.keep(InternalErrors, internal_errors)
    # the data
    parts.keep(Keyspace, s.keyspace)
    parts.keep(DatabaseLines, DatabaseLines(s.keyspace))
    parts.keep(LazyFree, s.keyspace.lazyfree)
    parts.keep(ActiveExpire, s.expiry)
    parts.keep(ActiveDefrag, s.defrag)
    parts.keep(DefragWalk, s.defrag.walk)
    parts.keep(Evictor, s.evictor)
    parts.keep(BigKeys, s.big_keys)
    # clients, files, other servers
    parts.keep(ClientTable, s.clients)
    parts.keep(BlockedCounts, s.clients.counts)
    parts.keep(Limits, s.limits)
    parts.add(RecentPeaks, s.limits.recent_peaks)
    parts.keep(Users, s.users)
    parts.keep(Denials, s.authentication.denials)
    parts.keep(Tls, s.tls)
    parts.keep(PubSub, s.pubsub)
    parts.keep(Tracking, s.tracking)
    parts.keep(Host, host)
    parts.keep(Node, s.replication)
    parts.keep(Targets, s.migrate_targets)
    parts.add(BusLinks, lambda: s.cluster.bus if s.cluster is not None else ())
    # how commands run
    parts.keep(Served, Served(s.executor))
    parts.keep(Loop, s.loop)
    parts.keep(Load, s.loop.load)
    parts.add(LaneTotals, lambda: lane_totals(s.loop))
    parts.keep(Cron, s.cron)
    parts.keep(Faults, s.faults)
    parts.keep(Collector, s.collector)
    parts.keep(Shutdown, s.shutdown)
    parts.keep(Replicating, s.replicating)
    parts.keep(Upkeep, s.hot_keys_upkeep)
    parts.keep(Scripting, s.scripting)
    parts.add(VmMemory, s.scripting.vm_memory)

