"""ACL: users and what they may do. The rules are server.acl's."""

import os
from collections.abc import Iterable
from functools import cache
from itertools import islice

from server.acl import file as acl_file
from server.acl.log import Entry
from server.acl.selector import Selector
from server.acl.user import denial_text
from server.acl.users import DEFAULT_USER, SetUserError
from server.dispatch.call import Call
from server.registry import args
from server.registry.clock import unix_ms
from server.registry.command import (
    ADMIN,
    CATEGORIES,
    DECLARED,
    LOADING,
    NOSCRIPT,
    SENTINEL,
    STALE,
    container,
    find,
    group,
)
from server.registry.errors import CommandError, named, wrong_arity, wrong_subcommand
from server.registry.light import Any
from server.registry.reply import OK, Encoded, Pairs, SetOf
from server.registry.reply_writer import encode_reply

command = group("server")
container("ACL", "server", "Users, and what they may do.", since="6.0.0", flags=SENTINEL)

_OPEN = NOSCRIPT | LOADING | STALE | SENTINEL
_ADMIN = ADMIN | _OPEN
_ON_ALL_NODES = ("request_policy:all_nodes", "response_policy:all_succeeded")
_REDACTED = b"(redacted)"
_PASSWORD_BITS, _MOST_BITS = 256, 4096
_SHOWN = 10
_NO_FILE = (
    "ERR This Redis instance is not configured to use an ACL file. You may want to specify users via the ACL SETUSER "
    "command and then issue a CONFIG REWRITE (assuming you have a Redis configuration file set) in order to store "
    "users in the Redis configuration."
)


# ---- changing users
@command("ACL|SETUSER", arity=-3, flags=_ADMIN, since="6.0.0", syntax="username [rule [rule ...]]", tips=_ON_ALL_NODES,
         history=(("6.2.0", "Patterns of channels."), ("7.0.0", "Selectors, and rights to read or write keys.")))
def acl_setuser(call: Call, name: bytes, *rules: bytes) -> str:
    """Change a user by rules, all of them or none; one that is not there is made, and may do nothing so far.

    Complexity: O(N). Where N is the number of rules provided.
    """
    call.argv[2:] = [_REDACTED] * (len(rules) + 1)
    try:
        call.server.users.set(name, rules)
    except SetUserError as error:
        raise named(b"ERR %s", error.text) from None
    return OK


@command("ACL|DELUSER", arity=-3, flags=_ADMIN, since="6.0.0", syntax="username [username ...]", tips=_ON_ALL_NODES)
def acl_deluser(call: Call, *names: bytes) -> int:
    """Delete users and close their connections; the reply is how many there were.

    Complexity: O(1) amortized time considering the typical user.
    """
    if DEFAULT_USER in names:
        raise CommandError("ERR The 'default' user cannot be removed")
    deleted = [user for name in names if (user := call.server.users.delete(name)) is not None]
    call.server.authentication.expel(deleted, call.client)
    return len(deleted)


# ---- looking at users
@command("ACL|GETUSER", arity=3, flags=_ADMIN, since="6.0.0", syntax="username",
         history=(("6.2.0", "Shows patterns of channels."), ("7.0.0", "Shows selectors; keys and channels as rules.")))
def acl_getuser(call: Call, name: bytes) -> Pairs | None:
    """Describe a user: flags, hashes of passwords, and its rules; null when there is none.

    Complexity: O(N). Where N is the number of password, command and pattern rules that the user has.
    """
    user = call.server.users.get(name)
    if user is None:
        return None
    own, *others = user.selectors
    return Pairs([
        (b"flags", SetOf(user.flags())),
        (b"passwords", list(user.passwords)),
        *_rules_of(own),
        (b"selectors", [Pairs(_rules_of(other)) for other in others]),
    ])


def _rules_of(selector: Selector) -> list[tuple[bytes, bytes]]:
    return [
        (b"commands", selector.describe_commands()),
        (b"keys", selector.describe_keys()),
        (b"channels", selector.describe_channels()),
    ]


@command("ACL|LIST", arity=2, flags=_ADMIN, since="6.0.0")
def acl_list(call: Call) -> Encoded:
    """List the users, each as a line of a configuration file.

    Complexity: O(N). Where N is the number of configured users.
    """
    return call.server.users.listed()


@command("ACL|USERS", arity=2, flags=_ADMIN, since="6.0.0")
def acl_users(call: Call) -> list[bytes]:
    """List the names of the users.

    Complexity: O(N). Where N is the number of configured users.
    """
    return [user.name for user in call.server.users]


@command("ACL|WHOAMI", arity=2, flags=_OPEN, since="6.0.0")
def acl_whoami(call: Call) -> bytes | None:
    """Tell the name of this connection's user.

    Complexity: O(1)
    """
    return None if call.client.user is None else call.client.user.name


@command("ACL|DRYRUN", arity=-4, flags=_ADMIN, since="7.0.0", syntax="username command [arg [arg ...]]")
def acl_dryrun(call: Call, name: bytes, *argv: bytes) -> str | bytes:
    """Tell whether a user may make a call, without making it: OK, or why not.

    Complexity: O(1).
    """
    user = call.server.users.get(name)
    if user is None:
        raise named(b"ERR User '%s' not found", name)
    found = find(argv)
    if found is None or (found.subcommands and len(argv) > 1):
        raise named(b"ERR Command '%s' not found", argv[0])
    if not found.arity_fits(len(argv)):
        raise wrong_arity(found.name)
    denied = user.may(found, argv)
    return OK if denied is None else denial_text(user, found, argv, denied, verbose=True)


# ---- the file
def _file(call: Call) -> str:
    """The path of the ACL file. Errors: there is none."""
    path: str = call.config.aclfile
    if not path:
        raise CommandError(_NO_FILE)
    return path


@command("ACL|LOAD", arity=2, flags=_ADMIN, since="6.0.0")
def acl_load(call: Call) -> str:
    """Read the ACL file again: its users instead of those that there are, or an error about its lines and no change.

    Connections of all users but the default one are closed.

    Complexity: O(N). Where N is the number of configured users.
    """
    try:
        gone = acl_file.load(call.server.users, _file(call))
    except acl_file.FileError as error:
        raise named(b"ERR %s", error.text) from None
    call.server.authentication.expel(gone, call.client)
    return OK


@command("ACL|SAVE", arity=2, flags=_ADMIN, since="6.0.0", tips=_ON_ALL_NODES)
def acl_save(call: Call) -> str:
    """Write the users to the ACL file.

    Complexity: O(N). Where N is the number of configured users.
    """
    try:
        acl_file.save(call.server.users, _file(call))
    except OSError as error:
        call.server.log.warning("Saving the ACL file: %s", error)
        raise CommandError("ERR There was an error trying to save the ACLs. Please check the server logs for more "
                           "information") from None
    return OK


# ---- the log
@command("ACL|LOG", arity=-2, flags=_ADMIN, since="6.0.0", syntax="[count | RESET]",
         history=(("7.2.0", "Shows the number of an entry, and when it was made and last changed."),))
def acl_log(call: Call, *words: bytes) -> str | list[Pairs]:
    """Show the newest refusals (10, or so many), or forget them all.

    Complexity: O(N) with N being the number of entries shown.
    """
    log = call.server.acl_log
    if len(words) > 1:
        raise wrong_subcommand(call.argv)
    if words and words[0].lower() == b"reset":
        log.reset()
        return OK
    count = max(0, args.integer(words[0])) if words else _SHOWN
    now = unix_ms()
    return [_entry(entry, now) for entry in islice(log.entries, min(count, len(log.entries)))]


def _entry(entry: Entry, now_ms: int) -> Pairs:
    pairs: list[tuple[bytes, Any]] = [
        (b"count", entry.count),
        (b"reason", entry.reason.encode()),
        (b"context", entry.context.encode()),
        (b"object", entry.object),
        (b"username", entry.user),
        (b"age-seconds", (now_ms - entry.updated_ms) / 1000),
        (b"client-info", entry.client),
        (b"entry-id", entry.id),
        (b"timestamp-created", entry.created_ms),
        (b"timestamp-last-updated", entry.updated_ms),
    ]
    return Pairs(pairs)


# ---- what may be said in rules
@command("ACL|CAT", arity=-2, flags=_OPEN, since="6.0.0", syntax="[category]")
def acl_cat(call: Call, *words: bytes) -> Encoded:
    """List the categories of commands, or the commands of one.

    Complexity: O(1) since the categories and commands are a fixed set.
    """
    if len(words) > 1:
        raise wrong_subcommand(call.argv)
    if not words:
        return _categories()
    category = words[0].decode("latin-1").lower()
    if category not in CATEGORIES:
        raise named(b"ERR Unknown category '%s'", words[0][:128])
    return _commands_of(category)


@cache
def _categories() -> Encoded:
    return _names(CATEGORIES)


@cache
def _commands_of(category: str) -> Encoded:
    return _names(found.name for found in DECLARED.values() if category in found.categories)


def _names(names: Iterable[str]) -> Encoded:
    """An array is the same in either protocol."""
    return Encoded(encode_reply([name.encode("latin-1") for name in names], 2))


@command("ACL|GENPASS", arity=-2, flags=_OPEN, since="6.0.0", syntax="[bits]")
def acl_genpass(call: Call, *words: bytes) -> bytes:
    """Make up a password of 256 bits, or of so many, in hexadecimal digits.

    Complexity: O(1)
    """
    if len(words) > 1:
        raise wrong_subcommand(call.argv)
    bits = args.integer(words[0]) if words else _PASSWORD_BITS
    if not 0 < bits <= _MOST_BITS:
        raise CommandError(f"ERR ACL GENPASS argument must be the number of bits for the output password, a positive "
                           f"number up to {_MOST_BITS}")
    digits = (bits + 3) // 4
    return os.urandom((digits + 1) // 2).hex()[:digits].encode()


@command("ACL|HELP", arity=2, flags=LOADING | STALE | SENTINEL, since="6.0.0")
def acl_help(call: Call) -> list[str]:
    """List the subcommands.

    Complexity: O(1)
    """
    return _HELP.splitlines()


_HELP = """\
ACL <subcommand> [<arg> [value] [opt] ...]. Subcommands are:
CAT [<category>]
    Show the categories, or the commands of one of them.
DELUSER <username> [<username> ...]
    Delete users, and close their connections.
DRYRUN <username> <command> [<arg> ...]
    Tell whether a user may run a command, which does not run.
GETUSER <username>
    Show one user.
GENPASS [<bits>]
    Make up a password of 256 bits, or of so many.
LIST
    Show all users as lines of a configuration file.
LOAD
    Read the users from the ACL file.
LOG [<count> | RESET]
    Show what was refused lately, or forget it.
SAVE
    Write the users to the ACL file.
SETUSER <username> <attribute> [<attribute> ...]
    Make a user, or change one.
USERS
    Show the names of all users.
WHOAMI
    Show the name of this connection's user.
HELP
    Print this help."""
