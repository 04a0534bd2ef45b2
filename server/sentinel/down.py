"""Who is down: as we see it (S_DOWN), and as enough of the sentinels do (O_DOWN), which a failover begins with."""

from server.sentinel.actions import NOTICE, WARNING
from server.sentinel.instance import (
    MASTER,
    MASTER_DOWN,
    MASTER_REBOOT,
    NONE,
    O_DOWN,
    REPLICA,
    S_DOWN,
    SCRIPT_KILL_SENT,
    Instance,
    Master,
)
from server.sentinel.links import SILENT_PUBLISH_PERIODS, Links
from server.sentinel.state import State, is_id
from server.sentinel.words import text_of

STALE_ASK_PERIODS = 5               # what another sentinel said is forgotten then


class Down:
    """Looks at who is down."""

    def __init__(self, state: State, links: Links) -> None:
        self._state = state
        self._links = links

    # ---- for us
    def look(self, instance: Instance) -> None:
        """At one instance."""
        state, link = self._state, instance.link
        self._doubt(instance)
        silent = 0
        if link.ping_pending:
            silent = state.now - link.ping_pending
        elif link.disconnected:
            silent = state.now - link.available
        if silent > instance.down_after or (isinstance(instance, Master) and self._is_no_master(instance)):
            if not instance.flags & S_DOWN:
                state.event(WARNING, "+sdown", instance, "")
                instance.s_down_since = state.now
                instance.flags |= S_DOWN
        elif instance.flags & S_DOWN:
            state.event(WARNING, "-sdown", instance, "")
            instance.flags &= ~(S_DOWN | SCRIPT_KILL_SENT)

    def _doubt(self, instance: Instance) -> None:
        """Wires that are open and say nothing are opened anew."""
        state, link, timings = self._state, instance.link, self._state.settings.timings
        least, half = timings.min_link_reconnect_period, instance.down_after // 2
        if (link.ping_pending and link.commands is not None and state.now - link.commands.since > least
                and state.now - link.ping_pending > half and state.now - link.ponged > half):
            state.close(link.commands)
        if (link.pubsub is not None and state.now - link.pubsub.since > least
                and state.now - link.pubsub_heard > timings.publish_period * SILENT_PUBLISH_PERIODS):
            state.close(link.pubsub)

    def _is_no_master(self, master: Master) -> bool:
        """It has said for long enough that it is a replica; or it came back without its data, and takes too long."""
        now = self._state.now
        patience = master.down_after + self._state.settings.timings.info_period * 2
        return (master.reported == REPLICA and now - master.reported_since > patience) or (
            bool(master.flags & MASTER_REBOOT) and now - master.reboot_since > master.reboot_down_after)

    # ---- for enough of us
    def look_together(self, master: Master) -> None:
        """Whether the quorum sees it down."""
        state = self._state
        agree = 0
        if master.flags & S_DOWN:
            agree = 1 + sum(bool(one.flags & MASTER_DOWN) for one in master.sentinels.values())
        if agree and agree >= master.quorum:
            if not master.flags & O_DOWN:
                state.event(WARNING, "+odown", master, f"#quorum {agree}/{master.quorum}")
                master.flags |= O_DOWN
                master.o_down_since = state.now
        elif master.flags & O_DOWN:
            state.event(WARNING, "-odown", master, "")
            master.flags &= ~O_DOWN

    def ask(self, master: Master, *, at_once: bool = False) -> None:
        """The others, whether they see it down, and for whom they vote. at_once: even those who have just answered."""
        state, period = self._state, self._state.settings.timings.ask_period
        candidate = state.myid if master.failover_state > NONE else "*"
        for sentinel in master.sentinels.values():
            since = state.now - sentinel.master_down_told_at
            if since > period * STALE_ASK_PERIODS:
                sentinel.flags &= ~MASTER_DOWN
                sentinel.leader = ""
            if not master.flags & S_DOWN or sentinel.link.disconnected or sentinel.link.commands is None:
                continue
            if at_once or since >= period:
                self._links.ask_about(sentinel, candidate)

    def told(self, sentinel: Instance, value: object) -> None:
        """What another sentinel answered: [down, vote or "*", the epoch of that]."""
        if not isinstance(value, list) or len(value) != 3:
            return
        down, leader, epoch = value
        if not isinstance(down, int) or not isinstance(leader, bytes) or not isinstance(epoch, int):
            return
        if not is_id(text_of(leader)):
            return
        sentinel.master_down_told_at = self._state.now
        if down == 1:
            sentinel.flags |= MASTER_DOWN
        else:
            sentinel.flags &= ~MASTER_DOWN
        if leader != b"*":
            if epoch != sentinel.leader_epoch:
                self._state.note(NOTICE, f"{sentinel.name} voted for {text_of(leader)} {epoch}")
            sentinel.leader, sentinel.leader_epoch = text_of(leader), epoch

    def is_down_for_us(self, master: Master | None) -> bool:
        """What we answer the others. In tilt mode we do not know."""
        return master is not None and not self._state.tilt and bool(master.flags & S_DOWN and master.flags & MASTER)
