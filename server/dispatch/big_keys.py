"""When server.keyspace.big_keys walks: a little every tenth of a second, and not at all while nothing has changed."""

from server.config.config import Config
from server.dispatch.cron import AGAIN
from server.registry.light import TYPE_CHECKING

if TYPE_CHECKING:
    from server.server import Server

EVERY_MS = 100
SLICE_US = 50  # at once; the rest of the time that it is given, after a turn of the loop each
NEVER = (-1, -1)


class Walking:
    """Gives the walk its time, big-keys-walk microseconds every EVERY_MS."""

    def __init__(self, server: "Server") -> None:
        self._server = server
        self._begun = NEVER  # (changes, keys) when this walk began ...
        self._seen = NEVER  # ... and when the last one that is complete did
        self._left_us = 0

    def tick(self) -> object:
        """From the cron, every EVERY_MS: walk on."""
        server = self._server
        self._left_us = self._left_us or server.config.big_keys_walk
        if not self._left_us or server.loading:
            return None
        if self._begun == NEVER:
            now = (server.dirty, server.keyspace.keys_total())
            if now == self._seen:
                self._left_us = 0
                return None
            self._begun = now
        slice_us = min(self._left_us, SLICE_US)
        self._left_us -= slice_us
        if server.big_keys.run(slice_us):
            self._begun, self._seen, self._left_us = NEVER, self._begun, 0
        return AGAIN if self._left_us else None

    def follow(self, config: Config) -> None:
        """big-keys-walk."""
        if not config.big_keys_walk:
            self._server.big_keys.clear()
            self._begun = self._seen = NEVER
