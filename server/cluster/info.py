"""What INFO tells of links to other servers."""

from server.cluster.migrate_target import Targets
from server.registry.info_sections import CLIENTS, STATS
from server.registry.light import Protocol


class BusLinks(Protocol):
    """The links of the cluster bus (bus.Bus); outside of a cluster there are none."""

    def __len__(self) -> int: ...


CLIENTS.of(BusLinks).field("cluster_connections", len, metric="cluster_connections")
STATS.of(Targets).field("migrate_cached_sockets", len, metric="migrate_cached_sockets_total")
