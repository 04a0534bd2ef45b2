"""A server that is watched: a master, a replica of one, or another sentinel; and the connections to it.

Times are ms of the wall clock, 0: never, unless it is said otherwise.
"""

from collections import deque

from server.registry.light import NamedTuple, Optional

# Flags. The first three say what it is.
MASTER, REPLICA, SENTINEL = 1, 2, 4
S_DOWN = 1 << 3                     # down, as we see it
O_DOWN = 1 << 4                     # down, as the quorum sees it
MASTER_DOWN = 1 << 5                # this sentinel says that its master is down
FAILOVER_IN_PROGRESS = 1 << 6
PROMOTED = 1 << 7                   # the replica that is to be the master
RECONF_SENT = 1 << 8                # a replica that was told of its new master,
RECONF_INPROG = 1 << 9              # ... is following it,
RECONF_DONE = 1 << 10               # ... and has its data
FORCE_FAILOVER = 1 << 11            # SENTINEL FAILOVER: no votes are needed
SCRIPT_KILL_SENT = 1 << 12
MASTER_REBOOT = 1 << 13             # it came back as another process, and has not answered PONG since
KINDS = MASTER | REPLICA | SENTINEL
DOWN = S_DOWN | O_DOWN

# States of a failover, in their order.
NONE, WAIT_START, SELECT_SLAVE, SEND_SLAVEOF_NOONE, WAIT_PROMOTION, RECONF_SLAVES, UPDATE_CONFIG = range(7)
STATE_NAMES = ("none", "wait_start", "select_slave", "send_slaveof_noone", "wait_promotion", "reconf_slaves",
               "update_config")

DISCARDED, PING, INFO, PUBLISH, IS_MASTER_DOWN, SUBSCRIBE = range(6)      # what a reply answers
NO_SUCH = "No such master with specified name."
DEFAULT_PRIORITY = 100
DEFAULT_PARALLEL_SYNCS = 1


class Address(NamedTuple):
    """Where somebody is. host: as it was said, a name maybe; ip: "" while the name has no address."""

    host: str
    ip: str
    port: int

    def is_at(self, other: "Address") -> bool:
        """The same place: the same ip, or the same name where ips are not known or differ."""
        return self.port == other.port and (self.ip == other.ip or self.host.lower() == other.host.lower())


class Wire:
    """One connection, known to the protocol by identity. expected: what was sent and not answered yet, by whom.
    info_asked: INFO is among that."""

    __slots__ = ("expected", "info_asked", "is_pubsub", "link", "local_ip", "since")

    def __init__(self, link: "InstanceLink", is_pubsub: bool, since: int) -> None:
        self.link = link
        self.is_pubsub = is_pubsub
        self.since = since
        self.local_ip = ""                  # of our end, once it is open
        self.info_asked = False
        self.expected: deque[tuple[int, Instance]] = deque()


class InstanceLink:
    """The connections to one server, and what PING says of it. Sentinels that watch many masters with us share one.

    disconnected: one of the wires is missing. ping_pending: since when an answer is awaited, 0: none is. available:
    when PING was last answered as somebody does who serves; ponged: when it was answered at all."""

    __slots__ = ("available", "commands", "disconnected", "owners", "pending", "ping_pending", "pinged", "ponged",
                 "pubsub", "pubsub_heard", "reconnected")

    def __init__(self, now: int) -> None:
        self.owners = 1
        self.disconnected = True
        self.pending = 0
        self.commands: Wire | None = None
        self.pubsub: Wire | None = None
        self.pubsub_heard = 0
        self.reconnected = 0
        self.start_anew(now)

    def start_anew(self, now: int) -> None:
        """It has been silent since now."""
        self.ping_pending = now
        self.pinged = 0
        self.available = self.ponged = now


class Instance:
    """One server. runid: "" while it is not known. announced: a replica wants to be named to clients.

    reported: MASTER or REPLICA, what it says it is, since reported_since; reported_master: whom it follows.
    leader, leader_epoch: of a master our last vote; of a sentinel its own, as it told us."""

    __slots__ = ("address", "announced", "down_after", "flags", "gone", "heard_hello", "info", "info_at", "leader",
                 "leader_epoch", "link", "link_up", "master", "master_changed_at", "master_down_told_at",
                 "master_link_down_ms", "name", "o_down_since", "offset", "priority", "published_at",
                 "reconf_sent_at", "reported", "reported_master", "reported_since", "runid", "s_down_since")

    def __init__(self, kind: int, name: str, address: Address, now: int, down_after: int,
                 master: Optional["Master"]) -> None:
        self.flags = kind
        self.name = name
        self.runid = ""
        self.address = address
        self.master = master
        self.link = InstanceLink(now)
        self.gone = False                   # nobody watches it any more: what it still answers is of no interest
        self.down_after = down_after
        self.s_down_since = self.o_down_since = 0
        self.published_at = self.heard_hello = self.master_down_told_at = now
        self.info = b""
        self.info_at = 0
        self.reported = kind & (MASTER | REPLICA)
        self.reported_since = now
        self.reported_master: tuple[str, int] = ("", 0)
        self.master_changed_at = now
        self.master_link_down_ms = 0
        self.link_up = False
        self.priority = DEFAULT_PRIORITY
        self.offset = 0
        self.announced = True
        self.reconf_sent_at = 0
        self.leader = ""
        self.leader_epoch = 0

    def __repr__(self) -> str:
        return f"<{self.kind_name} {self.name} {self.flags:#x}>"

    @property
    def kind_name(self) -> str:
        """As events and replies call it."""
        return "master" if self.flags & MASTER else "slave" if self.flags & REPLICA else "sentinel"

    @property
    def owner(self) -> "Master":
        """The master that it belongs to; of a master itself."""
        assert self.master is not None
        return self.master

    def no_down_for(self, ms: int, now: int) -> bool:
        """Whether it was not found down within so many ms."""
        latest = max(self.s_down_since, self.o_down_since)
        return latest == 0 or now - latest > ms


class Master(Instance):
    """A master, and who belongs to it. renamed: commands by their usual names in capitals. failover_*: of the failover
    under way, or of the last one that we began or voted for."""

    __slots__ = ("auth_pass", "auth_user", "client_reconfig_script", "config_epoch", "delay_logged", "failover_changed",
                 "failover_epoch", "failover_start", "failover_state", "failover_timeout", "notification_script",
                 "parallel_syncs", "promoted", "quiet_until", "quorum", "reboot_down_after", "reboot_since", "renamed",
                 "replicas", "sentinels")

    def __init__(self, name: str, address: Address, quorum: int, now: int, down_after: int, timeout: int) -> None:
        super().__init__(MASTER, name, address, now, down_after, None)
        self.replicas: dict[str, Instance] = {}
        self.sentinels: dict[str, Instance] = {}
        self.quorum = quorum
        self.parallel_syncs = DEFAULT_PARALLEL_SYNCS
        self.auth_user = self.auth_pass = ""
        self.notification_script = self.client_reconfig_script = ""
        self.renamed: dict[str, tuple[str, str]] = {}      # by the name in capitals: as it was written, and the new one
        self.config_epoch = 0
        self.failover_epoch = 0
        self.failover_state = NONE
        self.failover_changed = self.failover_start = 0
        self.failover_timeout = timeout
        self.delay_logged = 0
        self.promoted: Instance | None = None
        self.reboot_down_after = self.reboot_since = 0
        self.quiet_until = 0                # nothing is due before that, unless something is heard (Protocol.tick)

    @property
    def owner(self) -> "Master":
        """Itself."""
        return self

    @property
    def current_address(self) -> Address:
        """Where clients are to write: at the replica that was promoted, as soon as it says that it is a master."""
        if self.flags & FAILOVER_IN_PROGRESS and self.promoted is not None and self.failover_state >= RECONF_SLAVES:
            return self.promoted.address
        return self.address

    def has_older_word_of(self, replica: Instance) -> bool:
        """Whether the last INFO of a replica is from before the master was O_DOWN: it may have more of the stream."""
        return bool(self.flags & O_DOWN) and replica.info_at < self.o_down_since

    def everybody(self) -> list[Instance]:
        """Itself, its replicas and the sentinels that watch it."""
        return [self, *self.replicas.values(), *self.sentinels.values()]
