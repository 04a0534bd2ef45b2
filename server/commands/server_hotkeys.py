"""HOTKEYS: which keys take most of the processor's time and of the network, over a while. As in Redis 8.6.

What counts is server.dispatch.hot_keys. Independently of it `INFO hotkeys` always tells the keys with most accesses.
"""

from server.dispatch.call import Call
from server.dispatch.hot_keys import Session
from server.observe.hot_keys import HotKeys
from server.registry import args
from server.registry.command import ADMIN, NOSCRIPT, container, group
from server.registry.errors import CommandError
from server.registry.light import Any
from server.registry.reply import OK, Pairs

command = group("server")
container("HOTKEYS", "server", "Which keys take most time and traffic.", since="8.6.0")

_FLAGS = ADMIN | NOSCRIPT
_METRICS = ("CPU", "NET")
_TIPS = ("request_policy:all_nodes", "response_policy:special", "nondeterministic_output")
_SLOTS = 16384


@command("HOTKEYS|START", arity=-2, flags=_FLAGS, since="8.6.0",
         tips=("request_policy:all_nodes", "response_policy:all_succeeded"),
         syntax="METRICS count [CPU] [NET] [COUNT k] [DURATION seconds] [SAMPLE ratio] [SLOTS count slot [slot ...]]")
def hotkeys_start(call: Call, *words: bytes) -> str:
    """Begin to count which keys take most time (CPU) or traffic (NET).

    COUNT: keys to show, 10. DURATION: seconds after which it ends by itself. SAMPLE: count one command in so many, 1.
    SLOTS: only keys of these slots.

    Complexity: O(1)
    """
    server = call.server
    if server.hot_keys is not None and server.hot_keys.active:
        raise CommandError("ERR hotkey tracking session already in progress")
    if len(words) < 2 or words[0].upper() != b"METRICS":
        raise CommandError("ERR METRICS parameter is required")
    metrics, rest = _metrics(list(words[1:]))
    count, seconds, sample, slots = _options(call, rest)
    server.hot_keys = Session(server, "CPU" in metrics, "NET" in metrics, count, seconds, sample, slots)
    return OK


def _metrics(words: list[bytes]) -> tuple[set[str], list[bytes]]:
    """(CPU and NET as far as asked for, the words behind). Words that name no metric we know are passed over."""
    count = args.integer_in(words[0], 1, len(_METRICS), f"ERR METRICS count must be > 0 and <= {len(_METRICS)}")
    found: set[str] = set()
    for word in words[1 : 1 + count]:
        name = word.decode("latin-1").upper()
        if name in found:
            raise CommandError(f"ERR METRICS {name} defined more than once!")
        if name in _METRICS:
            found.add(name)
    if len(words) < 1 + count:
        raise CommandError("ERR METRICS count does not match number of metric types provided")
    if not found:
        raise CommandError("ERR METRICS no valid metrics passed. Supported: CPU|NET")
    return found, words[1 + count :]


def _options(call: Call, words: list[bytes]) -> tuple[int, int, int, frozenset[int] | None]:
    """COUNT, DURATION, SAMPLE, SLOTS."""
    count, seconds, sample = 10, 0, 1
    slots: frozenset[int] | None = None
    while words:
        name = words.pop(0).upper()
        if not words or name not in (b"COUNT", b"DURATION", b"SAMPLE", b"SLOTS"):
            raise CommandError("ERR syntax error")
        if name == b"SLOTS":
            if not call.server.config.cluster_enabled:
                raise CommandError("ERR SLOTS parameter cannot be used in non-cluster mode")
            if slots is not None:
                raise CommandError("ERR SLOTS parameter already specified")
            slots = _slots(words)
            continue
        value = words.pop(0)
        if name == b"COUNT":
            count = args.integer_in(value, 1, 64, "ERR COUNT must be between 1 and 64")
        elif name == b"DURATION":
            seconds = args.integer_in(value, 1, 1000000, "ERR DURATION must be between 1 and 1000000")
        else:
            sample = args.integer_in(value, 1, (1 << 31) - 1, "ERR SAMPLE ratio must be positive")
    return count, seconds, sample, slots


def _slots(words: list[bytes]) -> frozenset[int]:
    """`count slot [slot ...]`, taken from the words."""
    count = args.integer_in(words.pop(0), 1, _SLOTS, f"ERR SLOTS count must be between 1 and {_SLOTS}")
    if len(words) < count:
        raise CommandError("ERR not enough slot numbers provided")
    chosen = [args.integer_in(words.pop(0), 0, _SLOTS - 1, "ERR Invalid or out of range slot") for _ in range(count)]
    if len(set(chosen)) < count:
        raise CommandError("ERR duplicate slot number")
    return frozenset(chosen)


@command("HOTKEYS|STOP", arity=2, flags=_FLAGS, since="8.6.0",
         tips=("request_policy:all_nodes", "response_policy:all_succeeded"))
def hotkeys_stop(call: Call) -> str | None:
    """End counting; HOTKEYS GET goes on to show what was counted. Null when nothing was.

    Complexity: O(1)
    """
    session = call.server.hot_keys
    if session is None or not session.active:
        return None
    session.stop()
    return OK


@command("HOTKEYS|RESET", arity=2, flags=_FLAGS, since="8.6.0",
         tips=("request_policy:all_nodes", "response_policy:all_succeeded"))
def hotkeys_reset(call: Call) -> str:
    """Forget what was counted, and free its memory.

    Complexity: O(1)
    """
    session = call.server.hot_keys
    if session is not None and session.active:
        raise CommandError("ERR hotkey tracking session in progress, stop tracking first")
    call.server.hot_keys = None
    call.server.loop.sampling.begin(0, False, False, 1)
    return OK


@command("HOTKEYS|GET", arity=2, flags=_FLAGS, since="8.6.0", tips=_TIPS)
def hotkeys_get(call: Call) -> list[Pairs] | None:
    """Return what was counted since HOTKEYS START, as an array of one map; null when nothing was.

    Complexity: O(K log K) where K is the number of counted keys
    """
    session = call.server.hot_keys
    return None if session is None else [Pairs(_shown(session))]


def _shown(session: Session) -> list[tuple[bytes, Any]]:
    active, spent, sampling = session.active, session.spent(), session.server.loop.sampling
    sampled = session.slots is not None and session.sample > 1
    fields: list[tuple[str, Any]] = [
        ("tracking-active", int(active)),
        ("sample-ratio", session.sample),
        ("selected-slots", _ranges(session.slots)),
    ]
    if sampled:
        fields.append(("sampled-commands-selected-slots-us", int(sampling.sampled_ns) // 1000))
    if session.slots is not None:
        fields.append(("all-commands-selected-slots-us", int(sampling.sampled_ns * session.sample) // 1000))
    fields.append(("all-commands-all-slots-us", spent.command_us))
    if sampled:
        fields.append(("net-bytes-sampled-commands-selected-slots", int(sampling.sampled_bytes)))
    if session.slots is not None:
        fields.append(("net-bytes-all-commands-selected-slots", int(sampling.sampled_bytes * session.sample)))
    fields += [
        ("net-bytes-all-commands-all-slots", spent.payload),
        ("collection-start-time-unix-ms", session.started_ms),
        ("collection-duration-ms", session.duration_ms),
    ]
    if session.cpu:
        fields += [("total-cpu-time-user-ms", int(spent.user_ms)), ("total-cpu-time-sys-ms", int(spent.system_ms))]
    if sampling.net is not None:
        fields.append(("total-net-bytes", int(sampling.net.total)))
    if sampling.cpu is not None:
        fields.append(("by-cpu-time-us", _keys(sampling.cpu, session.count, 1000)))
    if sampling.net is not None:
        fields.append(("by-net-bytes", _keys(sampling.net, session.count, 1)))
    return [(name.encode(), value) for name, value in fields]


def _keys(counted: HotKeys, count: int, unit: int) -> list[bytes | int]:
    """key, figure, key, figure, ...; the figures in so many of what was counted, rounded up."""
    return [word for each in counted.top(count) if each.least > 0 for word in (each.key, -(-int(each.least) // unit))]


def _ranges(slots: frozenset[int] | None) -> list[list[int]]:
    """[first, last] of each run, [slot] of a single one; all slots without a choice."""
    if slots is None:
        return [[0, _SLOTS - 1]]
    runs: list[list[int]] = []
    for slot in sorted(slots):
        if runs and slot == runs[-1][-1] + 1:
            runs[-1][1:] = [slot]
        else:
            runs.append([slot])
    return runs


@command("HOTKEYS|HELP", arity=2, flags=NOSCRIPT, since="8.6.0")
def hotkeys_help(call: Call) -> list[str]:
    """List the subcommands.

    Complexity: O(1)
    """
    return [
        "HOTKEYS <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
        "START METRICS <count> [CPU] [NET] [COUNT <k>] [DURATION <seconds>] [SAMPLE <ratio>]",
        "      [SLOTS <count> <slot> [<slot> ...]]",
        "    Count which keys take most processor time (CPU) or traffic (NET).",
        "STOP",
        "    End counting.",
        "GET",
        "    Show what was counted.",
        "RESET",
        "    Forget what was counted.",
        "HELP",
        "    Print this help.",
    ]
