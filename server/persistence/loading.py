"""Loading: the state that clients see while the keyspace is being filled from a file, and the looks at them meanwhile.

    with server.progress.of(total_bytes):
        ... server.progress.reached(position)          # answers clients, -LOADING to most of them

`reached` raises Interrupted when the server was told to end. While it takes long, the log says every few seconds how
far it is.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from server.persistence.seams import Host

TELL_SECONDS = 5.0          # between two lines in the log


class Interrupted(Exception):
    """The server was told to end while it loaded."""


class Loading:
    """Progress of one server. Bytes are of the file."""

    def __init__(self, server: Host) -> None:
        self._server = server
        self.meanwhile: Callable[[], None] = lambda: None          # called at each look
        self.switch: Callable[[bool], None] = lambda on: None      # the loop's: fast paths decline while loading
        self.started = 0.0                  # Unix seconds, for loading_start_time
        self._started = 0.0                 # the same by the monotonic clock, seconds
        self._tell_at = 0.0                 # when the log hears of it next
        self.total = self.loaded = 0
        self.used_memory = 0                # what the server that wrote the file used
        self.keys_loaded = self.keys_expired = 0       # rdb_last_load_*

    @contextmanager
    def of(self, total: int) -> Iterator[None]:
        """Loading so many bytes, from now to the end of the block."""
        server = self._server
        self.started = time.time()
        self._started = time.monotonic()
        self._tell_at = self._started + TELL_SECONDS
        self.total, self.loaded, self.used_memory = total, 0, 0
        self.keys_loaded = self.keys_expired = 0
        server.loading = True
        server.keyspace.keep_expired_for("loading", True)
        self.switch(True)
        try:
            yield
        finally:
            server.loading = False
            server.keyspace.keep_expired_for("loading", False)
            self.switch(False)

    def reached(self, position: int) -> None:
        """So many bytes are loaded: look at the clients."""
        server = self._server
        self.loaded = position
        if time.monotonic() >= self._tell_at:
            self._tell_at = time.monotonic() + TELL_SECONDS
            server.log.notice("Loading: %d%% (%d of %d MB), about %d seconds left", self.percent(), position >> 20,
                              self.total >> 20, self.remaining_seconds())
        server.loop.turn_once(0)
        server.shutdown.tick()
        self.meanwhile()
        if server.loop.stopping:
            raise Interrupted

    def percent(self) -> float:
        """Share of the bytes."""
        return 100 * self.loaded / self.total if self.total else 0.0

    def remaining_seconds(self) -> int:
        """An estimate; 1 at the beginning."""
        elapsed = int(time.monotonic() - self._started)
        return elapsed * (self.total - self.loaded) // (self.loaded + 1) if elapsed else 1
