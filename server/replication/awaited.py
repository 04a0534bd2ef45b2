"""The master's side of a sync over two connections: what a snapshot's replica will ask for next is kept until it does.

    first connection    PSYNC -> +DUALCHANNELSYNC                        REPLCONF set-rdb-client-id, PSYNC -> the stream
    second connection              SYNC -> $ENDOFF:offset .. client id, the snapshot         ^ from that offset

Between the two PSYNCs its place in the stream is held by the second connection's feed, which sends nothing. A snapshot
may be over before its replica asks: then the place outlives the connection for a while.
"""

from collections.abc import Callable

from server.config.config import Config
from server.replication.replica import Replica

GRACE_SECONDS = 60.0                   # for a replica that has its snapshot and did not ask for the stream yet


class Awaited:
    """Replicas whose first connection is still to ask for the stream, by the client id of the second one.
    release(replica) lets go of its place in the stream."""

    def __init__(self, config: Config, release: Callable[[Replica], None]) -> None:
        self._config = config
        self._release = release
        self._replicas: dict[int, Replica] = {}
        self._gone: dict[int, float] = {}      # of these the second connection is gone, since then

    def __len__(self) -> int:
        """replicas_waiting_psync."""
        return len(self._replicas)

    def __contains__(self, id: int) -> bool:
        return id in self._replicas

    def add(self, replica: Replica) -> None:
        """Its snapshot is being taken."""
        self._replicas[replica.client.id] = replica

    def came(self, id: int) -> bool:
        """The first connection asked for the stream: whether it was awaited. What was held for it is its own now."""
        known = id in self._replicas
        self._drop(id)
        return known

    def keeps(self, replica: Replica, whole: bool, now: float) -> bool:
        """The second connection is gone. whole: with all of the snapshot. Whether the place in the stream is kept."""
        id = replica.client.id
        if not whole or id not in self._replicas:
            self._replicas.pop(id, None)
            return False
        self._gone[id] = now
        return True

    def tick(self, now: float) -> None:
        """From the cron: who does not come in time, or lets more than the output limit of a replica wait, is not
        awaited any more. (While the second connection is there, its own limits are looked at.)"""
        limit = self._config.client_output_buffer_limit["replica"].hard_limit_bytes
        for id, since in list(self._gone.items()):
            if now - since > GRACE_SECONDS or 0 < limit <= self._replicas[id].waiting:
                self._drop(id)

    def clear(self) -> None:
        """The history ends."""
        for id in list(self._replicas):
            self._drop(id)

    def _drop(self, id: int) -> None:
        self._gone.pop(id, None)
        replica = self._replicas.pop(id, None)
        if replica is not None:
            self._release(replica)
