"""When server.keyspace.big_keys walks: a little every tenth of a second, and not at all while nothing has changed."""

from typing import Any

from server.dispatch.cron import AGAIN
from server.keyspace.big_keys import BigKeys

EVERY_MS = 100
SLICE_US = 50  # at once; the rest of the time that it is given, after a turn of the loop each


def wire(server: Any) -> None:
    """Give the server its `big_keys`; follow big-keys-walk."""
    keys = server.big_keys = BigKeys(server.keyspace)
    begun = seen = (-1, -1)  # (changes, keys) when this walk began, and when the last one that is complete did
    left_us = 0

    def walk() -> Any:
        nonlocal begun, seen, left_us
        left_us = left_us or server.config.big_keys_walk
        if not left_us or server.loading:
            return None
        if begun == (-1, -1):
            now = (server.dirty, server.keyspace.keys_total())
            if now == seen:
                left_us = 0
                return None
            begun = now
        slice_us = min(left_us, SLICE_US)
        left_us -= slice_us
        if keys.run(slice_us):
            begun, seen, left_us = (-1, -1), begun, 0
        return AGAIN if left_us else None

    def follow(config: Any) -> None:
        nonlocal begun, seen
        if not config.big_keys_walk:
            keys.clear()
            begun = seen = (-1, -1)

    server.config.on_change("big-keys-walk", follow)
    server.cron.every(EVERY_MS, walk)
