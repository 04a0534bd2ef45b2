"""The text of nodes.conf, which is that of CLUSTER NODES and more: a line for each node, and one of variables.

    <name> <ip>:<port>@<bus port>[,<host name>[,<key>=<value>...]] <flags> <master or -> <ping sent> <pong received>
        <config epoch> <connected or disconnected> [<slot> | <first>-<last> | [<slot>->-<node>] | [<slot>-<-<node>] ...]
    vars currentEpoch <n> lastVoteEpoch <n>

Redis writes the keys tls-port (or tcp-port, where the bus is TLS), nodename and shard-id; before 7.2 none. What was
read is written again byte for byte: `parse` and `write` are each other's inverse on files of 7.2. `conf_of` and
`view_of` go between that and the tables. Redis 7.2 refuses a file whose replica is in another shard than its master,
which it may have written itself when versions were mixed; here the replica comes to its master's shard.
"""

from __future__ import annotations

from server.cluster import slots
from server.cluster.messages import (
    FAIL,
    HANDSHAKE,
    MASTER,
    MYSELF,
    NOADDR,
    NOFAILOVER,
    PFAIL,
    REPLICA,
    is_name,
)
from server.cluster.node import Node
from server.cluster.slot_runs import runs_text
from server.cluster.view import View, random_name
from server.config.cluster import BUS_PORT_OFFSET
from server.registry.dataclass import dataclass, field
from server.registry.light import TYPE_CHECKING

if TYPE_CHECKING:
    from random import Random

FLAG_WORDS = (("myself", MYSELF), ("master", MASTER), ("slave", REPLICA), ("fail?", PFAIL), ("fail", FAIL),
              ("handshake", HANDSHAKE), ("noaddr", NOADDR), ("nofailover", NOFAILOVER))
_SHOWN = sum(flag for _, flag in FLAG_WORDS)
_FLAGS = {**dict(FLAG_WORDS), "noflags": 0}


class BrokenConf(Exception):
    """A nodes.conf that cannot be understood; its text tells which line and why."""


@dataclass
class Record:
    """The line of a node. port: for clients, on the transport of the bus; other_port: on the other, None: none told."""

    name: str
    ip: str
    port: int
    bus_port: int
    flags: int
    master: str = ""
    ping_sent: int = 0
    pong_received: int = 0
    config_epoch: int = 0
    connected: bool = False
    slots: int = field(default=0, repr=False)
    migrating: dict[int, str] = field(default_factory=dict)
    importing: dict[int, str] = field(default_factory=dict)
    hostname: str = ""
    nodename: str = ""
    shard_id: str = ""
    other_port: int | None = None


@dataclass
class Conf:
    """A whole file. tls: the bus is TLS, so that the first port of an address is the one for TLS."""

    records: list[Record]
    current_epoch: int = 0
    last_vote_epoch: int = 0
    tls: bool = False


# ---- to text
def flag_words(flags: int) -> str:
    """As in "myself,master"."""
    return ",".join(word for word, flag in FLAG_WORDS if flags & flag) or "noflags"


def slots_text(record: Record) -> str:
    """What it serves, and what is on its way, a blank before each."""
    words = [runs_text(slots.to_bytes(record.slots))]
    for slot in sorted({**record.importing, **record.migrating}):
        if slot in record.migrating:
            words.append(f"[{slot}->-{record.migrating[slot]}]")
        else:
            words.append(f"[{slot}-<-{record.importing[slot]}]")
    return " ".join(words)


def node_line(record: Record, *, tls: bool = False, in_file: bool = False) -> str:
    """The line of a node, without its end: for nodes.conf (in_file), or for a client."""
    address = f"{record.ip}:{record.port}@{record.bus_port}"
    if in_file or record.hostname:
        address += f",{record.hostname}"
    if in_file:
        if record.other_port is not None:
            address += f",{'tcp-port' if tls else 'tls-port'}={record.other_port}"
        if record.nodename:
            address += f",nodename={record.nodename}"
        if record.shard_id:
            address += f",shard-id={record.shard_id}"
    words = [record.name, address, flag_words(record.flags), record.master or "-", str(record.ping_sent),
             str(record.pong_received), str(record.config_epoch), "connected" if record.connected else "disconnected"]
    return " ".join(words) + slots_text(record)


def write(conf: Conf) -> str:
    """The text of a file."""
    lines = [node_line(record, tls=conf.tls, in_file=True) for record in conf.records]
    lines.append(f"vars currentEpoch {conf.current_epoch} lastVoteEpoch {conf.last_vote_epoch}")
    return "".join(f"{line}\n" for line in lines)


# ---- from text
def _number(word: str, limit: int = 2**64 - 1) -> int:
    if not (word.isascii() and word.isdigit()) or int(word) > limit:
        raise BrokenConf(f"'{word}' is no number up to {limit}")
    return int(word)


def _name(word: str) -> str:
    if not is_name(word):
        raise BrokenConf(f"'{word}' is no name of a node")
    return word


def _address(record: Record, word: str, *, tls: bool) -> None:
    place, *more = word.split(",")
    ip, colon, ports = place.rpartition(":")
    if not colon:
        raise BrokenConf(f"'{word}' is no address")
    port, at, bus_port = ports.partition("@")
    record.ip = ip
    record.port = _number(port, 65535)
    record.bus_port = _number(bus_port, 65535) if at else record.port + BUS_PORT_OFFSET
    record.hostname = more[0] if more else ""
    for pair in more[1:]:
        key, equals, value = pair.partition("=")
        if not equals:
            raise BrokenConf(f"'{pair}' is no key=value")
        if key == "shard-id":
            record.shard_id = _name(value)
        elif key == "nodename":
            record.nodename = value
        elif key == ("tcp-port" if tls else "tls-port"):
            record.other_port = _number(value, 65535)
        elif key == ("tls-port" if tls else "tcp-port"):         # the transport of the bus has changed since
            record.port, record.other_port = _number(value, 65535), record.port
        else:
            raise BrokenConf(f"'{key}' is not known about a node")


def _slot(word: str) -> int:
    return _number(word, slots.COUNT - 1)


def _slots(record: Record, word: str) -> None:
    if word.startswith("["):
        slot, _, rest = word[1:].partition("-")
        if len(rest) < 3 or rest[:2] not in (">-", "<-") or not rest.endswith("]"):
            raise BrokenConf(f"'{word}' tells of no slot that is on its way")
        table = record.migrating if rest[0] == ">" else record.importing
        table[_slot(slot)] = _name(rest[2:-1])
    else:
        first, dash, last = word.partition("-")
        bounds = _slot(first), _slot(last if dash else first)
        if bounds[0] > bounds[1] or slots.span(*bounds) & record.slots:
            raise BrokenConf(f"'{word}' are no slots, or some twice")
        record.slots |= slots.span(*bounds)


def _record(words: list[str], *, tls: bool) -> Record:
    if len(words) < 8:
        raise BrokenConf("fewer than eight words")
    record = Record(_name(words[0]), "", 0, 0, 0)
    _address(record, words[1], tls=tls)
    for word in words[2].split(","):
        if word not in _FLAGS:
            raise BrokenConf(f"'{word}' is no flag")
        record.flags |= _FLAGS[word]
    record.master = "" if words[3] == "-" else _name(words[3])
    record.ping_sent, record.pong_received, record.config_epoch = map(_number, words[4:7])
    record.connected = words[7] == "connected"
    for word in words[8:]:
        _slots(record, word)
    return record


def _variables(conf: Conf, words: list[str]) -> None:
    if len(words) % 2 == 0:
        raise BrokenConf("a variable without a value")
    for name, value in zip(words[1::2], words[2::2], strict=True):
        if name.lower() == "currentepoch":
            conf.current_epoch = _number(value)
        elif name.lower() == "lastvoteepoch":
            conf.last_vote_epoch = _number(value)


def parse(text: str, *, tls: bool = False) -> Conf:
    """Read a file of any version since 3.0; variables that we do not know are skipped. Raises BrokenConf."""
    conf = Conf([], tls=tls)
    for number, line in enumerate(text.split("\n"), 1):
        words = line.split()
        try:
            if words and words[0].lower() == "vars":
                _variables(conf, words)
            elif words:
                conf.records.append(_record(words, tls=tls))
        except BrokenConf as why:
            raise BrokenConf(f"line {number}: {why}") from None
    _check(conf)
    return conf


def _check(conf: Conf) -> None:
    """What lines say about each other."""
    names = [record.name for record in conf.records]
    if len(set(names)) != len(names):
        raise BrokenConf("a node has two lines")
    if sum(bool(record.flags & MYSELF) for record in conf.records) != 1:
        raise BrokenConf("not one node is myself")
    together = 0
    for record in conf.records:
        if together & record.slots:
            raise BrokenConf("two nodes serve one slot")
        together |= record.slots
        if record.master == record.name:
            raise BrokenConf(f"{record.name} replicates itself")


# ---- to and from the tables
def record_of(view: View, node: Node, *, tls: bool = False) -> Record:
    """The line of a node as it is now."""
    me = node is view.myself
    master = node.master
    epoch = master.config_epoch if master is not None and node.flags & REPLICA else node.config_epoch
    return Record(
        node.name, node.ip, node.client_port(tls), node.bus_port, node.flags & _SHOWN,
        master.name if master is not None else "", node.ping_sent, node.pong_received, epoch,
        me or node.link is not None, node.slots,
        {slot: other.name for slot, other in view.migrating.items()} if me else {},
        {slot: other.name for slot, other in view.importing.items()} if me else {},
        node.hostname, node.nodename, node.shard_id, node.client_port(not tls))


def conf_of(view: View, *, tls: bool = False) -> Conf:
    """What is to be kept: all nodes but those whose names are not known yet."""
    records = [record_of(view, node, tls=tls) for node in view.nodes.values() if not node.in_handshake]
    return Conf(records, view.current_epoch, view.last_vote_epoch, tls)


def _node_of(record: Record, now: int, rng: Random, *, tls: bool) -> Node:
    node = Node(record.name, record.shard_id or random_name(rng), record.flags, now)
    node.ip, node.bus_port = record.ip, record.bus_port
    node.hostname, node.nodename = record.hostname, record.nodename
    ports = (record.port, record.other_port or 0)
    node.tls_port, node.port = ports if tls else ports[::-1]
    node.ping_sent = now if record.ping_sent else 0
    node.pong_received = now if record.pong_received else 0
    node.fail_time = now if node.failed else 0
    node.config_epoch = 0 if node.is_replica and record.master else record.config_epoch
    return node


def view_of(conf: Conf, now: int, rng: Random) -> View:
    """The tables of a node that starts from a file. now: ms; rng: names shards that are not named there. Nodes that are
    only referred to become known by name."""
    nodes = {record.name: _node_of(record, now, rng, tls=conf.tls) for record in conf.records}
    view = View(next(node for node in nodes.values() if node.flags & MYSELF))
    view.nodes = nodes

    def named(name: str) -> Node:
        return nodes.get(name) or view.add(Node(name, random_name(rng), NOADDR, now))

    for record in conf.records:
        node = nodes[record.name]
        if record.master:
            master = named(record.master)
            view.set_master(node, master)
            node.shard_id = master.shard_id
        view.assign(node, record.slots)
        view.migrating.update((slot, named(name)) for slot, name in record.migrating.items())
        view.importing.update((slot, named(name)) for slot, name in record.importing.items())
    view.last_vote_epoch = conf.last_vote_epoch
    view.current_epoch = conf.current_epoch
    view.current_epoch = view.max_epoch()
    return view
