"""Walking over all keys: KEYS at once, SCAN in small steps, RANDOMKEY one of them."""

from server.dispatch.call import Call
from server.registry import args
from server.registry.command import READONLY, TOUCHES_ARBITRARY_KEYS, group
from server.registry.errors import syntax
from server.structures import glob

command = group("generic")

DEFAULT_COUNT = 10
MAX_COUNT = 1 << 48             # more keys than there can be
TYPE_NAMES = frozenset({"string", "list", "set", "zset", "hash", "stream"})


@command("KEYS", arity=2, flags=READONLY, since="1.0.0", syntax="pattern", acl=("dangerous",),
         tips=("request_policy:all_shards", "nondeterministic_output_order"))
def keys_(call: Call, pattern: bytes) -> list[bytes]:
    """List every key that matches a pattern (* ? [abc] [^a-z] and \\ before a plain character).

    Holds the server for as long as that takes: SCAN is made for large databases.

    Complexity: O(N) where N is the number of keys in the database.
    """
    return glob.matching(pattern, call.db.all_keys())


@command("RANDOMKEY", arity=1, flags=READONLY | TOUCHES_ARBITRARY_KEYS, since="1.0.0",
         tips=("request_policy:all_shards", "response_policy:special", "nondeterministic_output"))
def randomkey(call: Call) -> bytes | None:
    """Return the name of a key picked at random, null when the database is empty.

    Complexity: O(1)
    """
    return call.db.random_key()


@command("SCAN", arity=-2, flags=READONLY | TOUCHES_ARBITRARY_KEYS, since="2.8.0",
         syntax="cursor [MATCH pattern] [COUNT count] [TYPE type]",
         tips=("nondeterministic_output", "request_policy:special", "response_policy:special"),
         history=(("6.0.0", "Added the `TYPE` subcommand."),))
def scan(call: Call, cursor_text: bytes, *words: bytes) -> list[object]:
    """Walk over the keys in steps: the reply is the cursor for the next call and some keys.

    Start with cursor 0, and the walk is complete when 0 comes back. Keys that were there all the time are returned,
    some perhaps twice; what came or went meanwhile may be. COUNT (10) is the effort of one call; MATCH and TYPE filter
    what was found, so a step may come back empty.

    Complexity: O(1) for a call, O(N) for the whole walk, N being the number of keys.
    """
    cursor = args.cursor(cursor_text)
    pattern, count, wanted = _scan_options(words)
    cursor, found = call.db.scan(cursor, count)
    if pattern is not None:
        found = glob.matching(pattern, found)
    if wanted is not None:
        found = [key for key in found if call.db.type_of(key, notify=False) == wanted]
    elif call.db.expires:
        found = [key for key in found if call.db.exists(key)]
    return [b"%d" % cursor, found]


def _scan_options(words: tuple[bytes, ...]) -> tuple[bytes | None, int, str | None]:
    """(pattern, count, type name; an unknown type is "": nothing has it)."""
    pattern, count, wanted = None, DEFAULT_COUNT, None
    rest = list(words)
    while rest:
        name = rest.pop(0).upper()
        if name not in (b"MATCH", b"COUNT", b"TYPE") or not rest:
            raise syntax()
        value = rest.pop(0)
        if name == b"COUNT":
            count = args.integer(value)
            if count < 1:
                raise syntax()
        elif name == b"MATCH":
            pattern = value
        else:
            wanted = value.decode("latin-1").lower()
            wanted = wanted if wanted in TYPE_NAMES else ""
    return pattern, min(count, MAX_COUNT), wanted
