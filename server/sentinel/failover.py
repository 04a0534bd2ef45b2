"""A failover, from the election to the last replica that follows the new master.

    begin -> WAIT_START -> SELECT_SLAVE -> SEND_SLAVEOF_NOONE -> WAIT_PROMOTION -> RECONF_SLAVES -> UPDATE_CONFIG
             elected?      the best one    told               INFO says so       told, few at once   the master is there

Up to WAIT_PROMOTION it may be called off; from there on it goes to its end, for others know of it.
"""

import time

from server.sentinel.actions import NOTICE, WARNING
from server.sentinel.down import Down
from server.sentinel.election import DESYNC_MS, Election
from server.sentinel.instance import (
    DOWN,
    FAILOVER_IN_PROGRESS,
    FORCE_FAILOVER,
    NONE,
    O_DOWN,
    PROMOTED,
    RECONF_DONE,
    RECONF_INPROG,
    RECONF_SENT,
    RECONF_SLAVES,
    S_DOWN,
    SELECT_SLAVE,
    SEND_SLAVEOF_NOONE,
    UPDATE_CONFIG,
    WAIT_PROMOTION,
    WAIT_START,
    Instance,
    Master,
)
from server.sentinel.links import Links
from server.sentinel.observed import crash
from server.sentinel.settings import AFTER_ELECTION
from server.sentinel.state import State

FRESH_PERIODS = 5                   # of PING: a replica that has not answered for longer is not promoted,
FRESH_INFO_PERIODS = 3              # ... nor one whose INFO is older than that
ANSWER_MS = 1000                    # so long INFO that is newer than the master's end is waited for
DOWN_AFTER_LINK = 10                # its link to the master may be down for so many down-after-periods before that


class Failovers:
    """Replaces masters."""

    def __init__(self, state: State, links: Links, down: Down, election: Election) -> None:
        self._state = state
        self._links = links
        self._down = down
        self._election = election
        self._steps = {
            WAIT_START: self._wait_start,
            SELECT_SLAVE: self._select,
            SEND_SLAVEOF_NOONE: self._promote,
            WAIT_PROMOTION: self._wait_promotion,
            RECONF_SLAVES: self._reconfigure,
        }

    # ---- its beginning
    def begin_if_needed(self, master: Master) -> None:
        """It is down for the quorum, and the last attempt was long enough ago."""
        state = self._state
        if not master.flags & O_DOWN or master.flags & FAILOVER_IN_PROGRESS:
            return
        pause = master.failover_timeout * 2
        if state.now - master.failover_start < pause:
            if master.delay_logged != master.failover_start:
                master.delay_logged = master.failover_start
                until = time.ctime((master.failover_start + pause) / 1000)
                state.note(NOTICE, f"Next failover delay: I will not start a failover before {until}")
            return
        self.begin(master)
        self._down.ask(master, at_once=True)

    def begin(self, master: Master, *, forced: bool = False) -> None:
        """In an epoch of its own. forced: whoever is elected."""
        state = self._state
        self._enter(master, WAIT_START)
        master.flags |= FAILOVER_IN_PROGRESS | (FORCE_FAILOVER if forced else 0)
        state.current_epoch += 1
        master.failover_epoch = state.current_epoch
        state.save()
        state.event(WARNING, "+new-epoch", master, str(state.current_epoch), plain=True)
        state.event(WARNING, "+try-failover", master, "")
        state.look_at(master)
        master.failover_start = state.now + state.rng.randrange(DESYNC_MS)

    def _enter(self, master: Master, failover_state: int) -> None:
        master.failover_state = failover_state
        master.failover_changed = self._state.now

    def abort(self, master: Master) -> None:
        """Call it off: nobody was promoted."""
        assert master.failover_state <= WAIT_PROMOTION
        self._enter(master, NONE)
        master.flags &= ~(FAILOVER_IN_PROGRESS | FORCE_FAILOVER)
        if master.promoted is not None:
            master.promoted.flags &= ~PROMOTED
            master.promoted = None

    # ---- step by step
    def step(self, master: Master) -> None:
        """Go on with it, if one is under way."""
        if master.flags & FAILOVER_IN_PROGRESS and (step := self._steps.get(master.failover_state)) is not None:
            step(master)

    def _wait_start(self, master: Master) -> None:
        state = self._state
        master.failover_epoch = state.current_epoch      # votes are asked for, and counted, in the latest epoch
        elected = self._election.leader(master, master.failover_epoch).lower() == state.myid
        if not elected and not master.flags & FORCE_FAILOVER:
            patience = min(state.settings.timings.election_timeout, master.failover_timeout)
            if state.now - master.failover_start > patience:
                state.event(WARNING, "-failover-abort-not-elected", master, "")
                self.abort(master)
            return
        state.event(WARNING, "+elected-leader", master, "")
        crash(state, AFTER_ELECTION)
        self._enter(master, SELECT_SLAVE)
        state.event(WARNING, "+failover-state-select-slave", master, "")

    def _select(self, master: Master) -> None:
        if self._state.now - master.failover_changed < ANSWER_MS and any(
                master.has_older_word_of(one) and self._may_lead(master, one) for one in master.replicas.values()):
            return                              # it is asked (links.py); without an answer it may be passed over
        replica = self.best_replica(master)
        if replica is None:
            self._state.event(WARNING, "-failover-abort-no-good-slave", master, "")
            self.abort(master)
            return
        self._state.event(WARNING, "+selected-slave", replica, "")
        replica.flags |= PROMOTED
        master.promoted = replica
        self._enter(master, SEND_SLAVEOF_NOONE)
        self._state.event(NOTICE, "+failover-state-send-slaveof-noone", replica, "")

    def best_replica(self, master: Master) -> Instance | None:
        """Who is up and heard of lately, by priority (0: never), then offset, then run id. Complexity: O(replicas)"""
        timings = self._state.settings.timings
        fresh = timings.info_period * FRESH_INFO_PERIODS
        if master.flags & S_DOWN:
            fresh = timings.ping_period * FRESH_PERIODS      # INFO comes each second then
        good = [one for one in master.replicas.values()
                if self._state.now - one.info_at <= fresh and self._may_lead(master, one)]
        return min(good, key=lambda one: (one.priority, -one.offset, not one.runid, one.runid.lower()), default=None)

    def _may_lead(self, master: Master, replica: Instance) -> bool:
        now = self._state.now
        longest_without_master = master.down_after * DOWN_AFTER_LINK
        if master.flags & S_DOWN:
            longest_without_master += now - master.s_down_since
        return (not replica.flags & DOWN and not replica.link.disconnected and replica.priority != 0
                and now - replica.link.available <= self._state.settings.timings.ping_period * FRESH_PERIODS
                and replica.master_link_down_ms <= longest_without_master)

    def _promote(self, master: Master) -> None:
        promoted = master.promoted
        assert promoted is not None
        if promoted.link.disconnected or not self._links.follow(promoted, None):
            self._give_up_in_time(master)
            return
        self._state.event(NOTICE, "+failover-state-wait-promotion", promoted, "")
        self._enter(master, WAIT_PROMOTION)

    def _wait_promotion(self, master: Master) -> None:
        """INFO of the promoted replica goes on from here (observed.py)."""
        self._give_up_in_time(master)

    def _give_up_in_time(self, master: Master) -> None:
        if self._state.now - master.failover_changed > master.failover_timeout:
            self._state.event(WARNING, "-failover-abort-slave-timeout", master, "")
            self.abort(master)

    # ---- the other replicas
    def _reconfigure(self, master: Master) -> None:
        """Tell replicas of their new master, parallel-syncs at a time."""
        state, promoted = self._state, master.promoted
        assert promoted is not None
        self._forget_late(master)
        under_way = sum(bool(one.flags & (RECONF_SENT | RECONF_INPROG)) for one in master.replicas.values())
        for replica in master.replicas.values():
            if under_way >= master.parallel_syncs:
                break
            if replica.flags & (PROMOTED | RECONF_DONE):
                continue
            if replica.flags & (RECONF_SENT | RECONF_INPROG) or replica.link.disconnected:
                continue
            if self._links.follow(replica, promoted.address):
                replica.flags |= RECONF_SENT
                replica.reconf_sent_at = state.now
                state.event(NOTICE, "+slave-reconf-sent", replica, "")
                under_way += 1
        self._end_if_done(master, promoted)

    def _forget_late(self, master: Master) -> None:
        """Replicas that do not do as they were told make way for the next ones; they are put right later. (Redis looks
        only while fewer than parallel-syncs are under way: with 1, one such replica stops all others.)"""
        state = self._state
        patience = state.settings.timings.slave_reconf_timeout
        for replica in master.replicas.values():
            if replica.flags & RECONF_SENT and state.now - replica.reconf_sent_at > patience:
                state.event(NOTICE, "-slave-reconf-sent-timeout", replica, "")
                replica.flags = replica.flags & ~RECONF_SENT | RECONF_DONE

    def _end_if_done(self, master: Master, promoted: Instance) -> None:
        """All who can be reached follow the new master; or it has taken long enough."""
        state = self._state
        if promoted.flags & S_DOWN:
            return
        late = state.now - master.failover_changed > master.failover_timeout
        if late:
            state.event(WARNING, "+failover-end-for-timeout", master, "")
        elif any(not one.flags & (PROMOTED | RECONF_DONE | S_DOWN) for one in master.replicas.values()):
            return
        state.event(WARNING, "+failover-end", master, "")
        self._enter(master, UPDATE_CONFIG)
        for replica in master.replicas.values() if late else ():
            told = PROMOTED | RECONF_DONE | RECONF_SENT
            if not replica.flags & told and not replica.link.disconnected:
                if self._links.follow(replica, promoted.address):
                    state.event(NOTICE, "+slave-reconf-sent-be", replica, "")
                    replica.flags |= RECONF_SENT

    def switch(self, master: Master) -> None:
        """UPDATE_CONFIG: from now on the promoted one is the master."""
        state, new = self._state, (master.promoted or master).address
        old = master.address
        state.event(WARNING, "+switch-master", master,
                    f"{master.name} {state.announced(old)} {old.port} {state.announced(new)} {new.port}", plain=True)
        state.switch(master, new.host, new.port)
