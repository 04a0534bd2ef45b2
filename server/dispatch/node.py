"""What others ask of a cluster's node without loading what makes one (`clustering`): a server that is none has not."""

import time

from server.config.cluster import BUS_PORT_OFFSET
from server.config.config import Config
from server.registry.errors import CommandError
from server.registry.light import TYPE_CHECKING

if TYPE_CHECKING:
    from server.dispatch.call import Call
    from server.dispatch.clustering import Clustering

TICK_MS = 100
PORT_MAX = 65535
NO_CLUSTER = "ERR This instance has cluster support disabled"
# Directives that the protocol hears of.
DIRECTIVES = (
    "cluster-node-timeout", "cluster-ping-interval", "cluster-replica-validity-factor", "repl-ping-replica-period",
    "cluster-migration-barrier", "cluster-allow-replica-migration", "cluster-require-full-coverage",
    "cluster-replica-no-failover", "cluster-announce-ip", "cluster-announce-port", "cluster-announce-tls-port",
    "cluster-announce-bus-port", "cluster-announce-hostname", "cluster-announce-human-nodename", "port", "tls-port",
    "tls-cluster", "cluster-preferred-endpoint-type", "cluster-allow-reads-when-down",
)


def wall_ms() -> int:
    """The time that nodes tell each other."""
    return time.time_ns() // 1_000_000


def bus_port(config: Config) -> int:
    """Where the bus listens."""
    own = config.tls_port if config.tls_cluster else config.port
    return int(config.cluster_port or own + BUS_PORT_OFFSET)


def node_of(call: "Call") -> "Clustering":
    """The server of a call as a node. Errors: it is none."""
    if call.server.cluster is None:
        raise CommandError(NO_CLUSTER)
    return call.server.cluster


def text(word: bytes) -> str:
    """A name as it was typed."""
    return word.decode("latin-1")
