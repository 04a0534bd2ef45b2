"""A browser that was tricked into talking to us: its HTTP request begins with POST, or has a line Host:. No command is
called so, and nothing that such a connection sends is worth executing: it is closed without a word.
"""

from server.clients.client import Client
from server.observe.log import Log
from server.registry.clock import monotonic_now_us

HTTP_WORDS = frozenset({b"post", b"host:"})
LOG_EVERY_US = 60 * 1000000


def is_http(argv: list[bytes]) -> bool:
    """Whether a request that names no command looks like a part of HTTP."""
    return argv[0].lower() in HTTP_WORDS


class CrossProtocol:
    """Closes such connections, and says so once a minute."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._next_line_us = 0

    def abort(self, client: Client) -> None:
        """Close it; what it has sent already is not executed."""
        now = monotonic_now_us()
        if now >= self._next_line_us:
            self._next_line_us = now + LOG_EVERY_US
            self._log.warning(
                "Possible SECURITY ATTACK detected. It looks like somebody is sending POST or Host: commands to Redis. "
                "This is likely due to an attacker attempting to use Cross Protocol Scripting to compromise your Redis "
                "instance. Connection from %s aborted.", client.address)
        client.close()
