"""Who may talk to us at all: the password of the default user, and protected mode.

`requirepass` is the password of the user "default"; without one everybody is that user from the start. A connection
from another machine is refused while there is no password, unless protected-mode is off.
"""

import hashlib
import hmac
from collections.abc import Callable

from server.clients.client import STRANGER, UNIX_SOCKET, Client
from server.clients.table import ClientTable
from server.config.config import Config
from server.registry.errors import CommandError

DEFAULT_USER = b"default"
WRONG_PASSWORD = "WRONGPASS invalid username-password pair or user is disabled."
NO_PASSWORD = ("ERR AUTH <password> called without any password configured for the default user. Are you sure your "
               "configuration is correct?")
PROTECTED = (
    b"-DENIED Redis is running in protected mode because protected mode is enabled and no password is set for "
    b"the default user. In this mode connections are only accepted from the loopback interface. If you want to "
    b"connect from external computers to Redis you may adopt one of the following solutions: 1) Just disable "
    b"protected mode sending the command 'CONFIG SET protected-mode no' from the loopback interface by "
    b"connecting to Redis from the same host the server is running, however MAKE SURE Redis is not publicly "
    b"accessible from internet if you do so. Use CONFIG REWRITE to make this change permanent. 2) Alternatively"
    b" you can just disable the protected mode by editing the Redis configuration file, and setting the "
    b"protected mode option to 'no', and then restarting the server. 3) If you started the server manually just"
    b" for testing, restart it with the '--protected-mode no' option. 4) Set up an authentication password for "
    b"the default user. NOTE: You only need to do one of the above things in order for the server to start "
    b"accepting connections from the outside."
    b"\r\n")


class Authentication:
    """Checks names and passwords; `denied` is told of each wrong one."""

    def __init__(self, config: Config, clients: ClientTable, denied: Callable[[], object]) -> None:
        self._config = config
        self._clients = clients
        self._denied = denied

    @property
    def open(self) -> bool:
        """True when the default user has no password."""
        return not self._config.requirepass

    def check(self, user: bytes, password: bytes) -> bool:
        """Whether that is a user with that password. The time it takes tells nothing about the password."""
        if user != DEFAULT_USER:
            return False
        if self.open:
            return True
        return hmac.compare_digest(_digest(password), _digest(self._config.requirepass))

    def knows(self, user: bytes) -> bool:
        """Whether there is such a user."""
        return user == DEFAULT_USER

    def log_in(self, client: Client, user: bytes, password: bytes) -> None:
        """AUTH: the client is that user from now on. Errors: WRONGPASS, the client stays who it was."""
        if not self.check(user, password):
            self._denied()
            raise CommandError(WRONG_PASSWORD)
        client.user = user.decode()
        recognize(client, True)

    def log_in_by_default(self, client: Client) -> None:
        """How a connection starts: the default user, who may be asked for a password."""
        client.user = DEFAULT_USER.decode()
        recognize(client, self.open)

    def password_changed(self, config: Config) -> None:
        """requirepass: without one nobody is a stranger."""
        if not config.requirepass:
            for client in self._clients:
                recognize(client, True)

    def refusal(self, client: Client) -> bytes | None:
        """Protected mode: what to tell a stranger from elsewhere before closing, None to let it in."""
        if not self._config.protected_mode or not self.open or is_local(client):
            return None
        self._clients.rejected += 1
        return PROTECTED


def recognize(client: Client, yes: bool) -> None:
    """Whether the client has said who it is."""
    client.authenticated = yes
    client.slow_because(STRANGER, not yes)


def _digest(password: bytes) -> bytes:
    """Equal lengths to compare, whatever the password's."""
    return hashlib.sha256(password).digest()


def is_local(client: Client) -> bool:
    """Whether the peer is on this machine: a unix socket or the loopback interface."""
    return client.has(UNIX_SOCKET) or client.address.startswith(("127.", "[::1]", "::1:", "[::ffff:127."))
