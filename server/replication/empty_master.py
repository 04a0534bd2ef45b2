"""replica-refuse-empty-master: a master that came back without its data does not make its replicas empty, too.

Such a master begins a history of its own, so its replicas need a full sync, of a snapshot that holds no key. It is told
from a master that somebody emptied: that one's history is ours.
"""

from time import monotonic

from server.config.config import Config

RETRY_SECONDS = 5                      # until a master is asked again: it makes a snapshot each time

REFUSED = (
    "The master at %s:%d has no keys, and its history is not ours: its snapshot would delete the %d keys of this "
    "replica. Nothing was changed, because of replica-refuse-empty-master. To keep these data, make this server the "
    "master: REPLICAOF NO ONE. To follow the empty master nevertheless: CONFIG SET replica-refuse-empty-master no. It "
    "is asked again every %d seconds."
)


class Refusal:
    """That a master's snapshot was refused, for as long as nothing better came of it."""

    def __init__(self) -> None:
        self.lasts = False
        self._at = 0.0

    def begin(self) -> None:
        """It was, now."""
        self.lasts, self._at = True, monotonic()

    def forbids(self, config: Config) -> bool:
        """Whether the master is not to be asked again yet: nobody has said since that its snapshot may come."""
        return bool(self.lasts and config.replica_refuse_empty_master and monotonic() - self._at < RETRY_SECONDS)


def waits_for_a_person(own_keys: int, own_history: str, history: str, holds_keys: bool | None) -> bool:
    """Whether a snapshot must not take the place of our data without somebody's word. own_keys: how many we have;
    history: the snapshot's id, "" from a master that tells none; holds_keys: as rdb_peek.holds_keys found. What cannot
    be read as a snapshot would delete our keys as well."""
    return bool(own_keys and history != own_history and not holds_keys)
