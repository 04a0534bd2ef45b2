"""What nodes say to each other, as values. Their bytes: bus_format.

A message is a header, in which the sender says who it is and what it serves, and a body by its type. A set of slots is
an integer (slots.py); a name is 40 characters, "" for nobody; times are milliseconds, in gossip whole seconds.
"""

from enum import IntEnum

from server.registry.dataclass import dataclass, field
from server.registry.light import NamedTuple

NAME_LENGTH = 40

# Of a node, as messages carry them.
MASTER = 1
REPLICA = 2
PFAIL = 4                   # I cannot reach it
FAIL = 8                    # the majority of the masters cannot
MYSELF = 16
HANDSHAKE = 32              # its name is not known yet
NOADDR = 64                 # its address is not known any more
MEET = 128                  # the first that it hears of us is to be MEET
MIGRATE_TO = 256            # a master that ought to have replicas
NOFAILOVER = 512            # never wants to take over

# Of a message.
PAUSED = 1                  # the master holds its writers for a manual failover
FORCE_ACK = 2               # vote although the master is up
HAS_EXTENSIONS = 4


class Type(IntEnum):
    """What a message is about."""

    PING = 0
    PONG = 1
    MEET = 2
    FAIL = 3
    PUBLISH = 4
    FAILOVER_AUTH_REQUEST = 5
    FAILOVER_AUTH_ACK = 6
    UPDATE = 7
    MFSTART = 8
    MODULE = 9
    PUBLISHSHARD = 10


class Gossip(NamedTuple):
    """What a node thinks of another. port: of clients on the transport that the bus uses, pport: on the other one."""

    name: str
    ping_sent: int          # seconds; 0: no answer is awaited
    pong_received: int      # seconds
    ip: str
    port: int
    bus_port: int
    flags: int
    pport: int


class Forgotten(NamedTuple):
    """A node that is not to be learned of again for `ttl` seconds."""

    name: str
    ttl: int


@dataclass(slots=True)
class Heartbeat:
    """The body of PING, PONG and MEET. unknown: types of extensions that we do not know, which are skipped."""

    gossip: list[Gossip] = field(default_factory=list)
    hostname: str = ""
    nodename: str = ""
    forgotten: list[Forgotten] = field(default_factory=list)
    shard_id: str = ""      # "": the sender is older than 7.2
    unknown: list[int] = field(default_factory=list)


class Failing(NamedTuple):
    """The body of FAIL."""

    name: str


class Published(NamedTuple):
    """The body of PUBLISH and PUBLISHSHARD."""

    channel: bytes
    payload: bytes


@dataclass(frozen=True, slots=True)
class Update:
    """The body of UPDATE: the slots that a node serves since an epoch."""

    config_epoch: int
    name: str
    slots: int = field(repr=False)


class ModuleMessage(NamedTuple):
    """The body of MODULE. module_id: as its 8 bytes are."""

    module_id: bytes
    type: int
    payload: bytes


Body = Heartbeat | Failing | Published | Update | ModuleMessage | None


@dataclass(slots=True)
class Message:
    """One message; the header is what its sender says of itself.

    slots, config_epoch: its own if it is a master, its master's if it is a replica. ip: "" when the address that the
    link comes from is the right one. port, pport: as in Gossip. ok: the cluster serves, for all the sender knows."""

    type: Type
    sender: str
    current_epoch: int = 0
    config_epoch: int = 0
    offset: int = 0         # of the replication stream
    slots: int = field(default=0, repr=False)
    master: str = ""
    ip: str = ""
    port: int = 0
    pport: int = 0
    bus_port: int = 0
    flags: int = 0
    ok: bool = True
    marks: int = 0          # PAUSED, FORCE_ACK
    body: Body = None


def role_of(flags: int) -> int:
    """MASTER or REPLICA; 0 where flags say neither, or both."""
    role = flags & (MASTER | REPLICA)
    return 0 if role == MASTER | REPLICA else role


def is_name(text: str) -> bool:
    """Whether it can be the name of a node or of a shard."""
    return len(text) == NAME_LENGTH and text.isascii() and text.isalnum() and text == text.lower()
