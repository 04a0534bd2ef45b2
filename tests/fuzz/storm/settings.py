"""Settings that change while commands run, and the calm ones that the oracles want."""

import random
from typing import Any

from tests.fuzz.storm.values import edge
from tests.support.resp import Connection

# Not hll-sparse-max-bytes: its conversions change the bytes of a value and, as in Redis, are not in the AOF.
VALUES: dict[str, tuple[str, ...]] = {
    "hash-max-listpack-entries": ("0", "4", "512"), "hash-max-listpack-value": ("0", "16", "64"),
    "set-max-intset-entries": ("0", "4", "512"), "set-max-listpack-entries": ("0", "4", "128"),
    "set-max-listpack-value": ("0", "16", "64"), "zset-max-listpack-entries": ("0", "4", "128"),
    "zset-max-listpack-value": ("0", "8", "64"), "list-max-listpack-size": ("-2", "-1", "1", "3", "0", "-5"),
    "list-compress-depth": ("0", "1", "3"),
    "stream-node-max-entries": ("0", "1", "3", "100"), "stream-node-max-bytes": ("0", "1", "4096"),
    "maxmemory": ("0", "0", "1mb", "5mb", "20mb"), "maxmemory-samples": ("1", "5", "64"),
    "maxmemory-policy": ("noeviction", "allkeys-lru", "allkeys-lfu", "allkeys-random", "volatile-lru", "volatile-lfu",
                         "volatile-random", "volatile-ttl"),
    "maxmemory-eviction-tenacity": ("0", "10", "100"), "lfu-log-factor": ("0", "10"), "lfu-decay-time": ("0", "1"),
    "lazyfree-lazy-eviction": ("yes", "no"), "lazyfree-lazy-expire": ("yes", "no"),
    "lazyfree-lazy-server-del": ("yes", "no"), "lazyfree-lazy-user-del": ("yes", "no"),
    "lazyfree-lazy-user-flush": ("yes", "no"), "activerehashing": ("yes", "no"), "active-expire-effort": ("1", "10"),
    "hz": ("1", "10", "500"), "dynamic-hz": ("yes", "no"), "notify-keyspace-events": ("", "KEA", "Kg", "El", "KEAmn"),
    "slowlog-log-slower-than": ("-1", "0", "10000"), "slowlog-max-len": ("0", "1", "128"),
    "latency-monitor-threshold": ("0", "1"), "latency-tracking": ("yes", "no"), "rdbcompression": ("yes", "no"),
    "aof-use-rdb-preamble": ("yes", "no"), "aof-timestamp-enabled": ("yes", "no"),
    "appendfsync": ("always", "everysec", "no"), "busy-reply-threshold": ("5000", "50"),
    "auto-aof-rewrite-percentage": ("0", "100"), "auto-aof-rewrite-min-size": ("1kb", "64mb"),
    "loglevel": ("notice", "debug"),
    "sanitize-dump-payload": ("yes", "no", "clients"), "io-threads": ("1", "2", "4"), "save": ("", "1 1", "3600 1"),
    "stop-writes-on-bgsave-error": ("yes", "no"), "no-appendfsync-on-rewrite": ("yes", "no"),
}  # fmt: skip
CLOSING: dict[str, tuple[str, ...]] = {  # these may end connections
    "maxmemory-clients": ("0", "0", "200kb", "5%"),
    "client-output-buffer-limit": ("normal 0 0 0", "normal 100kb 50kb 1", "pubsub 10kb 1kb 1"),
    "client-query-buffer-limit": ("1mb", "1gb"), "timeout": ("0", "20"), "maxclients": ("10000", "12"),
}  # fmt: skip
NUMBERS = [name for name in VALUES if name.startswith(("hash-", "set-", "zset-", "list-", "stream-"))]
NASTY = 0.05
SWITCHES: list[tuple[str, ...]] = [
    ("DEBUG", "FAST-PATHS", "yes"), ("DEBUG", "FAST-PATHS", "no"), ("DEBUG", "SET-ACTIVE-EXPIRE", "0"),
    ("DEBUG", "SET-ACTIVE-EXPIRE", "1"), ("DEBUG", "QUICKLIST-PACKED-THRESHOLD", "200"),
    ("DEBUG", "QUICKLIST-PACKED-THRESHOLD", "0"), ("DEBUG", "DICT-RESIZING", "0"), ("DEBUG", "DICT-RESIZING", "1"),
    ("DEBUG", "REPLYBUFFER", "PEAK-RESET-TIME", "1"), ("CLIENT", "PAUSE", "30", "WRITE"),
    ("CLIENT", "PAUSE", "30", "ALL"),
    ("BGSAVE",), ("BGREWRITEAOF",), ("MEMORY", "PURGE"), ("HOTKEYS", "START"), ("HOTKEYS", "GET"), ("HOTKEYS", "STOP"),
    ("CONFIG", "REWRITE"), ("CLIENT", "LIST"), ("INFO", "everything"), ("SLOWLOG", "GET", "-1"),
]  # fmt: skip
CALM: list[tuple[str, ...]] = [
    ("CLIENT", "UNPAUSE"), ("DEBUG", "FAST-PATHS", "yes"), ("DEBUG", "SET-ACTIVE-EXPIRE", "0"),
    ("DEBUG", "QUICKLIST-PACKED-THRESHOLD", "0"), ("DEBUG", "DICT-RESIZING", "1"), ("HOTKEYS", "STOP"),
]  # fmt: skip


class Settings:
    """Those of one server; `closing` is true while one may be in force that ends connections."""

    def __init__(self, control: Connection) -> None:
        words = control.ok("CONFIG", "GET", "*")
        found = dict(zip(words[::2], words[1::2], strict=True))
        self._first = {name: found[name.encode()] for name in (*VALUES, *CLOSING)}
        self._changed: set[str] = set()
        self.closing = False

    def change(self, chance: random.Random) -> tuple[Any, ...]:
        """The next request that changes something."""
        kind = chance.random()
        if kind < 0.25:
            return chance.choice(SWITCHES)
        if kind < 0.3:
            name = chance.choice(list(CLOSING))
            self.closing = True
            return self._set([name, chance.choice(CLOSING[name])])
        words: list[Any] = []
        for name in chance.sample(list(VALUES), chance.choice((1, 1, 3))):
            nasty = name in NUMBERS and chance.random() < NASTY
            words += [name, edge(chance) if nasty else chance.choice(VALUES[name])]
        return self._set(words)

    def _set(self, words: list[Any]) -> tuple[Any, ...]:
        self._changed.update(str(name) for name in words[::2])
        return ("CONFIG", "SET", *words)

    def calm(self) -> list[tuple[Any, ...]]:
        """Requests after which the server is as it was started, and no key goes by itself."""
        back: list[Any] = [word for name in sorted(self._changed) for word in (name, self._first[name])]
        self._changed.clear()
        self.closing = False
        return [("CONFIG", "SET", *back), *CALM] if back else list(CALM)
