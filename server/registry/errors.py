"""Errors that reach a client: one class, and the texts that more than one command answers with.

A command raises CommandError; dispatch counts it (errorstats by its first word) and writes it as `-TEXT`. The class is
native (`command_error`).
"""

from collections.abc import Sequence
from functools import cache

from server.registry.command_error import CommandError as CommandError


def named_text(text: bytes, *words: bytes) -> bytes:
    """Of an error that names words of the request: each up to its first NUL, with which text ends in C, and without the
    ends of lines behind it.
    """
    return (text % tuple([word.split(b"\0", 1)[0] for word in words])).rstrip(b"\r\n")


def named(text: bytes, *words: bytes) -> CommandError:
    """The same as an error."""
    return CommandError(named_text(text, *words))


def unknown_subcommand_text(word: bytes, container: str) -> bytes:
    """Of a container: none of that name."""
    return named_text(b"ERR unknown subcommand '%s'. Try %s HELP.", word[:128], container.upper().encode())


def wrong_subcommand(argv: Sequence[bytes]) -> CommandError:
    """Of a container: none of that name, or not with so many words."""
    wrong = b"ERR unknown subcommand or wrong number of arguments for '%s'. Try %s HELP."
    return named(wrong, argv[1][:128], argv[0].upper())


SYNTAX = "ERR syntax error"
WRONG_TYPE = "WRONGTYPE Operation against a key holding the wrong kind of value"
NOT_AN_INTEGER = "ERR value is not an integer or out of range"
NOT_A_FLOAT = "ERR value is not a valid float"
HASH_VALUE_NOT_AN_INTEGER = "ERR hash value is not an integer"
NO_SCORE_LIMITS = "ERR min or max is not a float"
NO_MEMBER_LIMITS = "ERR min or max not valid string range item"
OUT_OF_RANGE = "ERR value is out of range"
MUST_BE_POSITIVE = "ERR value is out of range, must be positive"
NO_SUCH_KEY = "ERR no such key"
LOADING = "LOADING Redis is loading the dataset in memory"
MASTERDOWN = "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'."
BUSY_GROUP = "BUSYGROUP Consumer Group name already exists"
BUSY_KEY = "BUSYKEY Target key name already exists."
SAME_OBJECT = "ERR source and destination objects are the same"
INDEX_OUT_OF_RANGE = "ERR index out of range"
NO_CURSOR = "ERR invalid cursor"
DB_OUT_OF_RANGE = "ERR DB index is out of range"
OVERFLOW = "ERR increment or decrement would overflow"
NAN_OR_INFINITY = "ERR increment would produce NaN or Infinity"
STRING_TOO_LONG = "ERR string exceeds maximum allowed size (proto-max-bulk-len)"
INVALID_EXPIRE = "ERR invalid expire time in '{}' command"
WRONG_ARITY = "ERR wrong number of arguments for '{}' command"
NO_AUTH = "NOAUTH Authentication required."
NAME_TOO_LONG = "ERR a key, member or field is longer than 536870911 bytes"
OUT_OF_MEMORY = "OOM command not allowed when used memory > 'maxmemory'."
EXEC_ABORT = "EXECABORT Transaction discarded because of previous errors."
# By the reader's numbers (iothreads.message); `ERR Protocol error: ` comes before.
PROTOCOL_ERRORS = {
    1: "invalid multibulk length", 2: "unauthenticated multibulk length", 3: "too big mbulk count string",
    4: "expected '$', got '{}'", 5: "invalid bulk length", 6: "unauthenticated bulk length",
    7: "too big bulk count string", 8: "too big inline request", 9: "unbalanced quotes in request",
}


_SYNTAX = SYNTAX.encode()
_WRONG_TYPE = WRONG_TYPE.encode()


@cache
def wrong_arity_text(name: str) -> bytes:
    """What `wrong_arity` says. Made once for each command."""
    return WRONG_ARITY.format(name).encode()


@cache
def invalid_expire_text(name: str) -> bytes:
    """Of a time to live that is none, in that command. Made once for each."""
    return INVALID_EXPIRE.format(name).encode()


def syntax() -> CommandError:
    """`ERR syntax error`."""
    return CommandError(_SYNTAX)


def wrong_type() -> CommandError:
    """`WRONGTYPE ...`."""
    return CommandError(_WRONG_TYPE)


def wrong_arity(name: str) -> CommandError:
    """`ERR wrong number of arguments for 'name' command`; name of a command as COMMAND prints it ("config|get")."""
    return CommandError(wrong_arity_text(name))
