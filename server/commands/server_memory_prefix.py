"""MEMORY PREFIX: what the keys that begin alike cost, in steps like SCAN's. Redis has no such command."""

from server.dispatch.call import Call
from server.keyspace.prefixes import prefixes
from server.registry import args
from server.registry.command import READONLY, group
from server.registry.errors import CommandError, syntax
from server.registry.light import Any

command = group("server")

STEP_US = 2000                      # however much COUNT asks for: other clients wait no longer than that
DEPTH_MAX = 64


@command("MEMORY|PREFIX", arity=-3, flags=READONLY, since="7.2.0",
         syntax="cursor [SEPARATOR separator] [DEPTH depth] [COUNT count]",
         tips=("nondeterministic_output", "request_policy:special", "response_policy:special"))
def memory_prefix(call: Call, cursor_text: bytes, *words: bytes) -> list[Any]:
    """Sum up keys and bytes by prefix, in steps: the reply is the cursor for the next call, and prefixes with figures.

    Start with cursor 0; the walk is complete when 0 comes back. Each step tells of the keys that it met, so figures of
    the same prefix are to be added up. A prefix ends behind the DEPTH-th (1) SEPARATOR (:) of a key; keys without any
    are told as an empty one. COUNT (1000) is the effort of a step, which ends after two milliseconds in any case. The
    bytes of values with more than 512 elements are estimates.

    Complexity: O(COUNT) for a call, O(N) for the whole walk, N being the number of keys.
    """
    cursor, (separator, depth, count) = args.cursor(cursor_text), _options(list(words))
    cursor, found = prefixes(call.db, cursor, separator, depth, count, STEP_US)
    return [b"%d" % cursor, [[prefix, keys, weight] for prefix, (keys, weight) in found.items()]]


def _options(words: list[bytes]) -> tuple[bytes, int, int]:
    separator, depth, count = b":", 1, 1000
    while words:
        name = words.pop(0).upper()
        if not words:
            raise syntax()
        value = words.pop(0)
        if name == b"SEPARATOR":
            if not value:
                raise CommandError("ERR SEPARATOR must not be empty")
            separator = value
        elif name == b"DEPTH":
            depth = args.integer_in(value, 1, DEPTH_MAX, f"ERR DEPTH must be between 1 and {DEPTH_MAX}")
        elif name == b"COUNT":
            count = args.integer_in(value, 1, 1 << 30, "ERR COUNT must be positive")
        else:
            raise syntax()
    return separator, depth, count
