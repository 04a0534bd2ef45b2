"""A node of a cluster put to work: what the tables of `server.cluster` ask for is done here, as `replicating` does for
replication. There is one only where cluster-enabled is yes.

    a message, a tick, an operator's command --> protocol --> actions, done at once ...
    ... but messages wait for the end of the turn: nodes.conf is on disk before anybody is told what it keeps
"""

from collections.abc import Callable

from server.clients import pause
from server.cluster import slots
from server.cluster.actions import (
    Action,
    Close,
    Connect,
    Deliver,
    DropKeys,
    Follow,
    Lead,
    Note,
    Pause,
    Resume,
    Save,
    Send,
    Serving,
    SlotsMoved,
    Verdict,
)
from server.cluster.bus import Bus
from server.cluster.bus_format import encode, size
from server.cluster.conf_file import ConfFile, ConfInUse
from server.cluster.conf_format import BrokenConf, conf_of, parse, view_of, write
from server.cluster.dropping import Dropping
from server.cluster.messages import MASTER, MYSELF, Message
from server.cluster.node import Link, Node
from server.cluster.protocol import Protocol
from server.cluster.replies import info_fields
from server.cluster.settings import Settings
from server.cluster.view import View, random_name
from server.config.config import Config
from server.dispatch.node import PORT_MAX, bus_port, wall_ms
from server.dispatch.slot_migrating import SlotMigrating
from server.observe.log import LEVELS
from server.registry.light import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from server.server import Server


class Clustering:
    """The node. `begin` makes `view` and `protocol`; before it nobody may ask."""

    def __init__(self, server: "Server") -> None:
        self._server = server
        self.bus: Bus = Bus(server.config, server.log, server.connector, server.loop.links, self)
        self.settings: Settings = Settings()
        self.view: View
        self.protocol: Protocol
        self.when_changed: Callable[[], object] = int       # the view, in any way
        self.when_moved: Callable[[int], object] = int      # slots have another owner, or none
        self.when_serving: Callable[[bool], object] = bool  # whether the cluster serves has changed
        self.dropping: Dropping             # keys of slots that left
        self.count_keys: Callable[[int], int] = lambda slot: 0
        self.keys_of: Callable[[int, int], list[bytes]] = lambda slot, most: []
        self.migrating: SlotMigrating = SlotMigrating(server, self)
        self._conf: ConfFile
        self.bus_port = bus_port(server.config)     # where it listens
        self._messages: list[Send] = []     # of this turn
        self._down_since = 0                # the link to our master, wall ms; 0: there never was one
        self._was_connected = False
        self._do: dict[type, Callable[[Any], object]] = {
            Send: self._messages.append, Save: self._save, Connect: lambda action: self.bus.connect(action.link),
            Close: self._close, Follow: self._follow, Lead: self._lead, Pause: self._pause, Resume: self._resume,
            SlotsMoved: lambda action: self.when_moved(action.slots), Deliver: self._deliver, Note: self._note,
            DropKeys: lambda action: self.dropping.begin(action.slots),
            Serving: lambda action: self.when_serving(action.ok), Verdict: _nothing}

    # ---- the start
    def begin(self) -> bool:
        """Read nodes.conf, or write the first one. False: it cannot be, and the log says why."""
        server = self._server
        config, log = server.config, server.log
        if self.bus_port > PORT_MAX:
            log.warning("Redis port number too high. Cluster communication port is 10,000 port numbers higher than "
                        "your Redis port. Your Redis port number must be 55535 or less.")
            return False
        self._conf = ConfFile(config.cluster_config_file, lambda: server.process.use_cpus(config.bio_cpulist))
        try:
            self._make_view(self._conf.open())
        except ConfInUse as why:
            log.warning("Sorry, %s", why)
            return False
        except BrokenConf as why:
            log.warning('Unrecoverable error: corrupted cluster config file "%s": %s', config.cluster_config_file, why)
            return False
        except OSError as why:
            log.warning("Can't open %s in order to acquire a lock: %s", config.cluster_config_file, why.strerror)
            return False
        self.follow_configuration(config)
        self._turn_ends()
        return True

    def _make_view(self, text: str) -> None:
        from random import Random

        rng, now, tls = Random(), wall_ms(), self._server.config.tls_cluster
        if text:
            self.view = view_of(parse(text, tls=tls), now, rng)
            self._server.log.notice("Node configuration loaded, I'm %s", self.view.myself.name)
        else:
            self.view = View(Node(random_name(rng), random_name(rng), MYSELF | MASTER, now))
            self._server.log.notice("No cluster configuration found, I'm %s", self.view.myself.name)
        self.protocol = Protocol(self.view, lambda: self.settings, self, rng)
        if not text:
            self._save(Save(fsync=True))

    def follow_configuration(self, config: Config) -> None:
        """At the start, and when one of DIRECTIVES was changed."""
        self.settings = Settings(
            node_timeout=config.cluster_node_timeout, ping_interval=config.cluster_ping_interval,
            replica_validity_factor=config.cluster_replica_validity_factor,
            repl_ping_period=config.repl_ping_replica_period * 1000,
            migration_barrier=config.cluster_migration_barrier,
            allow_replica_migration=config.cluster_allow_replica_migration,
            require_full_coverage=config.cluster_require_full_coverage,
            replica_no_failover=config.cluster_replica_no_failover, announce_ip=config.cluster_announce_ip or "",
            port=config.cluster_announce_port or config.port,
            tls_port=config.cluster_announce_tls_port or config.tls_port,
            bus_port=config.cluster_announce_bus_port or self.bus_port,
            hostname=config.cluster_announce_hostname or "", nodename=config.cluster_announce_human_nodename or "",
            tls=config.tls_cluster)
        self.perform(self.protocol.configured())
        self.when_changed()

    def data_loaded(self) -> None:
        """At the start: do the slots of our keys fit nodes.conf? A replica goes on following."""
        self.migrating.settle()
        populated = slots.of(slot for slot in range(slots.COUNT) if self.count_keys(slot))
        self.protocol.operator.has_keys(populated)
        self.asked()

    @property
    def starts_as_replica(self) -> bool:
        """Whether nodes.conf says that we follow somebody."""
        return self.view.myself.is_replica

    @property
    def shard_slots(self) -> int:
        """The slots, a set, that we or our master serve."""
        me = self.view.myself
        return (me if me.master is None else me.master).slots

    # ---- what comes
    def accept(self, fd: int, peer: str, local: str) -> None:
        """A socket came to the bus port. peer, local: as host:port."""
        self.bus.accept(fd, peer, Link(None, wall_ms(), _host(peer), _host(local)))

    def receive(self, link: Link, message: Message) -> None:
        """A message came."""
        self.perform(self.protocol.receive(link, message, wall_ms()))

    def link_up(self, link: Link) -> None:
        """A link of ours is open."""
        self.perform(self.protocol.link_up(link, wall_ms()))

    def link_lost(self, link: Link) -> None:
        """Any link is gone."""
        self.perform(self.protocol.link_lost(link, wall_ms()))

    def tick(self) -> None:
        """A job of the cron."""
        self.bus.tick()
        self.perform(self.protocol.tick(wall_ms()))
        self.migrating.tick()

    def asked(self) -> None:
        """After a call of the protocol's operator: what follows from it holds before the next command."""
        self.perform(self.protocol.asked())

    def publish(self, channel: bytes, message: bytes, *, sharded: bool = False) -> None:
        """PUBLISH: all nodes, or those of our shard, get it for their subscribers."""
        self.protocol.speaker.publish(channel, message, sharded=sharded)
        self.perform(self.protocol.asked())

    def info(self) -> list[tuple[str, str | int]]:
        """The fields of CLUSTER INFO. Complexity: O(nodes)."""
        return info_fields(self.view, self.protocol.speaker.sent, self.protocol.received, self.bus.over_limit)

    @property
    def memory(self) -> int:
        """mem_cluster_links. Complexity: O(links + messages of this turn)."""
        return self.bus.memory + sum(size(one.message) for one in self._messages)

    # ---- what is asked for
    def perform(self, actions: list[Action]) -> None:
        """Do it. Messages leave at the end of the turn."""
        for action in actions:
            self._do[type(action)](action)
        if self.protocol.take_touched():
            self.when_changed()
        if self._messages or self.protocol.unsettled:
            self._server.loop.attend(self._turn_ends)

    def _turn_ends(self) -> bool:
        """Before replies leave: nodes.conf first, then the messages."""
        protocol = self.protocol
        self.perform(protocol.before_sleep(wall_ms()))
        encoded, data = None, b""
        for one in self._messages:
            if one.message is not encoded:          # one message for many links follows itself
                encoded, data = one.message, encode(one.message)
            self.bus.send_bytes(one.link, data)
        self._messages.clear()
        if not protocol.unsettled:
            self._server.loop.attend(self._turn_ends, False)
        return False

    def save(self) -> None:
        """Write nodes.conf, on the disk when this returns. Errors: OSError."""
        self._conf.write(write(conf_of(self.view, tls=self.settings.tls)), fsync=True)

    def _save(self, action: Save) -> None:
        conf = self._conf
        try:
            if conf.failed is not None:
                raise conf.failed
            conf.write(write(conf_of(self.view, tls=self.settings.tls)), fsync=action.fsync)
            if action.soon:
                conf.sync_soon()
        except OSError as why:
            # What we are going to say would not be kept: better say nothing any more.
            self._server.log.warning("Fatal: can't update cluster config file: %s", why.strerror)
            raise SystemExit(1) from None

    def _close(self, action: Close) -> None:
        if self._messages:
            self._messages[:] = [one for one in self._messages if one.link is not action.link]
        self.bus.close(action.link)

    def _note(self, action: Note) -> None:
        self._server.log.write(LEVELS.index(action.level), action.text)

    def _deliver(self, action: Deliver) -> None:
        pubsub, published = self._server.pubsub, action.published
        (pubsub.spublish if action.sharded else pubsub.publish)(published.channel, published.payload)

    # ---- roles
    def _follow(self, action: Follow) -> None:
        self.dropping.forget()
        self._server.replication.follow(action.ip, action.port)

    def _lead(self, action: Lead) -> None:
        self._server.replication.stop_following()
        if action.empty:
            self._server.replacing.empty()

    def _pause(self, action: Pause) -> None:
        self.migrating.fail_imports("A manual failover begins")
        self._server.replication.master.pings_paused = True
        self._server.pause.start(pause.BY_FAILOVER, action.until - wall_ms(), pause.WRITES)

    def _resume(self, action: Resume) -> None:
        self._server.replication.master.pings_paused = False
        self._server.pause.stop(pause.BY_FAILOVER)

    def master_link_changed(self) -> None:
        """The link to our master came or went, or there is another master, or none."""
        following = self._server.replication.following
        connected = following is not None and following.connected
        if self._was_connected and not connected:
            self._down_since = wall_ms()
        if following is None:
            self._down_since = 0
        self._was_connected = connected

    # ---- what the protocol asks of us
    def offset(self) -> int:
        """Of the replication stream."""
        replication = self._server.replication
        following = replication.following
        if following is None:
            return int(replication.master.shown_offset)
        return 0 if following.data_gone else int(replication.stream.offset)

    def data_age(self, now: int) -> int:
        """For how many ms our master has said nothing; since 1970 if it never did."""
        following = self._server.replication.following
        if following is not None and following.connected:
            return int(following.silent_seconds * 1000)
        return now - self._down_since

    def keys_in(self, slot: int) -> int:
        """Keys of a slot."""
        return self.count_keys(slot)

    def is_empty(self) -> bool:
        """Whether there is no key."""
        return self._server.keyspace.keys_total() == 0


def _nothing(action: Action) -> None:
    """Told for whoever watches; the tables know it already."""


def _host(place: str) -> str:
    """Of host:port, [host]:port; "" where the socket could not tell."""
    host = place.rpartition(":")[0].strip("[]")
    return "" if host == "?" else host


