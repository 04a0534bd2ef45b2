"""All that a sentinel knows: its masters with their replicas and sentinels, its epoch, its settings; and what is done
to several instances at once."""

import secrets
from random import Random

from server.registry.light import Protocol
from server.sentinel.actions import NOTICE, WARNING, Close, Event, Note, Outbox
from server.sentinel.instance import (
    MASTER,
    NONE,
    REPLICA,
    SENTINEL,
    Address,
    Instance,
    Master,
    Wire,
)
from server.sentinel.scripts import Scripts
from server.sentinel.settings import Settings
from server.sentinel.words import bytes_of
from server.structures.glob import match

ID_LENGTH = 40
HOST_LENGTH_MAX = 255
PORT_MAX = 65535
KNOWN_MAX = 1000                    # replicas, and sentinels, of one master: nobody has more, but who invents them
EPOCH_STEP_MAX = 1 << 32            # they grow by one: who is so far ahead of us invents his, too
NO_ADDRESS = "Can't resolve instance hostname."
BAD_PORT = "Invalid port number."
DUPLICATE = {MASTER: "Duplicate master name.", REPLICA: "Duplicate hostname and port for replica.",
             SENTINEL: "Duplicate runid for sentinel."}
TOO_MANY = "Too many instances of one master."


class Names(Protocol):
    """Who knows addresses (names.py)."""

    def look_up(self, host: str, *, numeric: bool) -> str | None:
        """The ip of a host; numeric: a name has none. None: it has none."""


class CannotCreate(Exception):
    """An instance cannot be made; the text says why, as Redis has it."""


def is_host(text: str) -> bool:
    """Whether that can be an address or a name: it may have come from anybody, and goes into logs and sentinel.conf."""
    return 0 < len(text) <= HOST_LENGTH_MAX and text.isprintable() and not set(" /,") & set(text)


def is_id(text: str) -> bool:
    """Whether that can be a sentinel's id."""
    return 0 < len(text) <= ID_LENGTH and text.isascii() and text.isprintable() and " " not in text


class State:
    """What one sentinel knows. now: ms, of the call that is being served."""

    def __init__(self, names: Names, rng: Random, now: int) -> None:
        self.settings = Settings()
        self.names = names
        self.rng = rng
        self.outbox = Outbox()
        self.scripts = Scripts(self.settings.timings, self.event)
        self.myid = ""
        self.current_epoch = 0
        self.masters: dict[str, Master] = {}
        self.tilt_since = 0                 # 0: all is well
        self.quiet_until = 0                # the soonest of the masters'
        self.now = self.previous_tick = now

    # ---- telling
    def event(self, level: int, name: str, instance: Instance | None, text: str, *, plain: bool = False) -> None:
        """Something happened to an instance: its name stands before the text, unless that is to be plain. A warning
        runs the notification script of its master."""
        if instance is not None and not plain:
            text = f"{self.described(instance)} {text}" if text else self.described(instance)
        self.outbox.add(Event(level, name, text))
        if level == WARNING and instance is not None and instance.owner.notification_script:
            self.scripts.schedule((instance.owner.notification_script, name, text))

    def note(self, level: int, text: str) -> None:
        """For the log."""
        self.outbox.add(Note(level, text))

    def described(self, instance: Instance) -> str:
        """<kind> <name> <ip> <port>, and of what belongs to a master @ <name> <ip> <port>."""
        text = f"{instance.kind_name} {instance.name} {self.announced(instance.address)} {instance.address.port}"
        if instance.master is not None:
            master = instance.master
            text += f" @ {master.name} {self.announced(master.address)} {master.address.port}"
        return text

    def wake(self) -> None:
        """Something may be due with any master."""
        self.quiet_until = 0
        for master in self.masters.values():
            master.quiet_until = 0

    def look_at(self, master: Master) -> None:
        """Something may be due with that one."""
        self.quiet_until = master.quiet_until = 0

    def save(self) -> None:
        """What sentinel.conf keeps has changed."""
        self.outbox.save = True

    def reconfigure_clients(self, master: Master, role: str, old: Address, new: Address) -> None:
        """Run the script that is to tell clients. role: leader, or observer."""
        if master.client_reconfig_script:
            self.scripts.schedule((master.client_reconfig_script, master.name, role, "start", self.announced(old),
                                   str(old.port), self.announced(new), str(new.port)))

    # ---- addresses
    def address(self, host: str, port: int, *, may_be_unknown: bool) -> Address:
        """An address by name or number. may_be_unknown: a name is taken that has no ip now. Errors: CannotCreate."""
        if not 0 <= port <= PORT_MAX:
            raise CannotCreate(BAD_PORT)
        if not is_host(host):
            raise CannotCreate(NO_ADDRESS)
        by_name = self.settings.resolve_hostnames
        ip = self.names.look_up(host, numeric=not by_name)
        if ip is None:
            self.note(WARNING, f"Failed to resolve hostname '{host}'")
            if not (by_name and may_be_unknown):
                raise CannotCreate(NO_ADDRESS)
            ip = ""
        return Address(host, ip, port)

    def is_place(self, host: str, port: int) -> bool:
        """Whether it has an address now."""
        try:
            return bool(self.address(host, port, may_be_unknown=False).ip)
        except CannotCreate:
            return False

    def announced(self, address: Address) -> str:
        """What clients and events are told: the ip, or the name (announce-hostnames)."""
        return address.host if self.settings.announce_hostnames else address.ip

    def announced_at(self, address: Address) -> str:
        """With the port, as replicas are named by."""
        host = self.announced(address)
        return f"[{host}]:{address.port}" if ":" in host else f"{host}:{address.port}"

    def is_host(self, address: Address, host: str) -> bool:
        """Whether that host is where the address is."""
        if not is_host(host):
            return False
        by_name = self.settings.resolve_hostnames
        ip = self.names.look_up(host, numeric=not by_name)
        if ip is None:
            return (address.host if by_name else address.ip).lower() == host.lower()
        return address.ip.lower() == ip.lower()

    # ---- who is there
    def add_master(self, name: str, host: str, port: int, quorum: int) -> Master:
        """Watch one more. Errors: CannotCreate."""
        timings = self.settings.timings
        address = self.address(host, port, may_be_unknown=True)
        if name in self.masters:
            raise CannotCreate(DUPLICATE[MASTER])
        master = Master(name, address, quorum, self.now, timings.default_down_after, timings.default_failover_timeout)
        self.masters[name] = master
        self.look_at(master)
        return master

    def add_replica(self, master: Master, host: str, port: int) -> Instance:
        """Of that master. Errors: CannotCreate."""
        address = self.address(host, port, may_be_unknown=True)
        return self._add(REPLICA, self.announced_at(address), address, master, master.replicas)

    def add_sentinel(self, master: Master, host: str, port: int, runid: str) -> Instance:
        """Another one that watches that master. Errors: CannotCreate."""
        address = self.address(host, port, may_be_unknown=True)
        sentinel = self._add(SENTINEL, runid, address, master, master.sentinels)
        sentinel.runid = runid
        self._share_link(sentinel)
        return sentinel

    def _add(self, kind: int, name: str, address: Address, master: Master, table: dict[str, Instance]) -> Instance:
        if name in table:
            raise CannotCreate(DUPLICATE[kind])
        if len(table) >= KNOWN_MAX:
            raise CannotCreate(TOO_MANY)
        table[name] = instance = Instance(kind, name, address, self.now, master.down_after, master)
        if len(table) == KNOWN_MAX:
            self.note(WARNING, f"{KNOWN_MAX} {instance.kind_name}s of master {master.name}: no others will be watched")
        return instance

    def _share_link(self, sentinel: Instance) -> None:
        """One that watches other masters with us has its connection already."""
        for master in self.masters.values():
            known = master.sentinels.get(sentinel.runid) if master is not sentinel.master else None
            if known is not None:
                self._release_link(sentinel)
                sentinel.link = known.link
                sentinel.link.owners += 1
                return

    def replica_at(self, master: Master, host: str, port: int) -> Instance | None:
        """The replica of that address."""
        try:
            address = self.address(host, port, may_be_unknown=False)
        except CannotCreate:
            return None
        return master.replicas.get(self.announced_at(address))

    def master_at(self, host: str, port: int) -> Master | None:
        """The master of that address."""
        address = self._address_or_none(host, port)
        if address is None:
            return None
        return next((master for master in self.masters.values() if master.address.is_at(address)), None)

    def sentinel_at(self, master: Master, host: str, port: int) -> Instance | None:
        """The sentinel of that address, whatever its id."""
        address = self._address_or_none(host, port)
        if address is None:
            return None
        return next((one for one in master.sentinels.values() if one.address.is_at(address)), None)

    def _address_or_none(self, host: str, port: int) -> Address | None:
        try:
            return self.address(host, port, may_be_unknown=True)
        except CannotCreate:
            return None

    # ---- who goes
    def remove_master(self, master: Master) -> None:
        """Watch it no more."""
        del self.masters[master.name]
        for instance in master.everybody():
            self._forget(instance)
        master.replicas, master.sentinels, master.promoted = {}, {}, None       # they know it, too

    def remove_sentinel(self, master: Master, runid: str) -> bool:
        """Whether there was one with that id."""
        sentinel = master.sentinels.pop(runid, None)
        if sentinel is not None:
            self._forget(sentinel)
        return sentinel is not None

    def _forget(self, instance: Instance) -> None:
        instance.gone = True
        self._release_link(instance)

    def _release_link(self, instance: Instance) -> None:
        link = instance.link
        link.owners -= 1
        if not link.owners:
            self.close(link.commands)
            self.close(link.pubsub)

    def close(self, wire: Wire | None) -> None:
        """End a connection, to be opened anew."""
        if wire is not None:
            self.outbox.add(Close(wire))
            self.gone(wire)

    def gone(self, wire: Wire) -> None:
        """It is no more, whoever ended it."""
        link = wire.link
        if link.commands is wire:
            link.commands = None
            link.pending = 0
        elif link.pubsub is wire:
            link.pubsub = None
            link.pending = max(0, link.pending - len(wire.expected))
        else:
            return
        link.disconnected = True

    # ---- whole masters
    def reset(self, master: Master, *, forget_sentinels: bool = True, tell: bool = False) -> None:
        """Begin anew with a master: nothing is known but where it is. tell: say so."""
        for replica in master.replicas.values():
            self._forget(replica)
        master.replicas = {}
        if forget_sentinels:
            for sentinel in master.sentinels.values():
                self._forget(sentinel)
            master.sentinels = {}
        self.close(master.link.commands)
        self.close(master.link.pubsub)
        master.flags = MASTER
        master.leader = master.runid = ""
        master.failover_state = NONE
        master.failover_changed = master.failover_start = 0
        master.promoted = None
        master.reported_master = ("", master.reported_master[1])
        master.link.start_anew(self.now)
        master.reported, master.reported_since = MASTER, self.now
        if tell:
            self.event(WARNING, "+reset-master", master, "")

    def reset_matching(self, pattern: bytes) -> int:
        """SENTINEL RESET: how many masters that were."""
        chosen = [master for name, master in self.masters.items() if match(pattern, bytes_of(name))]
        for master in chosen:
            self.reset(master, tell=True)
        return len(chosen)

    def switch(self, master: Master, host: str, port: int) -> None:
        """The master is elsewhere now; where it was, there is a replica, that will be told."""
        try:
            new = self.address(host, port, may_be_unknown=False)
        except CannotCreate:
            return
        addresses = [one.address for one in master.replicas.values() if not one.address.is_at(new)]
        if not new.is_at(master.address):
            addresses.append(master.address)
        self.reset(master, forget_sentinels=False)
        master.address = new
        master.s_down_since = master.o_down_since = 0
        for address in addresses:
            try:
                replica = self.add_replica(master, address.host, address.port)
            except CannotCreate:
                continue
            self.event(NOTICE, "+slave", replica, "")
        self.save()

    def drop_connections(self, master: Master) -> None:
        """To it and its replicas: what they ask who we are has changed."""
        for instance in (master, *master.replicas.values()):
            self.close(instance.link.commands)
            self.close(instance.link.pubsub)

    def drop_sentinel_connections(self) -> None:
        """To all other sentinels."""
        for master in self.masters.values():
            for sentinel in master.sentinels.values():
                self.close(sentinel.link.commands)

    def moved(self, sentinel: Instance) -> None:
        """A sentinel has another address: with all masters, and it is connected to anew."""
        others = 0
        for master in self.masters.values():
            known = master.sentinels.get(sentinel.runid)
            if known is None:
                continue
            self.close(known.link.commands)
            if known is not sentinel:
                known.address = sentinel.address
                others += 1
        if others:
            self.event(NOTICE, "+sentinel-address-update", sentinel, f"{others} additional matching instances")

    def set_down_after(self, master: Master, ms: int) -> None:
        """Of it, and of all who belong to it."""
        for instance in master.everybody():
            instance.down_after = ms

    # ---- itself
    @property
    def tilt(self) -> bool:
        """Whether the clock made a jump, so that nothing is done but to watch."""
        return self.tilt_since != 0

    def choose_id(self) -> None:
        """A first start: an id, for good."""
        self.myid = secrets.token_hex(ID_LENGTH // 2)
        self.save()

    def believes(self, epoch: int) -> bool:
        """Whether somebody may be in that epoch. One that is near the end of all numbers would leave none for us."""
        return epoch - self.current_epoch <= EPOCH_STEP_MAX

    def new_epoch(self, epoch: int, master: Master) -> None:
        """There is a later one than ours."""
        self.current_epoch = epoch
        self.save()
        self.event(WARNING, "+new-epoch", master, str(epoch), plain=True)

    def check(self) -> None:
        """Assert what must always hold."""
        for name, master in self.masters.items():
            assert master.name == name and not master.gone and master.flags & MASTER
            assert (master.promoted is None) or master.promoted in master.replicas.values()
            for table, kind in ((master.replicas, REPLICA), (master.sentinels, SENTINEL)):
                for key, one in table.items():
                    assert one.name == key and one.master is master and one.flags & kind and not one.gone
        links: dict[int, int] = {}
        for master in self.masters.values():
            for one in master.everybody():
                links[id(one.link)] = links.get(id(one.link), 0) + 1
        for master in self.masters.values():
            for one in master.everybody():
                assert one.link.owners == links[id(one.link)]
                assert one.link.commands is None or one.link.commands.link is one.link
                wants_pubsub = not one.flags & SENTINEL
                assert one.link.disconnected == (
                    one.link.commands is None or (wants_pubsub and one.link.pubsub is None)) or one.link.disconnected
