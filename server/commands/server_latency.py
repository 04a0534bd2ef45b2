"""LATENCY: spikes by what caused them, and how long each command takes.

Spikes are kept by server.observe.latency (above latency-monitor-threshold), the distribution per command by its record
(latency-tracking).
"""

import time

from server.dispatch.call import Call
from server.observe import latency_advice, sparkline
from server.registry.command import ADMIN, COMMANDS, LOADING, NOSCRIPT, STALE, Command, container, every_command, group
from server.registry.errors import CommandError
from server.registry.reply import Pairs, Verbatim

command = group("server")
container("LATENCY", "server", "Latency spikes and distributions.", since="2.8.13")

_FLAGS = ADMIN | NOSCRIPT | LOADING | STALE
_SPECIAL = ("nondeterministic_output", "request_policy:all_nodes", "response_policy:special")
_GRAPH_WIDTH = 80
_OFF = Verbatim(latency_advice.OFF)


def _name(word: bytes) -> str:
    return word.decode("utf-8", "replace")


@command("LATENCY|HISTORY", arity=3, flags=_FLAGS, since="2.8.13", syntax="event", tips=_SPECIAL)
def latency_history(call: Call, event: bytes) -> list[list[int]]:
    """Return the spikes of an event, oldest first: Unix time and milliseconds.

    Complexity: O(1)
    """
    found = call.server.latency.events.get(_name(event))
    return [list(spike) for spike in found.samples] if found else []


@command("LATENCY|LATEST", arity=2, flags=_FLAGS, since="2.8.13", tips=_SPECIAL)
def latency_latest(call: Call) -> list[list[object]]:
    """Return for every event its name, the time and milliseconds of the last spike, and the worst ever.

    Complexity: O(1)
    """
    return [[name.encode(), *event.samples[-1], event.worst] for name, event in call.server.latency.events.items()]


@command("LATENCY|RESET", arity=-2, flags=_FLAGS, since="2.8.13", syntax="[event [event ...]]",
         tips=("request_policy:all_nodes", "response_policy:agg_sum"))
def latency_reset(call: Call, *events: bytes) -> int:
    """Forget the spikes of these events, or of all; the reply is how many events there were.

    Complexity: O(1)
    """
    return call.server.latency.reset(*map(_name, events))


@command("LATENCY|GRAPH", arity=3, flags=_FLAGS, since="2.8.13", syntax="event", tips=_SPECIAL)
def latency_graph(call: Call, event: bytes) -> Verbatim:
    """Draw the spikes of an event as text, each labelled with how long ago it was.

    Complexity: O(1)
    """
    found = call.server.latency.events.get(_name(event))
    if found is None:
        raise CommandError(f"ERR No samples available for event '{_name(event)}'")
    values = [spike.milliseconds for spike in found.samples]
    now = int(time.time())
    drawing = sparkline.render([(spike.milliseconds, _ago(now - spike.unix_seconds)) for spike in found.samples])
    return Verbatim(f"{_name(event)} - high {max(values)} ms, low {min(values)} ms (all time high {found.worst} ms)\n"
                    f"{'-' * _GRAPH_WIDTH}\n{drawing}")


def _ago(seconds: int) -> str:
    for size, letter in ((86400, "d"), (3600, "h"), (60, "m")):
        if seconds >= size:
            return f"{seconds // size}{letter}"
    return f"{seconds}s"


@command("LATENCY|DOCTOR", arity=2, flags=_FLAGS, since="2.8.13", tips=_SPECIAL)
def latency_doctor(call: Call) -> Verbatim:
    """Explain the spikes that were seen, and say what can be done.

    Complexity: O(1)
    """
    text = latency_advice.report(call.server.latency, call.config)
    return _OFF if text is latency_advice.OFF else Verbatim(text)


# ---- distribution per command
@command("LATENCY|HISTOGRAM", arity=-2, flags=_FLAGS, since="7.0.0", syntax="[command [command ...]]", tips=_SPECIAL)
def latency_histogram(call: Call, *names: bytes) -> Pairs:
    """Return for every command, or for those named, how many of its calls took at most so many microseconds.

    A container stands for all its subcommands; names that do not exist, and commands never called, are left out.

    Complexity: O(N) where N is the number of commands with latency information
    """
    chosen: list[Command] = []
    for word in names:
        head, _, sub = _name(word).lower().partition("|")
        found = COMMANDS.get(head)
        if found is not None and sub:
            found = found.subcommands.get(sub)
        if found is not None:
            chosen += [found, *found.subcommands.values()]
    told = [(each.name.encode(), each.record.latency_by_powers()) for each in (chosen if names else every_command())
             if each.record is not None]
    return Pairs([(name, Pairs([(b"calls", classes[-1][1]), (b"histogram_usec", Pairs(classes))]))
                  for name, classes in told if classes])


@command("LATENCY|HELP", arity=2, flags=LOADING | STALE, since="2.8.13")
def latency_help(call: Call) -> list[str]:
    """List the subcommands.

    Complexity: O(1)
    """
    return [
        "LATENCY <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
        "DOCTOR",
        "    Explain the latency spikes that were seen.",
        "GRAPH <event>",
        "    Draw the spikes of <event>.",
        "HISTORY <event>",
        "    Show the spikes of <event>.",
        "LATEST",
        "    Show the last spike of every event.",
        "RESET [<event> ...]",
        "    Forget the spikes of these events (default: of all).",
        "HISTOGRAM [COMMAND ...]",
        "    Show how long commands take: calls of at most so many microseconds, cumulated.",
        "HELP",
        "    Print this help.",
    ]
