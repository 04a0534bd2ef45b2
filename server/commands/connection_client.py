"""CLIENT: list and close connections, name this one, choose what it is answered, make clients wait."""

from collections.abc import Callable, Iterable

from server.clients import client_list, pause
from server.clients.accounts import class_of
from server.clients.client import (
    NO_EVICT,
    NO_TOUCH,
    REPLY_MODE,
    REPLY_OFF,
    REPLY_SKIP,
    REPLY_SKIP_NEXT,
    UNTOUCHING,
    Client,
)
from server.clients.client_table import class_named
from server.dispatch.call import Call
from server.registry import args
from server.registry.args import INT64_MAX
from server.registry.command import ADMIN, LOADING, NOSCRIPT, SENTINEL, STALE, container, group
from server.registry.errors import CommandError, syntax, wrong_subcommand
from server.registry.light import Any
from server.registry.reply import NO_REPLY, OK, NoReply, Verbatim

command = group("connection")
container("CLIENT", "connection", "What can be asked and said about connections.", since="2.4.0", flags=SENTINEL,
          acl=("-connection",))

_FLAGS = NOSCRIPT | LOADING | STALE | SENTINEL
_ON_ALL_NODES = ("request_policy:all_nodes", "response_policy:all_succeeded")
_BAD_ID = "ERR client-id should be greater than 0"


def _on_or_off(word: bytes) -> bool:
    choice = word.upper()
    if choice not in (b"ON", b"OFF"):
        raise syntax()
    return choice == b"ON"


def _class(word: bytes) -> str:
    kind = class_named(word)
    if kind is None:
        raise CommandError(b"ERR Unknown client type '%s'" % word)
    return kind


# ---- who is here
@command("CLIENT|ID", arity=2, flags=_FLAGS, since="5.0.0")
def client_id(call: Call) -> int:
    """Tell the id of this connection; ids only grow and are never used again.

    Complexity: O(1)
    """
    return call.client.id


@command("CLIENT|INFO", arity=2, flags=_FLAGS, since="6.2.0", tips=("nondeterministic_output",))
def client_info(call: Call) -> Verbatim:
    """Show this connection as a line of CLIENT LIST.

    Complexity: O(1)
    """
    return _listing(call, [call.client])


@command("CLIENT|LIST", arity=-2, flags=_FLAGS | ADMIN, since="2.4.0",
         syntax="[TYPE <NORMAL | MASTER | REPLICA | PUBSUB>] [ID client-id [client-id ...]]",
         tips=("nondeterministic_output",),
         history=(("2.8.12", "Shows the unique `id`."), ("5.0.0", "Takes `TYPE`."), ("6.0.0", "Shows `user`."),
                  ("6.2.0", "Shows `argv-mem`, `tot-mem`, `laddr` and `redir`, and takes `ID`."),
                  ("7.0.0", "Shows `resp`, `multi-mem`, `rbs` and `rbp`."), ("7.0.3", "Shows `ssub`.")))
def client_list_(call: Call, *words: bytes) -> Verbatim:
    """List connections, one line of `name=value` pairs each.

    Complexity: O(N) where N is the number of clients.
    """
    clients: Iterable[Client] = call.server.clients
    if len(words) == 2 and words[0].upper() == b"TYPE":
        kind = _class(words[1])
        clients = [client for client in clients if class_of(client) == kind]
    elif len(words) >= 2 and words[0].upper() == b"ID":
        find, ids = call.server.clients.get, [args.integer(word, "ERR Invalid client ID") for word in words[1:]]
        clients = [client for number in ids if (client := find(number)) is not None]
    elif words:
        raise syntax()
    return _listing(call, clients)


def _listing(call: Call, clients: Iterable[Client]) -> Verbatim:
    return Verbatim(client_list.listing(clients, call.client, call.argv))


# ---- closing others
@command("CLIENT|KILL", arity=-3, flags=_FLAGS | ADMIN, since="2.4.0",
         syntax="<ip:port | <[ID client-id] | [TYPE <NORMAL | MASTER | SLAVE | REPLICA | PUBSUB>] | [USER username] | "
                "[ADDR ip:port] | [LADDR ip:port] | [SKIPME <YES | NO>] ...>>",
         history=(("2.8.12", "Takes filters."), ("2.8.12", "Takes `ID`."), ("3.2.0", "`TYPE` knows `master`."),
                  ("5.0.0", "`TYPE` calls `replica` what was `slave`, which still works."),
                  ("6.2.0", "Takes `LADDR`.")))
def client_kill(call: Call, *words: bytes) -> str | int:
    """Close connections: the one with that address, or all that pass every filter.

    With an address alone the reply is OK or an error, with filters the number of connections closed.

    Complexity: O(N) where N is the number of clients.
    """
    if len(words) == 1:
        if not _kill(call, [lambda client: client.address.encode() == words[0]], False, call.server.clients):
            raise CommandError("ERR No such client")
        return OK
    filters, skip_me, among = _kill_filters(call, words)
    return _kill(call, filters, skip_me, among)


Filter = Callable[[Client], Any]


def _kill_filters(call: Call, words: tuple[bytes, ...]) -> tuple[list[Filter], bool, Iterable[Client]]:
    """(filters, SKIPME, who may pass them). Of an option that is given twice the last one counts."""
    found: dict[bytes, Filter] = {}
    among: Iterable[Client] = call.server.clients
    skip_me = True
    if len(words) % 2:
        words = (*words, b"")               # the last option lacks its value: an error once it is reached
    for at in range(0, len(words), 2):
        option, value = words[at].upper(), words[at + 1]
        if option == b"SKIPME" and value.upper() in (b"YES", b"NO"):
            skip_me = value.upper() == b"YES"
        elif option == b"ID" and (value or at + 2 < len(words)):
            one = call.server.clients.get(args.integer_in(value, 1, INT64_MAX, _BAD_ID))
            among = [one] if one is not None else []
        elif option in _KILL_FILTERS and (value or at + 2 < len(words)):
            found[option] = _KILL_FILTERS[option](call, value)
        else:
            raise syntax()
    return list(found.values()), skip_me, among


def _by_type(call: Call, value: bytes) -> Filter:
    kind = _class(value)
    return lambda client: class_of(client) == kind


def _by_user(call: Call, value: bytes) -> Filter:
    user = call.server.users.get(value)
    if user is None:
        raise CommandError(b"ERR No such user '%s'" % value)
    return lambda client: client.user is user


_KILL_FILTERS: dict[bytes, Callable[[Call, bytes], Filter]] = {
    b"TYPE": _by_type,
    b"USER": _by_user,
    b"ADDR": lambda call, value: lambda client: client.address.encode() == value,
    b"LADDR": lambda call, value: lambda client: client.local_address.encode() == value,
}


def _kill(call: Call, filters: list[Filter], skip_me: bool, among: Iterable[Client]) -> int:
    """How many connections were closed. Our own gets its reply first."""
    killed = 0
    for client in among:
        if not all(passes(client) for passes in filters):
            continue
        if client is not call.client:
            client.close()
            call.server.closed(client)      # at once: the next command must not see it any more
        elif skip_me:
            continue
        else:
            client.close(after_reply=True)
        killed += 1
    return killed


@command("CLIENT|UNBLOCK", arity=-3, flags=_FLAGS | ADMIN, since="5.0.0", syntax="client-id [TIMEOUT | ERROR]")
def client_unblock(call: Call, client_id: bytes, *reason: bytes) -> int:
    """Let a client go on that a command like BLPOP blocks, as if its time were over or with an error; 1 if it was.

    Complexity: O(log N) where N is the number of clients.
    """
    if len(reason) > 1:
        raise wrong_subcommand(call.argv)
    if reason and reason[0].upper() not in (b"TIMEOUT", b"ERROR"):
        raise CommandError("ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR")
    client = call.server.clients.get(args.integer(client_id))
    if client is None or client.blocked is None:
        return 0
    if reason and reason[0].upper() == b"ERROR":
        client.blocked.fail(CommandError("UNBLOCKED client unblocked via CLIENT UNBLOCK"))
    else:
        client.blocked.time_out()
    return 1


# ---- names
@command("CLIENT|SETNAME", arity=3, flags=_FLAGS, since="2.6.9", syntax="connection-name", tips=_ON_ALL_NODES)
def client_setname(call: Call, name: bytes) -> str:
    """Give this connection a name for CLIENT LIST; an empty one takes it away.

    Complexity: O(1)
    """
    client_list.check_name(name)
    call.client.name = name
    return OK


@command("CLIENT|GETNAME", arity=2, flags=_FLAGS, since="2.6.9")
def client_getname(call: Call) -> bytes | None:
    """Tell this connection's name, null without one.

    Complexity: O(1)
    """
    return call.client.name or None


@command("CLIENT|SETINFO", arity=4, flags=_FLAGS, since="7.2.0", syntax="<LIB-NAME libname | LIB-VER libver>",
         tips=_ON_ALL_NODES)
def client_setinfo(call: Call, attribute: bytes, value: bytes) -> str:
    """Say which client library, and which version of it, this connection belongs to.

    Complexity: O(1)
    """
    which = attribute.upper()
    if which not in (b"LIB-NAME", b"LIB-VER"):
        raise CommandError(b"ERR Unrecognized option '%s'" % attribute)
    if not client_list.printable(value):
        raise CommandError(b"ERR %s cannot contain spaces, newlines or special characters." % attribute)
    if which == b"LIB-NAME":
        call.client.library_name = value
    else:
        call.client.library_version = value
    return OK


# ---- how this connection is treated
@command("CLIENT|REPLY", arity=3, flags=_FLAGS, since="3.2.0", syntax="<ON | OFF | SKIP>")
def client_reply(call: Call, mode: bytes) -> str | NoReply:
    """Choose whether commands of this connection are answered: all, none, or all but the next one.

    Complexity: O(1)
    """
    client, choice = call.client, mode.upper()
    if choice == b"ON":
        client.clear(REPLY_OFF | REPLY_SKIP)
        return OK
    if choice not in (b"OFF", b"SKIP"):
        raise syntax()
    if choice == b"OFF":
        client.set(REPLY_OFF)
    elif not client.has(REPLY_OFF):
        client.set(REPLY_SKIP_NEXT)
    client.slow_because(REPLY_MODE)
    return NO_REPLY


@command("CLIENT|NO-EVICT", arity=3, flags=_FLAGS | ADMIN, since="7.0.0", syntax="<ON | OFF>")
def client_no_evict(call: Call, choice: bytes) -> str:
    """Spare this connection when maxmemory-clients asks for clients to be closed.

    Complexity: O(1)
    """
    if _on_or_off(choice):
        call.client.set(NO_EVICT)
    else:
        call.client.clear(NO_EVICT)
    return OK


@command("CLIENT|NO-TOUCH", arity=3, flags=NOSCRIPT | LOADING | STALE, since="7.2.0", syntax="<ON | OFF>")
def client_no_touch(call: Call, choice: bytes) -> str:
    """Let commands of this connection leave the LRU and LFU marks of keys alone (TOUCH still touches).

    Complexity: O(1)
    """
    on = _on_or_off(choice)
    if on:
        call.client.set(NO_TOUCH)
    else:
        call.client.clear(NO_TOUCH)
    call.client.slow_because(UNTOUCHING, on)
    return OK


# ---- making clients wait
@command("CLIENT|PAUSE", arity=-3, flags=_FLAGS | ADMIN, since="3.0.0", syntax="timeout [WRITE | ALL]",
         history=(("6.2.0", "Takes `WRITE` and `ALL`."),))
def client_pause(call: Call, timeout: bytes, *mode: bytes) -> str:
    """Make clients wait for so many milliseconds: all of them, or those that would write.

    Complexity: O(1)
    """
    if len(mode) > 1:
        raise wrong_subcommand(call.argv)
    if mode and mode[0].upper() not in (b"WRITE", b"ALL"):
        raise CommandError("ERR CLIENT PAUSE mode must be WRITE or ALL")
    milliseconds = args.integer(timeout, "ERR timeout is not an integer or out of range")
    if milliseconds < 0:
        raise CommandError("ERR timeout is negative")
    if milliseconds > INT64_MAX - call.now_ms:
        raise CommandError("ERR timeout is out of range")
    strength = pause.WRITES if mode and mode[0].upper() == b"WRITE" else pause.ALL
    call.server.pause.start(pause.BY_CLIENT, milliseconds, strength)
    return OK


@command("CLIENT|UNPAUSE", arity=2, flags=_FLAGS | ADMIN, since="6.2.0")
def client_unpause(call: Call) -> str:
    """End CLIENT PAUSE now.

    Complexity: O(N) where N is the number of clients that wait.
    """
    call.server.pause.stop(pause.BY_CLIENT)
    return OK


@command("CLIENT|HELP", arity=2, flags=LOADING | STALE | SENTINEL, since="5.0.0")
def client_help(call: Call) -> list[str]:
    """List the subcommands.

    Complexity: O(1)
    """
    return _HELP.splitlines()


_HELP = """\
CLIENT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:
CACHING (YES|NO)
    Enable/disable tracking of the keys for next command in OPTIN/OPTOUT modes.
GETREDIR
    Return the client ID we are redirecting to when tracking is enabled.
GETNAME
    Return the name of the current connection.
ID
    Return the ID of the current connection.
INFO
    Return information about the current client connection.
KILL <ip:port>
    Kill connection made from <ip:port>.
KILL <option> <value> [<option> <value> [...]]
    Kill connections. Options are:
    * ADDR (<ip:port>|<unixsocket>:0)
      Kill connections made from the specified address
    * LADDR (<ip:port>|<unixsocket>:0)
      Kill connections made to specified local address
    * TYPE (NORMAL|MASTER|REPLICA|PUBSUB)
      Kill connections by type.
    * USER <username>
      Kill connections authenticated by <username>.
    * SKIPME (YES|NO)
      Skip killing current connection (default: yes).
LIST [options ...]
    Return information about client connections. Options:
    * TYPE (NORMAL|MASTER|REPLICA|PUBSUB)
      Return clients of specified type.
UNPAUSE
    Stop the current client pause, resuming traffic.
PAUSE <timeout> [WRITE|ALL]
    Suspend all, or just write, clients for <timeout> milliseconds.
REPLY (ON|OFF|SKIP)
    Control the replies sent to the current connection.
SETNAME <name>
    Assign the name <name> to the current connection.
SETINFO <option> <value>
    Set client meta attr. Options are:
    * LIB-NAME: the client lib name.
    * LIB-VER: the client lib version.
UNBLOCK <clientid> [TIMEOUT|ERROR]
    Unblock the specified blocked client.
TRACKING (ON|OFF) [REDIRECT <id>] [BCAST] [PREFIX <prefix> [...]]
         [OPTIN] [OPTOUT] [NOLOOP]
    Control server assisted client side caching.
TRACKINGINFO
    Report tracking status for the current connection.
NO-EVICT (ON|OFF)
    Protect current client connection from eviction.
NO-TOUCH (ON|OFF)
    Will not touch LRU/LFU stats when this mode is on.
HELP
    Print this help."""
