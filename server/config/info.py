"""What INFO tells of the configuration, among the figures of the rooms that follow it."""

from server.config.config import Config
from server.registry.info_sections import CLIENTS, CLUSTER, MEMORY, SERVER
from server.registry.info_writer import FOR_PEOPLE

server = SERVER.of(Config)
server.field("redis_mode", lambda config: ("sentinel" if config.sentinel_mode
                                            else "cluster" if config.cluster_enabled else "standalone"))
server.field("tcp_port", lambda config: config.port or config.tls_port)
server.field("configured_hz", lambda config: config.hz)
server.field("executable", lambda config: config.executable)
server.field("config_file", lambda config: config.configfile or "")

CLIENTS.of(Config).field("maxclients", lambda config: config.maxclients, metric="max_clients")

memory = MEMORY.of(Config)
memory.field("maxmemory", lambda config: config.maxmemory, metric="memory_max_bytes")
memory.field("maxmemory_human", lambda config: config.maxmemory, digits=FOR_PEOPLE)
memory.field("maxmemory_policy", lambda config: config.maxmemory_policy)

CLUSTER.of(Config).field("cluster_enabled", lambda config: config.cluster_enabled, metric="cluster_enabled")
