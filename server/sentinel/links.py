"""Connecting to who is watched, and what is said to them now and then: PING, INFO, and hello."""

from server.sentinel.actions import Open, Send
from server.sentinel.hello import CHANNEL, hello_text
from server.sentinel.instance import (
    DISCARDED,
    FAILOVER_IN_PROGRESS,
    INFO,
    IS_MASTER_DOWN,
    KINDS,
    MASTER,
    O_DOWN,
    PING,
    PUBLISH,
    REPLICA,
    SENTINEL,
    SUBSCRIBE,
    Address,
    Instance,
    Wire,
)
from server.sentinel.state import CannotCreate, State
from server.sentinel.words import bytes_of

PENDING_MAX = 100                   # commands without an answer, of each who shares a link
INFO_PERIOD_IN_TROUBLE = 1000       # ms, of replicas whose master is down or whose link to it is
SILENT_PUBLISH_PERIODS = 3          # nothing published for so long: the wire is not what it seems
NAME_DIGITS = 8                     # of our id, in the names of our connections


class Links:
    """What one sentinel says to others. announce_port: our own for who connects to us; password: `requirepass`."""

    def __init__(self, state: State) -> None:
        self._state = state
        self.announce_port = 0
        self.password = ""

    # ---- connecting
    def reconnect(self, instance: Instance) -> None:
        """Open what is missing, at most once in a ping-period."""
        state, link = self._state, instance.link
        if not link.disconnected or not instance.address.port:
            return
        if state.now - link.reconnected < state.settings.timings.ping_period:
            return
        link.reconnected = state.now
        if link.commands is None:
            self._look_up_again(instance)
            link.pending = 0
            link.commands = self._open(instance, is_pubsub=False)
            self._introduce(instance, link.commands, b"cmd")
            self.ping(instance)
        if not instance.flags & SENTINEL and link.pubsub is None:
            link.pubsub = self._open(instance, is_pubsub=True)
            self._introduce(instance, link.pubsub, b"pubsub")
            self.send(instance, link.pubsub, SUBSCRIBE, b"SUBSCRIBE", CHANNEL)
        link.disconnected = False

    def _look_up_again(self, instance: Instance) -> None:
        """A name may have another ip by now."""
        state, address = self._state, instance.address
        if state.settings.resolve_hostnames:
            try:
                instance.address = state.address(address.host, address.port, may_be_unknown=False)
            except CannotCreate:
                pass

    def _open(self, instance: Instance, *, is_pubsub: bool) -> Wire:
        wire = Wire(instance.link, is_pubsub, self._state.now)
        self._state.outbox.add(Open(wire, instance.address.ip or instance.address.host, instance.address.port))
        return wire

    def _introduce(self, instance: Instance, wire: Wire, what: bytes) -> None:
        user, password = self.credentials(instance)
        if password:
            words = (bytes_of(user), bytes_of(password)) if user else (bytes_of(password),)
            self.send(instance, wire, DISCARDED, b"AUTH", *words)
        name = f"sentinel-{self._state.myid[:NAME_DIGITS]}-".encode() + what
        self.send(instance, wire, DISCARDED, b"CLIENT", b"SETNAME", name)

    def credentials(self, instance: Instance) -> tuple[str, str]:
        """Who we are for an instance: (user, password), "" for none."""
        settings = self._state.settings
        if not instance.flags & SENTINEL:
            return instance.owner.auth_user, instance.owner.auth_pass
        if settings.password:
            return settings.user, settings.password
        return "", self.password                # sentinels that share one requirepass

    # ---- sending
    def send(self, instance: Instance, wire: Wire, kind: int, name: bytes, *words: bytes) -> None:
        """A command, by what it is called there: at a master and its replicas, not at other sentinels."""
        renamed = instance.owner.renamed
        if renamed and not instance.flags & SENTINEL and (new := renamed.get(name.decode())) is not None:
            name = bytes_of(new[1])
        wire.expected.append((kind, instance))
        wire.link.pending += 1
        self._state.outbox.add(Send(wire, (name, *words)))

    def ping(self, instance: Instance) -> None:
        """Whether it lives."""
        link = instance.link
        assert link.commands is not None
        self.send(instance, link.commands, PING, b"PING")
        link.pinged = self._state.now
        link.ping_pending = link.ping_pending or link.pinged

    def periodic(self, instance: Instance) -> None:
        """What is due."""
        state, link, flags = self._state, instance.link, instance.flags
        wire, now, timings = link.commands, state.now, state.settings.timings
        if link.disconnected or wire is None or link.pending >= PENDING_MAX * link.owners:
            return
        period = min(instance.down_after, timings.ping_period)
        pings = now - link.ponged > period and now - link.pinged > period // 2
        if pings:
            self.ping(instance)
        # Rather together with a PING than alone, a moment before it: that is one packet instead of two.
        if not flags & SENTINEL and not wire.info_asked and now > self.info_due(instance, with_ping=pings):
            wire.info_asked = True
            self.send(instance, wire, INFO, b"INFO")
        if now - instance.published_at > timings.publish_period + (0 if pings else timings.publish_slack):
            self.hello(instance)

    def due(self, instance: Instance) -> int:
        """Until when there is nothing to say to an instance with whom all is well, nor a wire of its to be doubted
        (down.py); 0: look now."""
        link, timings = instance.link, self._state.settings.timings
        wire = link.commands
        if link.disconnected or wire is None or instance.flags & ~KINDS:
            return 0
        if instance.leader and instance.flags & SENTINEL:
            return 0                            # what it said is to be forgotten
        period = timings.ping_period if timings.ping_period < instance.down_after else instance.down_after
        due = instance.published_at + timings.publish_period + timings.publish_slack
        ping = link.ponged + period
        if ping < due:
            again = link.pinged + period // 2
            due = min(due, again if again > ping else ping)
        if link.ping_pending:
            due = min(due, link.ping_pending + instance.down_after // 2)
        if not instance.flags & SENTINEL:
            if not wire.info_asked:
                due = min(due, self.info_due(instance, with_ping=False))
            heard = link.pubsub_heard + timings.publish_period * SILENT_PUBLISH_PERIODS
            if heard < due and link.pubsub is not None:
                due = min(due, max(heard, link.pubsub.since + timings.min_link_reconnect_period))
        return due

    def info_due(self, instance: Instance, *, with_ping: bool) -> int:
        """When INFO is to be asked for: with a PING after its period, alone a tenth later; soon where there is trouble,
        and at once when the master has been found down: how much of its stream a replica has is to be known."""
        asked = instance.info_at
        if instance.flags & REPLICA and (instance.owner.flags & (O_DOWN | FAILOVER_IN_PROGRESS)
                                         or instance.master_link_down_ms):
            return asked and asked + (0 if instance.owner.has_older_word_of(instance) else INFO_PERIOD_IN_TROUBLE)
        period = self._state.settings.timings.info_period
        return asked and asked + period + (0 if with_ping else period // 10)

    def hello(self, instance: Instance) -> None:
        """Who we are, and which master we know: to all who listen there."""
        state, settings = self._state, self._state.settings
        wire = instance.link.commands
        ip = settings.announce_ip or (wire.local_ip if wire is not None else "")
        if wire is None or instance.link.disconnected or not ip:
            return
        port = settings.announce_port or self.announce_port
        self.send(instance, wire, PUBLISH, b"PUBLISH", CHANNEL, hello_text(state, ip, port, instance.owner))

    def hello_soon(self, master: Instance) -> None:
        """Everybody is to hear of the master at the next tick: something has changed."""
        timings = self._state.settings.timings
        back = timings.publish_period + timings.publish_slack + 1
        for instance in master.owner.everybody():
            if instance.published_at >= back:
                instance.published_at -= back

    def follow(self, instance: Instance, address: Address | None) -> bool:
        """Have it follow that master, or nobody; its clients are to ask anew. False: it is not connected."""
        wire = instance.link.commands
        if wire is None:
            return False
        host, port = ("NO", "ONE") if address is None else (self._state.announced(address), str(address.port))
        for words in ((b"MULTI",), (b"SLAVEOF", bytes_of(host), port.encode()), (b"CONFIG", b"REWRITE"),
                      (b"CLIENT", b"KILL", b"TYPE", b"normal"), (b"CLIENT", b"KILL", b"TYPE", b"pubsub"), (b"EXEC",)):
            self.send(instance, wire, DISCARDED, *words)
        return True

    def kill_script(self, instance: Instance) -> None:
        """It is busy with a script."""
        if instance.link.commands is not None:
            self.send(instance, instance.link.commands, DISCARDED, b"SCRIPT", b"KILL")

    def ask_about(self, sentinel: Instance, candidate: str) -> None:
        """Whether a sentinel sees its master down, too. candidate: whom it is to vote for, "*" for nobody."""
        wire, master = sentinel.link.commands, sentinel.owner
        assert wire is not None and master.flags & MASTER
        address = master.address
        self.send(sentinel, wire, IS_MASTER_DOWN, b"SENTINEL", b"is-master-down-by-addr",
                  bytes_of(self._state.announced(address)), b"%d" % address.port, b"%d" % self._state.current_epoch,
                  bytes_of(candidate))
