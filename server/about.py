"""Which part answers for what rooms declare."""

from scripting.run import Scripting
from server.acl.denials import Denials
from server.acl.users import Users
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
from server.dispatch.faults import Faults
from server.dispatch.hot_keys import Upkeep
from server.dispatch.lane_totals import LaneTotals, lane_totals
from server.dispatch.loop import Loop
from server.dispatch.replicating import Replicating
from server.dispatch.shutdown import Shutdown
from server.keyspace.big_keys import BigKeys
from server.keyspace.database import Keyspace
from server.keyspace.defrag import ActiveDefrag
from server.keyspace.evict import Evictor
from server.keyspace.expire import ActiveExpire
from server.keyspace.lazyfree import LazyFree
from server.observe.cpu_seconds import CpuSeconds, cpu_seconds
from server.observe.debug_settings import DebugSettings, settings
from server.observe.internal_errors import InternalErrors, internal_errors
from server.observe.memory_account import Figures
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
    parts.add(ActiveDefrag, lambda: s.defrag)
    parts.add(Evictor, lambda: s.evictor)
    parts.add(BigKeys, lambda: s.big_keys)
    # clients, files, other servers
    parts.add(ClientTable, lambda: s.clients)
    parts.add(Limits, lambda: s.limits)
    parts.add(Users, lambda: s.users)
    parts.add(Denials, lambda: s.authentication.denials)
    parts.add(Tls, lambda: s.tls)
    parts.add(PubSub, lambda: s.pubsub)
    parts.add(Tracking, lambda: s.tracking)
    parts.add(Host, lambda: s)
    parts.add(Node, lambda: s.replication)
    parts.add(Targets, lambda: s.migrate_targets)
    parts.add(BusLinks, lambda: s.cluster.bus if s.cluster is not None else ())
    # how commands run
    parts.add(Loop, lambda: s.loop)
    parts.add(LaneTotals, lambda: lane_totals(s.loop))
    parts.add(Cron, lambda: s.cron)
    parts.add(Faults, lambda: s.faults)
    parts.add(Collector, lambda: s.collector)
    parts.add(Shutdown, lambda: s.shutdown)
    parts.add(Replicating, lambda: s.replicating)
    parts.add(Upkeep, lambda: s.hot_keys_upkeep)
    parts.add(Scripting, lambda: s.scripting)

