"""What INFO says of a master or a replica, and what is done about it: a promotion that has come true, a replica that
claims to be a master, or follows another one."""

from server.registry.args import leading_integer as number
from server.sentinel.actions import NOTICE, VERBOSE, WARNING, Exit, Note
from server.sentinel.instance import (
    DOWN,
    FAILOVER_IN_PROGRESS,
    MASTER,
    MASTER_REBOOT,
    PROMOTED,
    RECONF_DONE,
    RECONF_INPROG,
    RECONF_SENT,
    RECONF_SLAVES,
    REPLICA,
    WAIT_PROMOTION,
    Instance,
    Master,
)
from server.sentinel.links import Links
from server.sentinel.settings import AFTER_PROMOTION, CRASH_STATUS
from server.sentinel.state import ID_LENGTH, KNOWN_MAX, CannotCreate, State
from server.sentinel.words import text_of

LOOKED_AT = (b"role", b"slave", b"master_host", b"master_port", b"master_link", b"replica_announced")
WAIT_PUBLISH_PERIODS = 4            # before a replica that claims to be a master is told otherwise


def fields_of(text: bytes) -> dict[bytes, bytes]:
    """INFO's text: values by name, of the fields that are looked at: run_id, and some of the section with the role, of
    which it is the first. The others are not taken apart. Complexity: O(bytes)"""
    lines = []
    run_id = text.find(b"\nrun_id:") + 1
    if run_id or text.startswith(b"run_id:"):
        lines.append(text[run_id:text.find(b"\r\n", run_id)])
    role = text.rfind(b"\nrole:") + 1           # that section is one of the last
    if role or text.startswith(b"role:"):
        end = text.find(b"\r\n\r\n", role)
        section = text[role:] if end < 0 else text[role:end]
        lines += [line for line in section.split(b"\r\n") if line.startswith(LOOKED_AT)]
    return dict([line.split(b":", 1) for line in lines if b":" in line])


def replica_of(value: bytes) -> tuple[str, int] | None:
    """slave0's value, of today (ip=...,port=...) or of old (ip,port,state): ip and port."""
    parts = value.split(b",")
    named = dict(part.split(b"=", 1) for part in parts if b"=" in part)
    if b"ip" in named and b"port" in named:
        return text_of(named[b"ip"]), number(named[b"port"])
    if named or len(parts) < 3:
        return None
    return text_of(parts[0]), number(parts[1])


class Observed:
    """Takes INFO in."""

    def __init__(self, state: State, links: Links) -> None:
        self._state = state
        self._links = links

    def receive(self, instance: Instance, text: bytes) -> None:
        """An INFO has come. Complexity: O(its lines)"""
        state = self._state
        fields = fields_of(text)
        instance.info = text
        self._run_id(instance, fields.get(b"run_id", b""))
        if isinstance(instance, Master):
            self._replicas(instance, fields)
        instance.master_link_down_ms = number(fields.get(b"master_link_down_since_seconds", b"0")) * 1000
        role = {b"master": MASTER, b"slave": REPLICA}.get(fields.get(b"role", b""), 0)
        if role == REPLICA:
            self._as_replica(instance, fields)
        instance.info_at = state.now
        if role != instance.reported:
            self._new_role(instance, role)
        if not state.tilt and instance.flags & REPLICA:
            self._act(instance, role)

    def _run_id(self, instance: Instance, said: bytes) -> None:
        if len(said) < ID_LENGTH:
            return
        runid = text_of(said[:ID_LENGTH])
        if instance.runid and instance.runid != runid:
            self._state.event(NOTICE, "+reboot", instance, "")
            if isinstance(instance, Master) and instance.reboot_down_after:
                instance.flags |= MASTER_REBOOT
                instance.reboot_since = self._state.now
        instance.runid = runid

    def _replicas(self, master: Master, fields: dict[bytes, bytes]) -> None:
        """Whom a master has: those that are new are watched, too."""
        state = self._state
        for name, value in fields.items():
            if len(master.replicas) >= KNOWN_MAX:
                return
            if not name.startswith(b"slave") or not name[5:6].isdigit():
                continue
            at = replica_of(value)
            if at is None or state.replica_at(master, *at) is not None:
                continue
            try:
                replica = state.add_replica(master, *at)
            except CannotCreate:
                continue
            state.event(NOTICE, "+slave", replica, "")
            state.save()

    def _as_replica(self, instance: Instance, fields: dict[bytes, bytes]) -> None:
        host, port = instance.reported_master
        said_host = text_of(fields[b"master_host"]) if b"master_host" in fields else host
        said_port = number(fields[b"master_port"]) if b"master_port" in fields else port
        if said_host.lower() != host.lower() or said_port != port:
            instance.reported_master = (said_host, said_port)
            instance.master_changed_at = self._state.now
        if b"master_link_status" in fields:
            instance.link_up = fields[b"master_link_status"].lower() == b"up"
        instance.priority = number(fields.get(b"slave_priority", b"%d" % instance.priority))
        instance.offset = number(fields.get(b"slave_repl_offset", b"%d" % instance.offset))
        instance.announced = bool(number(fields.get(b"replica_announced", b"%d" % instance.announced)))

    def _new_role(self, instance: Instance, role: int) -> None:
        now = self._state.now
        instance.reported, instance.reported_since = role, now
        if role == REPLICA:
            instance.master_changed_at = now
        sign = "+" if instance.flags & (MASTER | REPLICA) == role else "-"
        self._state.event(VERBOSE, f"{sign}role-change", instance,
                          f"new reported role is {'master' if role == MASTER else 'slave'}")

    # ---- what is done about a replica
    def _act(self, replica: Instance, role: int) -> None:
        if role == MASTER:
            master = replica.owner
            if (replica.flags & PROMOTED and master.flags & FAILOVER_IN_PROGRESS
                    and master.failover_state == WAIT_PROMOTION):
                self._promoted(replica, master)
            else:
                self._claims_to_be_master(replica)
            return
        if role == REPLICA:
            self._follows_another(replica)
            self._reconfigured(replica)

    def _promoted(self, replica: Instance, master: Master) -> None:
        """It is the master now: by the epoch that we were elected for, so that the others will follow us."""
        state = self._state
        master.config_epoch = master.failover_epoch
        master.failover_state = RECONF_SLAVES
        master.failover_changed = state.now
        state.save()
        state.event(WARNING, "+promoted-slave", replica, "")
        crash(state, AFTER_PROMOTION)
        state.event(WARNING, "+failover-state-reconf-slaves", master, "")
        state.reconfigure_clients(master, "leader", master.address, replica.address)
        self._links.hello_soon(master)

    def _claims_to_be_master(self, replica: Instance) -> None:
        """It is told otherwise, after a while in which we may hear of a later configuration."""
        state = self._state
        wait = state.settings.timings.publish_period * WAIT_PUBLISH_PERIODS
        master = replica.owner
        if (not replica.flags & PROMOTED and self.looks_sane(master) and replica.no_down_for(wait, state.now)
                and state.now - replica.reported_since > wait and self._links.follow(replica, master.address)):
            state.event(NOTICE, "+convert-to-slave", replica, "")

    def _follows_another(self, replica: Instance) -> None:
        """It is told whom to follow."""
        state, master = self._state, replica.owner
        host, port = replica.reported_master
        if port == master.address.port and state.is_host(master.address, host):
            return
        wait = master.failover_timeout
        if (self.looks_sane(master) and replica.no_down_for(wait, state.now)
                and state.now - replica.master_changed_at > wait and self._links.follow(replica, master.address)):
            state.event(NOTICE, "+fix-slave-config", replica, "")

    def _reconfigured(self, replica: Instance) -> None:
        """It was told of its new master: how far is it?"""
        state, promoted = self._state, replica.owner.promoted
        host, port = replica.reported_master
        if (replica.flags & RECONF_SENT and promoted is not None and host
                and port == promoted.address.port and state.is_host(promoted.address, host)):
            replica.flags = replica.flags & ~RECONF_SENT | RECONF_INPROG
            state.event(NOTICE, "+slave-reconf-inprog", replica, "")
        if replica.flags & RECONF_INPROG and replica.link_up:
            replica.flags = replica.flags & ~RECONF_INPROG | RECONF_DONE
            state.event(NOTICE, "+slave-reconf-done", replica, "")

    def looks_sane(self, master: Master) -> bool:
        """Whether a master says that it is one, is up, and has said so lately."""
        return (master.reported == MASTER and not master.flags & DOWN
                and self._state.now - master.info_at < self._state.settings.timings.info_period * 2)


def crash(state: State, when: str) -> None:
    """SENTINEL SIMULATE-FAILURE, if that was asked for."""
    if when in state.settings.crash_after:
        state.outbox.add(Note(WARNING, "Sentinel CRASH because of SENTINEL simulate-failure"))
        state.outbox.add(Exit(CRASH_STATUS))
