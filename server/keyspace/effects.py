"""Who must hear that a key changed: watchers, tracking, keyspace notifications, blocked clients.

A command reports once (`call.changed`); this is the one place that spreads it. AOF and replicas hear of commands, not
of keys: that is `dispatch.propagate`. Redis does the same in signalModifiedKey and notifyKeyspaceEvent.
"""

from collections.abc import Callable
from typing import Any

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


class Effects:
    """The spreader. Rooms above fill the hooks: `publish(channel, message)`, `tracked(db, key)`, `ready(db, key)`,
    `watched_changed(db, key)`."""

    def __init__(self) -> None:
        self.flags = ""
        self.classes = ""       # of these, those that somebody may hear of: nothing is made of an event of another
        self._heard = False
        self.on_audience: Callable[[str], None] | None = None  # (classes), when that changes
        self.publish: Callable[[bytes, bytes], Any] | None = None
        self.tracked: Callable[[Any, bytes], None] | None = None  # client-side caching (None: nobody tracks)
        self.ready: Callable[[Any, bytes], None] | None = None  # a key that somebody is blocked on may be ready
        self.watched_changed: Callable[[Any, bytes], None] | None = None

    def set_flags(self, letters: str) -> None:
        """notify-keyspace-events, expanded (no A)."""
        self.flags = letters
        self._find_audience()

    def set_heard(self, yes: bool) -> None:
        """Whether somebody listens to a channel of keys, or may by a pattern."""
        self._heard = yes
        self._find_audience()

    def _find_audience(self) -> None:
        told = KEYSPACE in self.flags or KEYEVENT in self.flags
        self.classes = self.flags if told and self._heard else ""
        if self.on_audience is not None:
            self.on_audience(self.classes)

    def changed(self, db: Any, key: bytes, event: str | None) -> None:
        """A key of db changed: tell all. Complexity: O(watchers of the key)."""
        if db.watched and key in db.watched and self.watched_changed is not None:
            self.watched_changed(db, key)
        if self.tracked is not None:
            self.tracked(db, key)
        if db.blocking and key in db.blocking and self.ready is not None:
            self.ready(db, key)
        if self.classes and event is not None:
            self.notify(db, event, key)

    def notify(self, db: Any, event: str, key: bytes) -> None:
        """Publish the event to __keyspace@db__:key and __keyevent@db__:event as notify-keyspace-events says."""
        flags = self.classes
        if not flags or EVENT_CLASS.get(event, "d") not in flags or self.publish is None:
            return
        if KEYSPACE in flags:
            self.publish(b"__keyspace@%d__:%s" % (db.index, key), event.encode())
        if KEYEVENT in flags:
            self.publish(b"__keyevent@%d__:%s" % (db.index, event.encode()), key)
