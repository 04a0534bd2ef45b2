"""Mistakes of ours: what fails although no request should be able to make it fail.

Whoever catches one calls `note` while it handles the exception: it is counted (internal_errors of INFO), logged with
the command, and the client that asked gets the error which `note` returns. The server lives on.
"""

import time
from collections.abc import Sequence

from server.observe.log import Log
from server.registry.errors import CommandError

WORDS_SHOWN = 8                        # of a command ...
BYTES_SHOWN = 64                       # ... and of each of its words
TRACEBACK_EVERY_SECONDS = 1.0          # a request that fails can be repeated: one line each, a traceback now and then
# What may carry a password is told by its name alone.
UNTOLD = frozenset({b"auth", b"hello", b"config", b"acl", b"migrate", b"sentinel"})


class InternalErrors:
    """The count, and where they are told."""

    def __init__(self) -> None:
        self.count = 0
        self._log: Log | None = None
        self._told_at = -TRACEBACK_EVERY_SECONDS

    def log_to(self, log: Log) -> None:
        """Tell them there."""
        self._log = log

    def note(self, where: str, argv: Sequence[bytes] = ()) -> CommandError:
        """The exception being handled failed `where` ("Command 'get'", "A time event"), in the command `argv` if there
        is one. Returns what is answered."""
        self.count += 1
        if self._log is not None:
            now = time.monotonic()
            tell = now - self._told_at >= TRACEBACK_EVERY_SECONDS
            shown = f" ({_shown(argv)})" if argv else ""
            import traceback

            lines = traceback.format_exc() if tell else traceback.format_exc(0)
            if tell:
                self._told_at = now
            self._log.warning("%s failed%s:\n%s", where, shown, lines.rstrip())
        return CommandError("ERR internal error: see the server's log")


def _shown(argv: Sequence[bytes]) -> str:
    """The command in one line."""
    if argv[0].lower() in UNTOLD:
        return argv[0].decode("latin-1") + " ..."
    words = [repr(word[:BYTES_SHOWN])[1:] for word in argv[:WORDS_SHOWN]]
    return " ".join(words) + (f" ... {len(argv)} words" if len(argv) > WORDS_SHOWN else "")


internal_errors = InternalErrors()
