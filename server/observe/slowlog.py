"""The slow log: the last commands that took longer than slowlog-log-slower-than."""

import time
from collections import deque

from server.registry.light import NamedTuple, Protocol
from server.registry.reply import Encoded

ARGUMENTS_MAX = 32
ARGUMENT_BYTES_MAX = 128


class Caller(Protocol):
    """Who called: a client."""

    address: str
    name: bytes


class SlowEntry(NamedTuple):
    """One entry as SLOWLOG GET shows it."""

    id: int
    unix_seconds: int
    microseconds: int
    argv: list[bytes]
    address: str
    name: bytes


def trimmed(argv: list[bytes]) -> list[bytes]:
    """At most 32 words of 128 bytes; what is cut is said in Redis's words."""
    shown = [
        word
        if len(word) <= ARGUMENT_BYTES_MAX
        else word[:ARGUMENT_BYTES_MAX] + b"... (%d more bytes)" % (len(word) - ARGUMENT_BYTES_MAX)
        for word in (argv[: ARGUMENTS_MAX - 1] if len(argv) > ARGUMENTS_MAX else argv)
    ]
    if len(argv) > ARGUMENTS_MAX:
        shown.append(b"... (%d more arguments)" % (len(argv) - ARGUMENTS_MAX + 1))
    return shown


class SlowLog:
    """Newest first, at most `max_len` (slowlog-max-len)."""

    def __init__(self, max_len: int = 128) -> None:
        self.entries: deque[SlowEntry] = deque()
        self.max_len = max_len
        self.next_id = 0
        self.shown: dict[int, Encoded] = {}    # replies, by the count that was asked for, until something changes

    def add(self, client: Caller, argv: list[bytes], microseconds: int) -> None:
        """Note a command that was slow."""
        self.entries.appendleft(
            SlowEntry(self.next_id, int(time.time()), microseconds, trimmed(argv), client.address, client.name)
        )
        self.next_id += 1
        self.trim()

    def trim(self) -> None:
        """Drop what is beyond max_len."""
        self.shown.clear()
        while len(self.entries) > self.max_len:
            self.entries.pop()

    def reset(self) -> None:
        """SLOWLOG RESET."""
        self.shown.clear()
        self.entries.clear()
