"""A master's vote: one for each epoch, and for replicas of one master not more often than every two node timeouts."""

from collections.abc import Callable

from server.cluster.actions import Outbox
from server.cluster.messages import FORCE_ACK, Message
from server.cluster.node import Node
from server.cluster.settings import Settings
from server.cluster.speaker import Speaker
from server.cluster.view import View


class Votes:
    """What a master is asked for by replicas that want to take over."""

    def __init__(self, view: View, settings: Callable[[], Settings], speaker: Speaker, out: Outbox) -> None:
        self._view = view
        self._settings = settings
        self._speaker = speaker
        self._out = out

    def asked(self, replica: Node, request: Message, now: int) -> None:
        """FAILOVER_AUTH_REQUEST came. The vote is on disk before it leaves."""
        view = self._view
        if view.myself not in view.voters:
            return
        why = self._refusal(replica, request, now)
        if why:
            self._out.note("warning", f"Failover auth denied to {replica.name} ({replica.nodename}): {why}")
            return
        view.last_vote_epoch = view.current_epoch
        assert replica.master is not None
        replica.master.voted_time = now
        self._out.changed(fsync=True)
        self._speaker.vote(replica)
        self._out.note("notice", f"Failover auth granted to {replica.name} ({replica.nodename}) for epoch "
                                 f"{view.current_epoch}")

    def _refusal(self, replica: Node, request: Message, now: int) -> str:
        """Why it gets none; "" if it does."""
        view = self._view
        master = replica.master
        if request.current_epoch < view.current_epoch:
            return f"reqEpoch ({request.current_epoch}) < curEpoch({view.current_epoch})"
        if view.last_vote_epoch == view.current_epoch:
            return f"already voted for epoch {view.current_epoch}"
        if replica.is_master:
            return "it is a master node"
        if master is None:
            return "I don't know its master"
        if not master.failed and not request.marks & FORCE_ACK:
            return "its master is up"
        wait = 2 * self._settings().node_timeout - (now - master.voted_time)
        if wait > 0:
            return f"can't vote about this master before {wait} milliseconds"
        for owner in view.owners_of(request.slots & ~view.unclaimed):
            if owner.config_epoch > request.config_epoch:
                disputed = owner.slots & request.slots & ~view.unclaimed
                slot = (disputed & -disputed).bit_length() - 1
                return f"slot {slot} epoch ({owner.config_epoch}) > reqEpoch ({request.config_epoch})"
        return ""
