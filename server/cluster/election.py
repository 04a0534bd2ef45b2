"""A replica's side of a failover: wait by rank, ask for votes, take over.

    idle -> waiting (0.5 s for the FAIL to spread, up to 0.5 s by chance, 1 s for each replica that has more data)
         -> asked (a new epoch; all masters are asked, once) -> won: the majority said yes | over: too late, or try
         again

An attempt lasts twice the node timeout (2 s at least) and the next one begins after as long again. `step` is called by
the tick and whenever a vote came.
"""

from __future__ import annotations

from collections.abc import Callable

from server.cluster.actions import Outbox, SlotsMoved
from server.cluster.manual import ManualFailover
from server.cluster.roles import Roles
from server.cluster.settings import Local, Settings
from server.cluster.speaker import Speaker
from server.cluster.view import View
from server.registry.light import TYPE_CHECKING

if TYPE_CHECKING:
    from random import Random

FIXED_DELAY_MS = 500
RANDOM_DELAY_MS = 500
RANK_DELAY_MS = 1000
RELOG_MS = 10_000
QUIET_MS = 5000             # beyond the node timeout, before the log tells why nothing happens

DATA_AGE = ("Disconnected from master for longer than allowed. Please check the 'cluster-replica-validity-factor' "
            "configuration option.")
WAITING_DELAY = "Waiting the delay before I can start a new failover."
EXPIRED = "Failover attempt expired."
WAITING_VOTES = "Waiting for votes, but majority still not reached."


class Election:
    """The attempts of one replica. at: when the last one begins or began (ms), votes, asked, rank, epoch: of that."""

    def __init__(self, view: View, settings: Callable[[], Settings], local: Local, speaker: Speaker, roles: Roles,
                 manual: ManualFailover, rng: Random, out: Outbox) -> None:
        self._view = view
        self._settings = settings
        self._local = local
        self._speaker = speaker
        self._roles = roles
        self._manual = manual
        self._rng = rng
        self._out = out
        self.at = 0
        self.votes = 0
        self.asked = False
        self.rank = 0
        self.epoch = 0
        self._cannot = ""
        self._cannot_told = 0

    def voted(self, epoch: int) -> None:
        """A master that serves slots voted for us, when its current epoch was this. Votes that were for an earlier
        attempt and come late do not count."""
        if self.asked and epoch >= self.epoch:
            self.votes += 1
            self._out.check_election = True

    def forget(self) -> None:
        """The last attempt is over: the next one may begin at once, and needs votes of its own."""
        self.at = 0
        self.votes = 0
        self.asked = False

    def step(self, now: int) -> None:
        """What is due of a failover."""
        manual = self._manual.active and self._manual.may_start
        if not self._wanted(manual):
            self._cannot = ""
            return
        if not manual and self._too_old(now):
            self._tell_why_not(DATA_AGE, now)
            return
        settings = self._settings()
        lasts = max(2 * settings.node_timeout, 2000)
        age = now - self.at
        if age > 2 * lasts:
            self._schedule(now)
            return
        if not self.asked and not self._manual.active:
            self._fall_back()
        if now < self.at:
            self._tell_why_not(WAITING_DELAY, now)
        elif age > lasts:
            self._tell_why_not(EXPIRED, now)
        elif not self.asked:
            self._ask()
        elif self.votes >= self._view.quorum:
            self._win(now)
        else:
            self._tell_why_not(WAITING_VOTES, now)

    def _wanted(self, manual: bool) -> bool:
        """Whether our master is to be replaced, by us."""
        me = self._view.myself
        master = me.master
        if me.is_master or master is None or not master.slots:
            return False
        return manual or master.failed and not self._settings().replica_no_failover

    def _too_old(self, now: int) -> bool:
        """Whether our data are too old to be the cluster's."""
        settings = self._settings()
        age = self._local.data_age(now)
        if age > settings.node_timeout:
            age -= settings.node_timeout    # for so long nobody could have known
        factor = settings.replica_validity_factor
        return factor > 0 and age > settings.repl_ping_period + settings.node_timeout * factor

    def _current_rank(self) -> int:
        """How many other replicas of our master have more data."""
        me = self._view.myself
        offset = self._local.offset()
        assert me.master is not None
        return sum(other is not me and not other.never_fails_over and other.offset > offset
                   for other in me.master.replicas)

    def _schedule(self, now: int) -> None:
        self.votes = 0
        self.asked = False
        if self._manual.active:
            self.at = now
            self.rank = 0
            self._out.check_election = True
        else:
            self.rank = self._current_rank()
            self.at = now + FIXED_DELAY_MS + self._rng.randrange(RANDOM_DELAY_MS) + self.rank * RANK_DELAY_MS
        self._out.note("notice", f"Start of election delayed for {self.at - now} milliseconds (rank #{self.rank}, "
                                 f"offset {self._local.offset()}).")
        self._speaker.pong_siblings(now)    # they learn how much data we have

    def _fall_back(self) -> None:
        """Others have told that they have more."""
        rank = self._current_rank()
        if rank > self.rank:
            delay = (rank - self.rank) * RANK_DELAY_MS
            self.at += delay
            self.rank = rank
            self._out.note("notice", f"Replica rank updated to #{rank}, added {delay} milliseconds of delay.")

    def _ask(self) -> None:
        view = self._view
        view.current_epoch += 1
        self.epoch = view.current_epoch
        self._out.note("notice", f"Starting a failover election for epoch {self.epoch}.")
        self._speaker.ask_for_votes()
        self.asked = True
        self._out.changed(fsync=True, health=True)

    def _win(self, now: int) -> None:
        me = self._view.myself
        self._out.note("notice", "Failover election won: I'm the new master.")
        if me.config_epoch < self.epoch:
            me.config_epoch = self.epoch
            self._out.note("notice", f"configEpoch set to {self.epoch} after successful failover")
        self.take_over(now)

    def take_over(self, now: int) -> None:
        """Take our master's place, its slots and all; the epoch for that is ours already."""
        view = self._view
        old = view.myself.master
        if view.myself.is_master or old is None:
            return
        self._roles.lead()
        taken = old.slots
        view.release(taken)
        view.assign(view.myself, taken)
        if taken:
            self._out.add(SlotsMoved(taken))
        self._out.changed(fsync=True, health=True)
        self.forget()
        self._speaker.pong_all(now)
        self._roles.end_manual()

    def _tell_why_not(self, why: str, now: int) -> None:
        """In the log, not again and again."""
        if why == self._cannot and now - self._cannot_told < RELOG_MS:
            return
        self._cannot = why
        master = self._view.myself.master
        if master is not None and master.failed and (
                now - master.fail_time < self._settings().node_timeout + QUIET_MS):
            return
        self._cannot_told = now
        self._out.note("notice", f"Currently unable to failover: {why}")
        if why in (WAITING_VOTES, EXPIRED):
            self._out.note("notice", f"Needed quorum: {self._view.quorum}. Number of votes received so far: "
                                     f"{self.votes}")
