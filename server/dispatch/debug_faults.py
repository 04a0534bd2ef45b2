"""DEBUG FAULT: what clients must survive, made to happen (dispatch.faults)."""

from server.dispatch.faults import ANY, DELAY, DROP, ERROR, LOSE, Faults, Plan
from server.registry import args
from server.registry.command import COMMANDS
from server.registry.debug import MANY, Subcommands, WrongWords
from server.registry.errors import CommandError
from server.registry.light import Any
from server.registry.reply import OK

_WORDS = {ERROR: (1, MANY), DELAY: (1, 1), DROP: (0, 0), LOSE: (0, 0)}


@Subcommands(Faults)(
    "FAULT", 1, MANY,
    "<ERROR <command> <count> <text> ...|DELAY <command> <count> <milliseconds>|DROP <command> <count>|"
    "LOSE <command> <count>|LIST|CLEAR>",
    "The next <count> commands of that name (* for any) fail with that text, come late, or have their",
    "connection closed before they are run (DROP) or after it (LOSE). CLEAR takes all of it back.",
)
def fault(faults: Faults, what: bytes, *words: bytes) -> Any:
    """One plan for each name."""
    kind = what.decode("latin-1").lower()
    if kind == "clear" and not words:
        faults.clear()
        return OK
    if kind == "list" and not words:
        return [[plan.kind, name, plan.left] for name, plan in sorted(faults.plans.items())]
    if kind not in _WORDS or not _WORDS[kind][0] <= len(words) - 2 <= _WORDS[kind][1]:
        raise WrongWords
    name = words[0].decode("latin-1").lower()
    if name != ANY and (name == "debug" or name.partition("|")[0] not in COMMANDS):
        raise CommandError("ERR no such command, or one that has to work")
    count = args.integer(words[1])
    if count < 1:
        raise CommandError("ERR count must be positive")
    text = b" ".join(words[2:]).decode("utf-8", "surrogateescape") if kind == ERROR else ""
    if kind == ERROR and ("\r" in text or "\n" in text or not text):
        raise CommandError("ERR an error is one line")
    delay = args.integer(words[2]) if kind == DELAY else 0
    if not 0 <= delay <= 86_400_000:
        raise CommandError("ERR delay is out of range")
    faults.plan(name, Plan(kind, count, text, delay))
    return OK
