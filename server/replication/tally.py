"""What replication has done since the start or CONFIG RESETSTAT: syncs by kind, result and reason, links that came and
went, bytes in both directions. Times of last full syncs are facts, not statistics, and stay.

A full sync of a replica of ours begins for one of these reasons:

    new        it knows no history (PSYNC ?)
    sync       it spoke SYNC, which knows none
    history    it knows one that is not ours
    offset     it has bytes of our history, or of the one before, that we do not have
    backlog    what it is missing is not in the backlog any more
"""

from functools import lru_cache

from server.registry.clock import unix_seconds

NEW, OLD_SYNC, HISTORY, OFFSET, BACKLOG = REASONS = ("new", "sync", "history", "offset", "backlog")
MASTER, REPLICA = SIDES = ("master", "replica")                # what we were in it
RESULTS = ("full_ok", "full_err", "partial_ok", "partial_err")
UP, DOWN = STATES = ("up", "down")
_NO_SYNCS = {(side, result): 0 for side in SIDES for result in RESULTS}
_NO_REASONS = dict.fromkeys(REASONS, 0)
_NO_LINKS = dict.fromkeys(STATES, 0)


class Tally:
    """The counters of one server."""

    def __init__(self) -> None:
        self.last_full = dict.fromkeys(SIDES, 0)               # when one ended well, Unix seconds; 0: never
        self.reset()

    def reset(self) -> None:
        """CONFIG RESETSTAT."""
        self.syncs = _NO_SYNCS.copy()
        self.reasons = _NO_REASONS.copy()                      # full syncs that our replicas began
        self.links = _NO_LINKS.copy()                          # to our master
        self.received = 0                                      # bytes from masters, and ...
        self.sent = 0                                          # ... to replicas, by connections that are gone

    def ended(self, side: str, result: str) -> None:
        """A sync came to its end (a full one), or was decided upon (a partial one)."""
        self.syncs[side, result] += 1
        if result == "full_ok":
            self.last_full[side] = unix_seconds()

    def lines(self) -> tuple[tuple[str, str], ...]:
        """As INFO syncs shows them: as_master, as_replica, syncs that ended, by result, and when a full one last ended
        well, in Unix seconds. Then why replicas of ours had to begin a full one, and how often the link to our master
        came and went."""
        return _lines(tuple(self.syncs.values()), tuple(self.last_full.values()), tuple(self.reasons.values()),
                      tuple(self.links.values()))


@lru_cache(maxsize=1)
def _lines(syncs: tuple[int, ...], last_full: tuple[int, ...], reasons: tuple[int, ...],
           links: tuple[int, ...]) -> tuple[tuple[str, str], ...]:
    """Counters in the order of their names. The same object as long as nothing changes: INFO does not write it anew."""
    many = len(RESULTS)
    sides = [(f"as_{side}", f"{_listed(RESULTS, syncs[n * many:])},last_full={last_full[n]}")
             for n, side in enumerate(SIDES)]
    return (*sides, ("full_sync_reasons", _listed(REASONS, reasons)), ("master_link_changes", _listed(STATES, links)))


def _listed(names: tuple[str, ...], counts: tuple[int, ...]) -> str:
    return ",".join([f"{name}={count}" for name, count in zip(names, counts)])
