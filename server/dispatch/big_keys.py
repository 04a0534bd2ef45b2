"""When server.keyspace.big_keys walks: a little every tenth of a second, and not at all while nothing has changed."""

from typing import Any

from server.keyspace.big_keys import BigKeys

EVERY_MS = 100


def wire(server: Any) -> None:
    """Give the server its `big_keys`; follow big-keys-walk."""
    keys = server.big_keys = BigKeys(server.keyspace)
    begun = seen = (-1, -1)  # (changes, keys) when this walk began, and when the last one that is complete did

    def walk() -> None:
        nonlocal begun, seen
        limit_us = server.config.big_keys_walk
        now = (server.dirty, server.keyspace.keys_total())
        if not limit_us or server.loading:
            return
        if begun == (-1, -1):
            if now == seen:
                return
            begun = now
        if keys.run(limit_us):
            begun, seen = (-1, -1), begun

    def follow(config: Any) -> None:
        nonlocal begun, seen
        if not config.big_keys_walk:
            keys.clear()
            begun = seen = (-1, -1)

    server.config.on_change("big-keys-walk", follow)
    server.cron.every(EVERY_MS, walk)
