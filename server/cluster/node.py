"""A node of the cluster as another one sees it, and a link between two."""

from server.cluster.messages import FAIL, HANDSHAKE, MASTER, NOADDR, NOFAILOVER, PFAIL, REPLICA
from server.registry.light import Optional


class Link:
    """One end of a connection of the bus. Whoever carries bytes makes the ends that others opened (`Link(None, now)`)
    and is asked for the others by an action; both are known to the protocol by identity.

    node: the one at the other end, None: not known yet; inbound: they opened it; created: ms. peer_ip, local_ip: what
    the socket says, "" while it is not known."""

    __slots__ = ("created", "inbound", "local_ip", "node", "peer_ip")

    def __init__(self, node: Optional["Node"], created: int, peer_ip: str = "", local_ip: str = "") -> None:
        self.node = node
        self.inbound = node is None
        self.created = created
        self.peer_ip = peer_ip
        self.local_ip = local_ip


class Node:
    """One node. Times are ms of the wall clock, 0: never; names are 40 characters.

    slots: what it serves (slots.py). master: of a replica, None when it is not known. ping_sent: since when an answer
    is awaited, 0: none is. data_received: anything at all. reports: which masters say that they cannot reach it, and
    when they did last. offset: of the replication stream. port, tls_port: for clients."""

    __slots__ = ("bus_port", "config_epoch", "created", "data_received", "fail_time", "flags", "hostname",
                 "inbound_link", "ip", "link", "master", "name", "nodename", "offset", "orphaned_since", "ping_sent",
                 "pong_received", "port", "replicas", "reports", "shard_id", "slots", "tls_port", "voted_time")

    def __init__(self, name: str, shard_id: str, flags: int, now: int) -> None:
        self.name = name
        self.shard_id = shard_id
        self.flags = flags
        self.created = now
        self.config_epoch = 0
        self.slots = 0
        self.master: Node | None = None
        self.replicas: list[Node] = []
        self.ip = ""
        self.port = 0
        self.tls_port = 0
        self.bus_port = 0
        self.hostname = ""
        self.nodename = ""
        self.ping_sent = 0
        self.pong_received = 0
        self.data_received = 0
        self.fail_time = 0
        self.voted_time = 0
        self.orphaned_since = 0
        self.offset = 0
        self.reports: dict[str, int] = {}
        self.link: Link | None = None
        self.inbound_link: Link | None = None

    def __repr__(self) -> str:
        return f"<node {self.name[:8]} {self.flags:#x} epoch {self.config_epoch}, {self.slot_count} slots>"

    @property
    def is_master(self) -> bool:
        """Whether it says so."""
        return bool(self.flags & MASTER)

    @property
    def is_replica(self) -> bool:
        """Whether it says so. Of a node that only gossip knows neither may be said."""
        return bool(self.flags & REPLICA)

    @property
    def failed(self) -> bool:
        """Whether the majority of the masters could not reach it."""
        return bool(self.flags & FAIL)

    @property
    def maybe_failed(self) -> bool:
        """Whether we cannot reach it."""
        return bool(self.flags & PFAIL)

    @property
    def in_handshake(self) -> bool:
        """Whether its name is made up, until it tells its own."""
        return bool(self.flags & HANDSHAKE)

    @property
    def has_address(self) -> bool:
        """Whether we know where it is."""
        return not self.flags & NOADDR

    @property
    def never_fails_over(self) -> bool:
        """Whether it was told to stay a replica."""
        return bool(self.flags & NOFAILOVER)

    @property
    def slot_count(self) -> int:
        """How many slots it serves."""
        return self.slots.bit_count()

    def preferred_endpoint(self, kind: str) -> str | None:
        """What clients are told to connect to, as cluster-preferred-endpoint-type says; None: whom they asked."""
        if kind == "hostname":
            return self.hostname or "?"
        return self.ip if kind == "ip" else None

    def client_port(self, tls: bool) -> int:
        """The port for clients of that transport."""
        return self.tls_port if tls else self.port

    def has_replica(self) -> bool:
        """Whether any of its replicas is not FAIL."""
        replicas = self.replicas
        return bool(replicas) and (not replicas[0].flags & FAIL or self.replicas_not_failed() > 0)

    def replicas_not_failed(self) -> int:
        """How many of its replicas are not FAIL."""
        return sum(not replica.flags & FAIL for replica in self.replicas)
