"""AUTH and HELLO, a connection's first words, and what concerns nothing else: PING, ECHO, SELECT, RESET, QUIT.

What can be asked and said about connections is in connection_client.py.
"""

from server.acl.users import DEFAULT_USER
from server.clients import multi
from server.clients.authentication import NO_PASSWORD
from server.clients.client import (
    ASKING,
    LINK,
    MASTER,
    MONITOR,
    NO_EVICT,
    NO_TOUCH,
    READONLY,
    REPLICA,
    REPLY_MODE,
    REPLY_OFF,
    REPLY_SKIP_NEXT,
    UNTOUCHING,
    Client,
)
from server.clients.client_list import check_name
from server.clients.greeting import around_id
from server.dispatch.call import Call
from server.dispatch.conditions import slow_because
from server.registry import args
from server.registry.command import ALLOW_BUSY, FAST, LOADING, NO_AUTH, NOSCRIPT, SENTINEL, STALE, group
from server.registry.errors import DB_OUT_OF_RANGE, CommandError, syntax, wrong_arity
from server.registry.reply import OK, Encoded

command = group("connection")

_FIRST = NOSCRIPT | LOADING | STALE | FAST | NO_AUTH | ALLOW_BUSY      # what a client may say before it is known
_REDACTED = b"(redacted)"
_INT_MIN, _INT_MAX = -(1 << 31), (1 << 31) - 1
_OUTSIDE_INT = f"ERR value is out of range, value must between {_INT_MIN} and {_INT_MAX}"
_BAD_PROTOCOL = "ERR Protocol version is not an integer or out of range"
_NO_SUCH_PROTOCOL = "NOPROTO unsupported protocol version"
_HELLO_NEEDS_AUTH = ("NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO <proto> "
                     "AUTH <user> <pass> option can be used to authenticate the client and select the RESP protocol "
                     "version at the same time")


@command("AUTH", arity=-2, flags=_FIRST | SENTINEL, since="1.0.0", syntax="[username] password",
         history=(("6.0.0", "Takes a user name, for ACLs."),))
def auth(call: Call, *words: bytes) -> str:
    """Say who you are, with a password.

    With one argument the user is "default", whose password is the directive requirepass.

    Complexity: O(N) where N is the number of passwords of the user.
    """
    if len(words) > 2:
        raise syntax()
    call.argv[1:] = [_REDACTED] * len(words)
    authentication = call.server.authentication
    if len(words) == 1 and authentication.open:
        raise CommandError(NO_PASSWORD)
    user = words[0] if len(words) == 2 else DEFAULT_USER
    authentication.log_in(call.client, user, words[-1], call.argv[0])
    return OK


def _redact(call: Call, *places: int) -> None:
    """Keep names and passwords out of slowlog and MONITOR."""
    for at in places:
        call.argv[at] = _REDACTED


@command("HELLO", arity=-1, flags=_FIRST | SENTINEL, since="6.0.0",
         syntax="[protover [AUTH username password] [SETNAME clientname]]",
         history=(("6.2.0", "Without arguments it only describes the connection."),))
def hello(call: Call, *words: bytes) -> Encoded:
    """Shake hands: choose the protocol, log in and take a name in one step; the reply describes server and connection.

    Complexity: O(1)
    """
    client = call.client
    protocol = _protocol(words[0]) if words else 0
    login, name = _hello_options(call, words[1:]) if len(words) > 1 else (None, None)
    if login is not None:
        call.server.authentication.log_in(client, *login, call.argv[0])
    if not client.authenticated:
        raise CommandError(_HELLO_NEEDS_AUTH)
    if name is not None:
        client.name = name
    if protocol:
        client.resp = protocol
        call.server.pubsub.settle(client)
    return _description(call)


def _protocol(word: bytes) -> int:
    version = args.integer(word, _BAD_PROTOCOL)
    if not 2 <= version <= 3:
        raise CommandError(_NO_SUCH_PROTOCOL)
    return version


def _hello_options(call: Call, words: tuple[bytes, ...]) -> tuple[tuple[bytes, bytes] | None, bytes | None]:
    """(user and password, name), None for what is not given."""
    login = name = None
    at = 0
    while at < len(words):
        option, left = words[at].upper(), len(words) - at - 1
        if option == b"AUTH" and left >= 2:
            _redact(call, at + 3, at + 4)
            login = (words[at + 1], words[at + 2])
            at += 3
        elif option == b"SETNAME" and left >= 1:
            name = words[at + 1]
            check_name(name)
            at += 2
        else:
            raise CommandError(b"ERR Syntax error in HELLO option '%s'" % words[at])
    return login, name


def _description(call: Call) -> Encoded:
    config, client = call.config, call.client
    mode = b"sentinel" if config.sentinel_mode else b"cluster" if config.cluster_enabled else b"standalone"
    role = b"" if config.sentinel_mode else b"replica" if config.replicaof else b"master"
    before, behind = around_id(client.resp, mode, role)
    return Encoded(b"%s%d%s" % (before, client.id, behind))


@command("PING", arity=-1, flags=FAST | SENTINEL, since="1.0.0", syntax="[message]",
         tips=("request_policy:all_shards", "response_policy:all_succeeded"))
def ping(call: Call, *message: bytes) -> str | bytes | list[bytes]:
    """Answer PONG, or the message: the connection lives, and so does the server.

    A RESP2 client with subscriptions gets it in the form of a message: an array of "pong" and the text.

    Complexity: O(1)
    """
    if len(message) > 1:
        raise wrong_arity("ping")
    if call.client.subscriptions and call.client.resp == 2:
        return [b"pong", message[0] if message else b""]
    return message[0] if message else "PONG"


@command("ECHO", arity=2, flags=LOADING | STALE | FAST, since="1.0.0", syntax="message")
def echo(call: Call, message: bytes) -> bytes:
    """Answer the message.

    Complexity: O(1)
    """
    return message


@command("SELECT", arity=2, flags=LOADING | STALE | FAST, since="1.0.0", syntax="index")
def select(call: Call, index: bytes) -> str:
    """Choose the database of this connection by its number; a new connection starts with 0.

    Complexity: O(1)
    """
    number = args.integer(index)
    if not _INT_MIN <= number <= _INT_MAX:
        raise CommandError(_OUTSIDE_INT)
    if call.config.cluster_enabled and number:
        raise CommandError("ERR SELECT is not allowed in cluster mode")
    databases = call.server.keyspace.databases
    if not 0 <= number < len(databases):
        raise CommandError(DB_OUT_OF_RANGE)
    call.client.select(databases[number])
    return OK


@command("RESET", arity=1, flags=_FIRST, since="6.2.0")
def reset(call: Call) -> str:
    """Make the connection like new: RESP2, database 0, no transaction, no subscriptions, no name, logged in by default.

    Complexity: O(1)
    """
    client = call.client
    if client.has(REPLICA | MASTER) and not client.has(MONITOR):
        raise CommandError("ERR can only reset normal client connections")
    _as_new(call, client)
    return "RESET"


def _as_new(call: Call, client: Client) -> None:
    server = call.server
    if client.has(MONITOR):
        server.monitors.remove(client)
        slow_because("monitors", bool(server.monitors))
        client.clear(MONITOR | REPLICA)
        client.slow_because(LINK, False)
    client.select(server.keyspace.databases[0])
    client.resp = 2
    server.authentication.log_in_by_default(client)
    multi.discard(client)
    server.pubsub.forget(client)
    server.tracking.stop(client)
    client.name = b""
    client.clear(READONLY | REPLY_OFF | REPLY_SKIP_NEXT | NO_TOUCH | NO_EVICT)
    client.slow_because(REPLY_MODE | UNTOUCHING | ASKING, False)


@command("QUIT", arity=-1, flags=_FIRST, since="1.0.0", deprecated=("7.2.0", "just closing the connection"))
def quit_(call: Call, *ignored: bytes) -> str:
    """Answer OK and close the connection, once the replies before it are sent.

    Complexity: O(1)
    """
    call.client.close(after_reply=True)
    return OK
