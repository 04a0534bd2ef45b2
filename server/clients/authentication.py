"""Who a connection is: its user, and whether it has said so. Protected mode.

Without a password the default user is whom everybody is from the start (`requirepass` is that user's one password). A
client follows its user: when the rules change, so does what the door asks of it; subscribers to what they took away are
closed, and so are clients of a user that is deleted. A connection from another machine is refused while the default
user has no password, unless protected-mode is off.
"""

from collections.abc import Collection, Iterable

from server.acl.denials import Denials
from server.acl.log import AUTH, MULTI, TOPLEVEL, AclLog, Entry
from server.acl.selector import hears
from server.acl.user import User
from server.acl.users import Users
from server.clients import client as c
from server.clients.accounts import PUBSUB, class_of
from server.clients.client import Client
from server.clients.client_list import line_of
from server.clients.client_table import ClientTable
from server.config.config import Config
from server.registry.clock import unix_ms
from server.registry.errors import CommandError

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
    """Checks names and passwords, and has clients follow their users."""

    def __init__(self, config: Config, users: Users, clients: ClientTable, log: AclLog) -> None:
        self._config = config
        self._clients = clients
        self.users = users
        self.log = log
        self.denials = Denials(users)
        users.on_change, users.on_changed = self._revoke, self._changed

    @property
    def open(self) -> bool:
        """True when the default user needs no password."""
        return self.users.default.no_password

    # ---- who it is
    def log_in(self, client: Client, name: bytes, password: bytes, word: bytes) -> None:
        """AUTH: the client is that user from now on. word: the command, as it was written. Errors: WRONGPASS, the
        client stays who it was, and the refusal is noted."""
        if not self.let_in(client, name, password):
            self.note(client, Entry(AUTH, MULTI if client.has(c.MULTI) else TOPLEVEL, word, name))
            raise CommandError(WRONG_PASSWORD)

    def let_in(self, client: Client, name: bytes, password: bytes) -> bool:
        """The client is that user from now on, if that is its password."""
        user = self.users.get(name)
        if user is None or not user.enabled or not (user.no_password or user.has_password(password)):
            return False
        if client.user is not user or not client.authenticated:
            client.become(user, True, False)
        return True

    def log_in_by_default(self, client: Client) -> None:
        """How a connection starts: the default user, who may be asked for a password."""
        default = self.users.default
        is_open = default.no_password and default.enabled
        client.become(default, is_open, not is_open)

    def _follow(self, client: Client) -> None:
        """What is asked of a client, by its user as that is now."""
        default = self.users.default
        client.become(client.user, client.authenticated,
                      not client.authenticated and not (default.no_password and default.enabled))

    # ---- a refusal
    def note(self, client: Client, refused: Entry) -> None:
        """It was refused to this client."""
        self.denials.add(refused.user, refused.reason)
        self.log.add(refused, line_of(client), unix_ms())

    # ---- rules changed
    def password_changed(self, config: Config) -> None:
        """requirepass."""
        self.users.set_default_password(config.requirepass)

    def _changed(self, user: User) -> None:
        for client in self._clients:
            if client.user is user or user is self.users.default:
                self._follow(client)

    def expel(self, users: Collection[User], running: Client) -> None:
        """Close the clients of users that are no more; running: whose command that is, it still gets its reply."""
        for client in self._clients:
            if client.user in users:
                client.user, client.authenticated = self.users.default, False
                self._follow(client)
                client.close(after_reply=client is running)

    def _revoke(self, user: User, wanted: User) -> None:
        """Close the user's subscribers to what it may not hear any more."""
        if any(selector.all_channels for selector in wanted.selectors):
            return
        heard = dict.fromkeys(channel for selector in wanted.selectors for channel in selector.channels)
        if all(not old.all_channels and old.channels.keys() <= heard.keys() for old in user.selectors):
            return
        for client in self._clients:
            if client.user is user and class_of(client) == PUBSUB and _hears_more(client, heard):
                client.close()

    # ---- protected mode
    def refusal(self, client: Client) -> bytes | None:
        """Protected mode: what to tell a stranger from elsewhere before closing, None to let it in."""
        if not self._config.protected_mode or not self.users.default.no_password or client.is_local():
            return None
        self._clients.rejected += 1
        return PROTECTED


def _hears_more(client: Client, allowed: dict[bytes, None]) -> bool:
    """Whether it is subscribed to more than these patterns of channels allow."""
    mine = client.subscriptions
    if mine is None:
        return False
    names: Iterable[bytes] = (*mine.channels, *mine.shard_channels)
    return (any(not hears(allowed, pattern, True) for pattern in mine.patterns)
            or any(not hears(allowed, channel, False) for channel in names))
