"""The whole of a sentinel's state, driven from outside: by time, by replies and messages, by the ends of wires.

    protocol.tick(now)                    ten to twenty times a second
    protocol.opened(wire, local_ip, now)  } what comes of actions (actions.py),
    protocol.received(wire, value, now)   } which lie in `state.outbox` after each of these calls
    protocol.lost(wire, now)              }
    protocol.hello / is_master_down       what other sentinels ask

No socket, no clock and no file is used in here; chance comes from `state.rng`.
"""

from server.registry.errors import CommandError
from server.registry.reply import Verbatim
from server.sentinel.actions import WARNING
from server.sentinel.down import Down
from server.sentinel.election import Election
from server.sentinel.failover import Failovers
from server.sentinel.hello import Hellos
from server.sentinel.instance import (
    DISCARDED,
    INFO,
    IS_MASTER_DOWN,
    MASTER,
    MASTER_REBOOT,
    NONE,
    PING,
    PUBLISH,
    REPLICA,
    S_DOWN,
    SCRIPT_KILL_SENT,
    UPDATE_CONFIG,
    Instance,
    Master,
    Wire,
)
from server.sentinel.links import Links
from server.sentinel.observed import Observed
from server.sentinel.state import State, is_id

UNKNOWN = -1                        # Master.quiet_until behind a look: until the next tick, when answers are there
ALIVE = ("PONG", "LOADING", "MASTERDOWN")      # answers to PING of somebody who serves, or will


class Protocol:
    """One sentinel."""

    def __init__(self, state: State) -> None:
        self.state = state
        self.links = Links(state)
        self.down = Down(state, self.links)
        self.election = Election(state)
        self.failovers = Failovers(state, self.links, self.down, self.election)
        self.observed = Observed(state, self.links)
        self.hellos = Hellos(state)

    def start(self, now: int) -> None:
        """Once, when the configuration is read."""
        state = self.state
        state.now = state.previous_tick = now
        if not state.myid:
            state.choose_id()
        for master in state.masters.values():
            state.event(WARNING, "+monitor", master, f"quorum {master.quorum}")

    # ---- time
    def tick(self, now: int) -> None:
        """Look at everybody."""
        state = self.state
        state.now = now
        self._look_at_clock(now)
        if now <= state.quiet_until and not state.tilt_since:
            return
        ended, state.quiet_until = None, 0
        for master in state.masters.values():
            if master.quiet_until == UNKNOWN:
                master.quiet_until = self._quiet_until(master)
            if now > master.quiet_until or state.tilt_since:
                for instance in master.everybody():
                    self._look_at(instance)
                master.quiet_until = UNKNOWN
                if master.failover_state == UPDATE_CONFIG:
                    ended = master
        state.quiet_until = min([master.quiet_until for master in state.masters.values()], default=0)
        if ended is not None:
            self.failovers.switch(ended)

    def _quiet_until(self, master: Master) -> int:
        """When something may be due next; 0: at once. With a hundred masters nothing is, nearly always."""
        if master.failover_state != NONE or master.reported != MASTER:
            return 0
        due = self.links.due(master)
        for table in (master.replicas, master.sentinels):
            for instance in table.values():
                due = min(due, self.links.due(instance))
        return due

    def _look_at_clock(self, now: int) -> None:
        """A clock that jumps makes everybody seem down: nothing is done about that for a while (tilt)."""
        state, timings = self.state, self.state.settings.timings
        passed, state.previous_tick = now - state.previous_tick, now
        if passed < 0 or passed > timings.tilt_trigger:
            state.tilt_since = now
            state.event(WARNING, "+tilt", None, "#tilt mode entered")
        elif state.tilt_since and now - state.tilt_since >= timings.tilt_period:
            state.tilt_since = 0
            state.event(WARNING, "-tilt", None, "#tilt mode exited")

    def _look_at(self, instance: Instance) -> None:
        self.links.reconnect(instance)
        self.links.periodic(instance)
        if self.state.tilt_since:
            return
        self.down.look(instance)
        if isinstance(instance, Master):
            if instance.flags != MASTER or instance.failover_state != NONE:
                self.down.look_together(instance)
                self.failovers.begin_if_needed(instance)
                self.failovers.step(instance)
            self.down.ask(instance)

    # ---- wires
    def opened(self, wire: Wire, local_ip: str, now: int) -> None:
        """It is open. local_ip: of our end."""
        self.state.now = now
        self.state.wake()
        wire.local_ip = local_ip

    def lost(self, wire: Wire, now: int) -> None:
        """It is gone, or could not be opened."""
        self.state.now = now
        self.state.wake()
        self.state.gone(wire)

    def received(self, wire: Wire, value: object, now: int) -> None:
        """A reply, or a message to who is subscribed. What comes by a wire that we have closed is of no interest."""
        self.state.now = now
        link = wire.link
        if link.commands is not wire and link.pubsub is not wire:
            return
        if wire.is_pubsub and self._is_message(wire, value):
            return
        if not wire.expected:
            return
        kind, instance = wire.expected.popleft()
        link.pending = max(0, link.pending - 1)
        if kind == INFO:
            wire.info_asked = False
        if kind == DISCARDED or instance.gone:
            return
        if kind == PING:
            self._pinged(instance, value)
        elif kind == INFO:
            text = value.text if isinstance(value, Verbatim) else value
            if isinstance(text, bytes):
                quiet = not self.state.outbox
                self.observed.receive(instance, text)
                if instance.flags & REPLICA or quiet and self.state.outbox:
                    self.state.look_at(instance.owner)
        elif kind == PUBLISH:
            if not isinstance(value, CommandError):
                instance.published_at = now
        elif kind == IS_MASTER_DOWN:
            self.down.told(instance, value)
            self.state.look_at(instance.owner)
        elif isinstance(value, CommandError):           # to SUBSCRIBE: nothing will be heard by this wire
            self.state.close(wire)
        else:
            link.pubsub_heard = now

    def _is_message(self, wire: Wire, value: object) -> bool:
        """A hello that was published; our own ones show that the wire lives."""
        if not isinstance(value, list) or len(value) != 3 or value[0] != b"message":
            return False
        wire.link.pubsub_heard = self.state.now
        if isinstance(value[2], bytes) and self.state.myid.encode() not in value[2]:
            self._hello(value[2])
        return True

    def _pinged(self, instance: Instance, value: object) -> None:
        state, link = self.state, instance.link
        link.ponged = state.now
        text = value.text.decode("latin-1") if isinstance(value, CommandError) else value
        if not isinstance(text, str):
            return
        if text.startswith(ALIVE):
            link.available = state.now
            link.ping_pending = 0
            if text.startswith("PONG"):
                instance.flags &= ~MASTER_REBOOT
        elif text.startswith("BUSY") and instance.flags & S_DOWN and not instance.flags & SCRIPT_KILL_SENT:
            self.links.kill_script(instance)
            instance.flags |= SCRIPT_KILL_SENT

    # ---- what other sentinels ask
    def hello(self, text: bytes, now: int) -> None:
        """One was said to us directly."""
        self.state.now = now
        self._hello(text)

    def _hello(self, text: bytes) -> None:
        quiet = not self.state.outbox
        self.hellos.receive(text)
        if quiet and self.state.outbox:        # it has changed something
            self.state.wake()

    def is_master_down(self, host: str, port: int, epoch: int, candidate: str, now: int) -> tuple[bool, str, int]:
        """SENTINEL IS-MASTER-DOWN-BY-ADDR: (whether we see it down, our vote or "*", the vote's epoch)."""
        state = self.state
        state.now = now
        state.wake()
        master = state.master_at(host, port)
        leader, leader_epoch = "", 0
        if master is not None and candidate != "*" and is_id(candidate) and state.believes(epoch):
            leader, leader_epoch = self.election.vote(master, epoch, candidate)
        return self.down.is_down_for_us(master), leader or "*", leader_epoch
