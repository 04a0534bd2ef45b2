"""Who must hear that a key changed: watchers, tracking, keyspace notifications, blocked clients.

A command reports once (`call.changed`); this is the one place that spreads it. AOF and replicas hear of commands, not
of keys: that is `dispatch.propagate`. Redis does the same in signalModifiedKey and notifyKeyspaceEvent.
"""

from collections.abc import Callable

from server.keyspace.database import Database
from server.registry.light import Protocol

NOBODY = -1                     # a key that expired or was evicted: no client's command changed it
# Two letters of notify-keyspace-events; the others are classes, and this is the class of every event by its name.
KEYSPACE, KEYEVENT = "K", "E"
EVENT_CLASS = {
    event: letter
    for letter, events in {
        "g": "del rename_from rename_to expire persist copy_to move_from move_to restore sortstore",
        "$": "set setrange setbit incrby incrbyfloat append getdel pfadd",
        "l": "lpush rpush lpop rpop linsert lset lrem ltrim",
        "s": "sadd srem spop sinterstore sunionstore sdiffstore",
        "h": "hset hincrby hincrbyfloat hdel",
        "z": "zadd zincr zrem zremrangebyscore zremrangebyrank zremrangebylex zdiffstore zinterstore zunionstore "
        "zpopmin zpopmax zrangestore geosearchstore georadiusstore",
        "t": "xadd xtrim xdel xgroup-create xgroup-createconsumer xgroup-delconsumer xgroup-destroy xgroup-setid "
        "xsetid",
        "x": "expired",
        "e": "evicted",
        "m": "keymiss",
        "n": "new",
    }.items()
    for event in events.split()
}
EVENT_CLASS["sortstore"] = "l"


class Propagates(Protocol):
    """Who tells AOF and replicas: dispatch.propagate."""

    def also(self, db: Database, argv: list[bytes]) -> None:
        """Tell them a command."""


class Effects:
    """The spreader. Rooms above fill the hooks: `tell(db index, event, key)`, `tracked(key, by)`, `ready(db, key)`,
    `watched_changed(db, key)`."""

    def __init__(self) -> None:
        self.classes = ""       # of keyspace events that somebody may hear of: nothing is made of an event of another
        self.tell: Callable[[int, str, bytes], None] | None = None  # who listens (clients.key_events)
        self.tracked: Callable[[bytes, int], None] | None = None  # client-side caching; None: nobody has read anything
        self.ready: Callable[[Database, bytes], None] | None = None  # a key that somebody is blocked on may be ready
        self.watched_changed: Callable[[Database, bytes], None] | None = None

    def changed(self, db: Database, key: bytes, event: str | None, by: int = NOBODY) -> None:
        """A key of db changed: tell all. by: id of the client whose command did it, 0 for a script.

        Complexity: O(N) where N is the number of clients that watch the key or have read it.
        """
        if db.watched and key in db.watched and self.watched_changed is not None:
            self.watched_changed(db, key)
        if self.tracked is not None:
            self.tracked(key, by)
        if db.blocking and key in db.blocking and self.ready is not None:
            self.ready(db, key)
        if self.classes and event is not None:
            self.notify(db, event, key)

    def notify(self, db: Database, event: str, key: bytes) -> None:
        """Tell who listens to __keyspace@db__:key and __keyevent@db__:event, if notify-keyspace-events says so."""
        if self.classes and self.tell is not None and EVENT_CLASS.get(event, "d") in self.classes:
            self.tell(db.index, event, key)
