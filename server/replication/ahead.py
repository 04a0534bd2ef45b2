"""The stream of a master that comes by one connection while the snapshot that it follows is still coming by another:
its bytes wait here, and are executed in slices between the turns of the loop once the snapshot is loaded."""

import time
from collections import deque

from server.clients.client import PAUSED, Client
from server.replication.seams import RunReceived

SLICE_SECONDS = 0.002       # of executing between two turns of the loop
STEP = 64 * 1024            # bytes between two looks at the clock


class Ahead:
    """Sizes in bytes. limit: how much may wait, 0 for any amount."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._pieces: deque[bytes] = deque()
        self._begun = b""                  # the beginning of a command, of which no more has come
        self.flows = False                 # the master sends it
        self.size = 0

    @property
    def full(self) -> bool:
        """Whether no more should come for now."""
        return 0 < self._limit <= self.size

    @property
    def waiting(self) -> bool:
        """Whether there is something to `run`."""
        return bool(self._pieces)

    def take(self, data: bytes) -> None:
        """More of it."""
        self._pieces.extend(data[at:at + STEP] for at in range(0, len(data), STEP))
        self.size += len(data)

    def run(self, run_received: RunReceived, client: Client) -> bool:
        """Execute for a slice of time; True when there is more that could be executed now."""
        end = time.monotonic() + SLICE_SECONDS
        while self._pieces and not client.has(PAUSED):
            data = self._next()
            done = run_received(client, data)
            self._begun = data[max(0, done):]
            self.size -= max(0, done)
            if done < 0:
                break
            if time.monotonic() >= end:
                return bool(self._pieces)
        return False

    def _next(self) -> bytes:
        """What is begun and the next piece; of a huge command so many pieces that it is looked at a few times only."""
        pieces, size = [self._begun], 0
        while self._pieces and size <= len(self._begun):
            pieces.append(self._pieces.popleft())
            size += len(pieces[-1])
        return b"".join(pieces)

    def hand_over(self, run_received: RunReceived, client: Client, data: bytes) -> int:
        """Nothing waits, and these bytes come next: how many of them must be executed here before a connection can go
        on between two commands; -1 when that is not to be reached now: they wait here."""
        begun = self._begun
        if not begun:
            return 0
        done = -1 if client.has(PAUSED) else run_received(client, begun + data[:STEP])
        if done < len(begun):
            self.take(data)
            return -1
        self._begun, self.size = b"", 0
        return done - len(begun)
