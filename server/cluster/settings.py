"""What the protocol is configured by, and what it asks of its own server."""

from server.registry.dataclass import dataclass
from server.registry.light import Protocol


@dataclass(frozen=True)
class Settings:
    """Named as the directives cluster-*; times are ms. tls: the bus is TLS (tls-cluster)."""

    node_timeout: int = 15000
    ping_interval: int = 0              # 0: half the node timeout
    replica_validity_factor: int = 10
    repl_ping_period: int = 10_000
    migration_barrier: int = 1
    allow_replica_migration: bool = True
    require_full_coverage: bool = True
    replica_no_failover: bool = False
    announce_ip: str = ""
    port: int = 6379                    # that others are told
    tls_port: int = 0
    bus_port: int = 16379
    hostname: str = ""
    nodename: str = ""
    tls: bool = False

    @property
    def report_ms(self) -> int:
        """How long what a master says about a failing node counts."""
        return 2 * self.node_timeout

    @property
    def handshake_ms(self) -> int:
        """How long an unknown node has time to answer."""
        return max(self.node_timeout, 1000)


class Local(Protocol):
    """Our own server, as far as the protocol must know it."""

    def offset(self) -> int:
        """Of the replication stream: what we wrote as a master, what we have as a replica."""

    def data_age(self, now: int) -> int:
        """For how many ms we have heard nothing from our master."""

    def keys_in(self, slot: int) -> int:
        """How many keys a slot has here."""

    def is_empty(self) -> bool:
        """Whether there is no key."""
