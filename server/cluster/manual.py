"""A manual failover under way: what both sides keep of it.

    the replica: MFSTART ->             the master: holds its writers, and marks what it sends with PAUSED
    hears PAUSED and an offset  <-      PING
    has all up to that offset: asks for votes, which are given although the master is up
"""

from server.cluster.node import Node

MANUAL_MS = 5000            # then it is given up
PAUSE_MS = 2 * MANUAL_MS    # so long the master holds its writers at the most


class ManualFailover:
    """until: ms when it is given up, 0: none is under way. replica: that asked us, as its master. master_offset: what
    our master has written, None: not told yet. may_start: votes may be asked for."""

    def __init__(self) -> None:
        self.until = 0
        self.replica: Node | None = None
        self.master_offset: int | None = None
        self.may_start = False

    @property
    def active(self) -> bool:
        """Whether one is under way."""
        return self.until != 0

    def clear(self) -> bool:
        """It is over. Returns whether our writers are held for it."""
        held = self.replica is not None
        self.until = 0
        self.replica = None
        self.master_offset = None
        self.may_start = False
        return held
