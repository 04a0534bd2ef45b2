"""What INFO tells of other servers that keys move to."""

from server.cluster.migrate_target import Targets
from server.registry.info_sections import CLIENTS, STATS

CLIENTS.of(Targets).field("cluster_connections", 0, metric="cluster_connections")
STATS.of(Targets).field("migrate_cached_sockets", len, metric="migrate_cached_sockets_total")
