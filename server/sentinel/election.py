"""Who may fail over a master: the sentinel that the majority voted for, and the quorum at least, in one epoch.

A sentinel votes once in an epoch and for one master: for the first who asks. The vote is on disk before it is told.
"""

from collections import Counter

from server.sentinel.actions import WARNING
from server.sentinel.instance import Master
from server.sentinel.state import State

DESYNC_MS = 1000                    # sentinels that could all begin at once do so at times that differ by up to this


class Election:
    """Votes, and counts votes."""

    def __init__(self, state: State) -> None:
        self._state = state

    def vote(self, master: Master, epoch: int, candidate: str) -> tuple[str, int]:
        """Somebody asks for our vote, maybe ourselves. Returns our vote and its epoch, which may be an older one; "" if
        there never was one."""
        state = self._state
        if epoch > state.current_epoch:
            state.new_epoch(epoch, master)
        if master.leader_epoch < epoch and state.current_epoch <= epoch:
            master.leader = candidate
            master.leader_epoch = state.current_epoch
            state.save()
            state.event(WARNING, "+vote-for-leader", master, f"{master.leader} {master.leader_epoch}", plain=True)
            if candidate.lower() != state.myid:
                master.failover_start = state.now + state.rng.randrange(DESYNC_MS)     # we let it try first
        return master.leader, master.leader_epoch

    def leader(self, master: Master, epoch: int) -> str:
        """Who is elected for that epoch; "" while nobody is. We vote, too, if we did not: as most others do, else for
        ourselves."""
        state = self._state
        votes = Counter(one.leader for one in master.sentinels.values()
                        if one.leader and one.leader_epoch == epoch)
        favourite = max(votes, key=lambda runid: votes[runid], default="")
        mine, mine_epoch = self.vote(master, epoch, favourite or state.myid)
        if mine and mine_epoch == epoch:
            votes[mine] += 1
        winner = max(votes, key=lambda runid: votes[runid], default="")
        majority = (len(master.sentinels) + 1) // 2 + 1
        return winner if winner and votes[winner] >= max(majority, master.quorum) else ""
