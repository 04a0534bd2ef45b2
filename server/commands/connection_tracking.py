"""CLIENT TRACKING and what belongs to it: ask to be told when what was read changes (clients.tracking)."""

from server.clients.tracking import Tracker
from server.dispatch.call import Call
from server.registry import args
from server.registry.command import LOADING, NOSCRIPT, SENTINEL, STALE, group
from server.registry.dataclass import dataclass, field
from server.registry.errors import CommandError, syntax
from server.registry.reply import OK, SetOf

command = group("connection")

_FLAGS = NOSCRIPT | LOADING | STALE | SENTINEL
_ANOTHER_MODE = "before disabling tracking for this client, and then re-enabling it with a different mode."


@dataclass
class _Options:
    """The words behind ON or OFF."""

    redirect: int = 0                       # 0: to nobody
    flags: set[bytes] = field(default_factory=set)
    prefixes: list[bytes] = field(default_factory=list)


_NO_OPTIONS = _Options()


def _options(call: Call, words: tuple[bytes, ...]) -> _Options:
    options = _Options()
    rest = iter(words)
    for word in rest:
        option = word.upper()
        value = next(rest, None) if option in (b"REDIRECT", b"PREFIX") else None
        if option == b"REDIRECT" and value is not None:
            if options.redirect:
                raise CommandError("ERR A client can only redirect to a single other client")
            options.redirect = args.integer(value)
            if call.server.clients.get(options.redirect) is None:
                raise CommandError("ERR The client ID you want redirect to does not exist")
        elif option == b"PREFIX" and value is not None:
            options.prefixes.append(value)
        elif option in (b"BCAST", b"OPTIN", b"OPTOUT", b"NOLOOP"):
            options.flags.add(option)
        else:
            raise syntax()
    return options


def _check_modes(options: _Options, before: Tracker | None) -> None:
    """Errors: options that do not go together, or not with how the client tracks already."""
    flags = options.flags
    broadcasts, opt_in, opt_out = b"BCAST" in flags, b"OPTIN" in flags, b"OPTOUT" in flags
    if options.prefixes and not broadcasts:
        raise CommandError("ERR PREFIX option requires BCAST mode to be enabled")
    if before is not None and before.broadcasts != broadcasts:
        raise CommandError(f"ERR You can't switch BCAST mode on/off {_ANOTHER_MODE}")
    if broadcasts and (opt_in or opt_out):
        raise CommandError("ERR OPTIN and OPTOUT are not compatible with BCAST")
    if opt_in and opt_out:
        raise CommandError("ERR You can't specify both OPTIN mode and OPTOUT mode")
    if before is not None and ((opt_in and before.opt_out) or (opt_out and before.opt_in)):
        raise CommandError(f"ERR You can't switch OPTIN/OPTOUT mode {_ANOTHER_MODE}")
    _check_prefixes(options.prefixes, before.prefixes if before is not None else [])


def _check_prefixes(prefixes: list[bytes], existing: list[bytes]) -> None:
    """Errors: a name would be told twice. Complexity: O(N * M)."""
    for at, prefix in enumerate(prefixes):
        for others, which in ((existing, b"an existing"), (prefixes[at + 1 :], b"another provided")):
            for other in others:
                if prefix.startswith(other) or other.startswith(prefix):
                    raise CommandError(b"ERR Prefix '%s' overlaps with %s prefix '%s'. Prefixes for a single client "
                                       b"must not overlap." % (prefix, which, other))


@command("CLIENT|TRACKING", arity=-3, flags=_FLAGS, since="6.0.0",
         syntax="<ON | OFF> [REDIRECT client-id] [PREFIX prefix [PREFIX prefix ...]] [BCAST] [OPTIN] [OPTOUT] [NOLOOP]")
def client_tracking(call: Call, choice: bytes, *words: bytes) -> str:
    """Be told, or not any more, when keys change that this connection has read, or that begin with a prefix.

    Complexity: O(1). Some options may introduce additional complexity.
    """
    options, on = _options(call, words) if words else _NO_OPTIONS, choice.upper()
    tracking = call.server.tracking
    if on == b"OFF":
        tracking.stop(call.client)
        return OK
    if on != b"ON":
        raise syntax()
    if words or call.client.tracking is not None:
        _check_modes(options, call.client.tracking)
    flags = options.flags
    tracking.start(call.client, options.redirect, b"BCAST" in flags, b"OPTIN" in flags, b"OPTOUT" in flags,
                   b"NOLOOP" in flags, options.prefixes)
    return OK


@command("CLIENT|CACHING", arity=3, flags=_FLAGS, since="6.0.0", syntax="<YES | NO>")
def client_caching(call: Call, choice: bytes) -> str:
    """Say that the keys of the next command are to be tracked (mode OPTIN) or are not (mode OPTOUT).

    Complexity: O(1)
    """
    tracker, answer = call.client.tracking, choice.upper()
    if tracker is None:
        raise CommandError("ERR CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or "
                           "OPTOUT mode enabled")
    if answer not in (b"YES", b"NO"):
        raise syntax()
    mode = "OPTIN" if answer == b"YES" else "OPTOUT"
    if not (tracker.opt_in if answer == b"YES" else tracker.opt_out):
        word = answer.decode()
        raise CommandError(f"ERR CLIENT CACHING {word} is only valid when tracking is enabled in {mode} mode.")
    tracker.caching = True
    return OK


@command("CLIENT|GETREDIR", arity=2, flags=_FLAGS, since="6.0.0")
def client_getredir(call: Call) -> int:
    """Tell the id of the connection that is told instead of this one: 0 for none, -1 without tracking.

    Complexity: O(1)
    """
    return -1 if call.client.tracking is None else call.client.tracking.redirect


@command("CLIENT|TRACKINGINFO", arity=2, flags=_FLAGS, since="6.2.0")
def client_trackinginfo(call: Call) -> dict[bytes, object]:
    """Show how this connection tracks: its options, who is told instead, and its prefixes.

    Complexity: O(1)
    """
    tracker = call.client.tracking
    if tracker is None:
        return {b"flags": SetOf([b"off"]), b"redirect": -1, b"prefixes": []}
    flags = {b"on": True, b"bcast": tracker.broadcasts, b"optin": tracker.opt_in,
             b"caching-yes": tracker.opt_in and tracker.caching, b"optout": tracker.opt_out,
             b"caching-no": tracker.opt_out and tracker.caching, b"noloop": tracker.no_loop,
             b"broken_redirect": tracker.broken}
    return {b"flags": SetOf([name for name, yes in flags.items() if yes]), b"redirect": tracker.redirect,
            b"prefixes": tracker.prefixes}
