"""Loading: the state that clients see while the keyspace is being filled from a file, and the looks at them meanwhile.

    with server.progress.of(total_bytes):
        ... server.progress.reached(position)          # answers clients, -LOADING to most of them

`reached` raises Interrupted when the server was told to end. While it takes long, the log says every few seconds how
far it is.

What is loaded in slices between the turns of the loop (a full sync) says `begin`, `note` and `end` itself. `aside`: it
is loaded into a keyspace of its own, and clients are served from the old one (async_loading).
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
        self.switch: Callable[[bool], None] = lambda on: None      # the loop's: fast paths decline while loading
        self.between_commands: Callable[[], None] = lambda: None   # of a file: what the cron would do of the data
        self.under_way = False
        self.aside = False                  # ... into a keyspace that is not the one in use
        self.started = 0.0                  # Unix seconds, for loading_start_time
        self._started = 0.0                 # the same by the monotonic clock, seconds
        self._tell_at = 0.0                 # when the log hears of it next
        self.total = self.loaded = 0
        self.used_memory = 0                # what the server that wrote the file used
        self.keys_loaded = self.keys_expired = 0       # rdb_last_load_*

    @contextmanager
    def of(self, total: int) -> Iterator[None]:
        """Loading so many bytes, from now to the end of the block."""
        self.begin(total)
        try:
            yield
        finally:
            self.end()

    def begin(self, total: int, *, aside: bool = False) -> None:
        """So many bytes are going to be loaded; 0: nobody knows how many."""
        server = self._server
        self.started = time.time()
        self._started = time.monotonic()
        self._tell_at = self._started + TELL_SECONDS
        self.total, self.loaded, self.used_memory = total, 0, 0
        self.keys_loaded = self.keys_expired = 0
        self.under_way, self.aside = True, aside
        if not aside:
            server.loading = True
            server.keyspace.keep_expired_for("loading", True)
            self.switch(True)

    def end(self) -> None:
        """They are, or will not be."""
        self.under_way = False
        if not self.aside:
            self._server.loading = False
            self._server.keyspace.keep_expired_for("loading", False)
            self.switch(False)
        self.aside = False

    def note(self, position: int) -> None:
        """So many bytes are loaded."""
        self.loaded = position
        if time.monotonic() >= self._tell_at:
            self._tell_at = time.monotonic() + TELL_SECONDS
            self._server.log.notice("Loading: %d%% (%d of %d MB), about %d seconds left", self.percent(),
                                    position >> 20, self.total >> 20, self.remaining_seconds())

    def reached(self, position: int) -> None:
        """So many bytes are loaded: look at the clients."""
        server = self._server
        self.note(position)
        server.loop.turn_once(0)
        server.shutdown.tick()
        if server.loop.stopping:
            raise Interrupted

    def percent(self) -> float:
        """Share of the bytes."""
        return 100 * self.loaded / self.total if self.total else 0.0

    def remaining_seconds(self) -> int:
        """An estimate; 1 at the beginning."""
        elapsed = int(time.monotonic() - self._started)
        return elapsed * max(0, self.total - self.loaded) // (self.loaded + 1) if elapsed else 1
