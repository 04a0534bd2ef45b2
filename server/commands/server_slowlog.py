"""SLOWLOG: the last commands that took longer than slowlog-log-slower-than. Kept by server.observe.slowlog."""

from collections.abc import Collection
from itertools import islice

from server.dispatch.call import Call
from server.observe.slowlog import SlowEntry
from server.registry import args
from server.registry.command import ADMIN, LOADING, STALE, container, group
from server.registry.errors import wrong_subcommand
from server.registry.reply import OK, Encoded
from server.registry.reply_writer import encode_reply

command = group("server")
container("SLOWLOG", "server", "The log of slow commands.", since="2.2.12")

_FLAGS = ADMIN | LOADING | STALE
_COUNT_ERROR = "ERR count should be greater than or equal to -1"
_ALL = -1
ANSWERS_KEPT, ANSWER_BYTES = 8, 65536      # of SLOWLOG GET, until the log changes: who watches it asks again and again


@command("SLOWLOG|GET", arity=-2, flags=_FLAGS, since="2.2.12", syntax="[count]",
         tips=("request_policy:all_nodes", "nondeterministic_output"),
         history=(("4.0.0", "Entries also tell the client's address and name."),))
def slowlog_get(call: Call, *words: bytes) -> Encoded:
    """Return the newest entries: id, Unix time, microseconds, the words, the client's address and its name.

    Ten of them unless a count is given; -1 is all.

    Complexity: O(N) where N is the number of entries returned
    """
    if len(words) > 1:
        raise wrong_subcommand(call.argv)
    count = args.integer_in(words[0], _ALL, args.INT64_MAX, _COUNT_ERROR) if words else 10
    log = call.server.slowlog
    reply = log.shown.get(count)
    if reply is None:
        reply = Encoded(encode_reply(_told(log.entries, count), 2))       # the same in RESP3
        if len(log.shown) < ANSWERS_KEPT and len(reply.wire) <= ANSWER_BYTES:
            log.shown[count] = reply
    return reply


def _told(entries: Collection[SlowEntry], count: int) -> list[list[object]]:
    return [[entry.id, entry.unix_seconds, entry.microseconds, entry.argv, entry.address.encode(), entry.name]
            for entry in islice(entries, len(entries) if count == _ALL else min(count, len(entries)))]


@command("SLOWLOG|LEN", arity=2, flags=_FLAGS, since="2.2.12",
         tips=("request_policy:all_nodes", "response_policy:agg_sum", "nondeterministic_output"))
def slowlog_len(call: Call) -> int:
    """Return how many entries there are.

    Complexity: O(1)
    """
    return len(call.server.slowlog.entries)


@command("SLOWLOG|RESET", arity=2, flags=_FLAGS, since="2.2.12",
         tips=("request_policy:all_nodes", "response_policy:all_succeeded"))
def slowlog_reset(call: Call) -> str:
    """Remove all entries; ids go on from where they were.

    Complexity: O(N) where N is the number of entries
    """
    call.server.slowlog.reset()
    return OK


@command("SLOWLOG|HELP", arity=2, flags=LOADING | STALE, since="6.2.0")
def slowlog_help(call: Call) -> list[str]:
    """List the subcommands.

    Complexity: O(1)
    """
    return [
        "SLOWLOG <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
        "GET [<count>]",
        "    Show the newest <count> entries (default 10, -1 for all): id, Unix time,",
        "    microseconds, words of the command, client address, client name.",
        "LEN",
        "    Show how many entries there are.",
        "RESET",
        "    Remove all entries.",
        "HELP",
        "    Print this help.",
    ]
