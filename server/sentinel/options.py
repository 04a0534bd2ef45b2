"""SENTINEL SET, CONFIG and DEBUG: what may be changed while a sentinel runs, and to what."""

import os
from collections.abc import Callable, Iterator, Sequence

from server.observe.log import LEVELS
from server.registry.args import parse_integer
from server.registry.errors import CommandError, named
from server.sentinel.actions import WARNING
from server.sentinel.instance import Master
from server.sentinel.settings import TIMINGS
from server.sentinel.state import PORT_MAX, State
from server.sentinel.words import text_of
from server.structures.glob import match

DENIED = ("ERR Reconfiguration of scripts path is denied for security reasons. Check the deny-scripts-reconfig "
          "configuration directive in your Sentinel configuration")
NO_SCRIPT = {"notification-script": "ERR Notification script seems non existing or non executable",
             "client-reconfig-script": "ERR Client reconfiguration script seems non existing or non executable"}


# ---- SENTINEL SET
class BadValue(Exception):
    """This word is no value of the option."""

    def __init__(self, word: bytes) -> None:
        super().__init__(word)
        self.word = word


def whole(word: bytes, least: int) -> int:
    """Errors: BadValue."""
    value = parse_integer(word)
    if value is None or value < least:
        raise BadValue(word)
    return value


def _down_after(state: State, master: Master, word: bytes) -> None:
    state.set_down_after(master, whole(word, 1))


def _number(attribute: str, least: int = 1) -> Callable[[State, Master, bytes], None]:
    def put(state: State, master: Master, word: bytes) -> None:
        setattr(master, attribute, whole(word, least))

    return put


def _script(name: str) -> Callable[[State, Master, bytes], None]:
    def put(state: State, master: Master, word: bytes) -> None:
        if state.settings.deny_scripts_reconfig:
            raise CommandError(DENIED)
        if word and not os.access(word, os.X_OK):
            raise CommandError(NO_SCRIPT[name])
        setattr(master, name.replace("-", "_"), text_of(word))

    return put


def _login(attribute: str) -> Callable[[State, Master, bytes], None]:
    def put(state: State, master: Master, word: bytes) -> None:
        setattr(master, attribute, text_of(word))
        state.drop_connections(master)

    return put


def _rename(state: State, master: Master, old: bytes, new: bytes) -> None:
    if not old or not new:
        raise BadValue(b"")
    before, after = text_of(old), text_of(new)
    master.renamed.pop(before.upper(), None)
    if before.lower() != after.lower():
        master.renamed[before.upper()] = before, after


# name: (how many words it takes, what puts them)
SETTABLE: dict[str, tuple[int, Callable[..., None]]] = {
    "down-after-milliseconds": (1, _down_after),
    "failover-timeout": (1, _number("failover_timeout")),
    "parallel-syncs": (1, _number("parallel_syncs")),
    "notification-script": (1, _script("notification-script")),
    "client-reconfig-script": (1, _script("client-reconfig-script")),
    "auth-pass": (1, _login("auth_pass")),
    "auth-user": (1, _login("auth_user")),
    "quorum": (1, _number("quorum")),
    "rename-command": (2, _rename),
    "master-reboot-down-after-period": (1, _number("reboot_down_after", 0)),
}


def set_options(state: State, master: Master, words: Sequence[bytes]) -> None:
    """SENTINEL SET: one option after the other. What stands before one that is refused is done, and kept."""
    at = 0
    while at < len(words):
        option = text_of(words[at])
        count, put = SETTABLE.get(option.lower(), (0, None))
        values = words[at + 1:at + 1 + count]
        if put is None or len(values) < count:
            raise named(b"ERR Unknown option or number of arguments for SENTINEL SET '%s'", words[at])
        try:
            put(state, master, *values)
        except BadValue as error:
            raise named(b"ERR Invalid argument '%s' for SENTINEL SET '%s'", error.word, words[at]) from None
        state.save()
        shown = ["******"] if option.lower() == "auth-pass" else list(map(text_of, values))
        state.event(WARNING, "+set", master, " ".join([option, *shown]))
        at += 1 + count


# ---- SENTINEL DEBUG
def set_timings(state: State, words: Sequence[bytes]) -> None:
    """Pairs of names and ms."""
    for at in range(0, len(words), 2):
        attribute = TIMINGS.get(text_of(words[at]).lower())
        if attribute is None or at + 1 == len(words):
            raise named(b"ERR Unknown option or number of arguments for SENTINEL DEBUG '%s'", words[at])
        try:
            setattr(state.settings.timings, attribute, whole(words[at + 1], 1))
        except BadValue:
            raise named(b"ERR Invalid argument '%s' for SENTINEL DEBUG '%s'", words[at + 1], words[at]) from None


# ---- SENTINEL CONFIG
def _is_yes_or_no(word: bytes) -> bool:
    return word.lower() in (b"yes", b"no")


def _is_port(word: bytes) -> bool:
    port = parse_integer(word)
    return port is not None and 0 <= port <= PORT_MAX


def _anything(word: bytes) -> bool:
    return True


# In the order of SENTINEL CONFIG GET: which values are allowed.
GLOBALS: dict[str, Callable[[bytes], bool]] = {
    "resolve-hostnames": _is_yes_or_no,
    "announce-hostnames": _is_yes_or_no,
    "announce-ip": _anything,
    "announce-port": _is_port,
    "sentinel-user": _anything,
    "sentinel-pass": _anything,
    "loglevel": lambda word: text_of(word).lower() in LEVELS,
}
ATTRIBUTES = {"sentinel-user": "user", "sentinel-pass": "password"}


def checked_globals(words: Sequence[bytes]) -> dict[str, bytes]:
    """SENTINEL CONFIG SET: names and values, if all of them may be."""
    found: dict[str, bytes] = {}
    for at in range(0, len(words), 2):
        name = text_of(words[at]).lower()
        if name not in GLOBALS:
            raise named(b"ERR Invalid argument '%s' to SENTINEL CONFIG SET", words[at])
        if name in found:
            raise named(b"ERR Duplicate argument '%s' to SENTINEL CONFIG SET", words[at])
        if at + 1 == len(words):
            raise named(b"ERR Missing argument '%s' value", words[at])
        if not GLOBALS[name](words[at + 1]):
            raise named(b"ERR Invalid value '%s' to SENTINEL CONFIG SET '%s'", words[at + 1], words[at])
        found[name] = words[at + 1]
    return found


def set_global(state: State, name: str, word: bytes) -> None:
    """One of them but loglevel. Connections to sentinels are made anew when what we say who we are has changed."""
    attribute = ATTRIBUTES.get(name, name.replace("-", "_"))
    value: object = text_of(word)
    if name in ("resolve-hostnames", "announce-hostnames"):
        value = word.lower() == b"yes"
    elif name == "announce-port":
        value = parse_integer(word)
    setattr(state.settings, attribute, value)
    if name in ATTRIBUTES:
        state.drop_sentinel_connections()


def globals_matching(state: State, patterns: Sequence[bytes], loglevel: str) -> Iterator[tuple[str, object]]:
    """SENTINEL CONFIG GET: each that matches a pattern, once."""
    seen = set()
    for pattern in patterns:
        for name in GLOBALS:
            if name in seen or not match(pattern.lower(), name.encode()):
                continue
            seen.add(name)
            value = loglevel if name == "loglevel" else getattr(state.settings, ATTRIBUTES.get(name,
                                                                                              name.replace("-", "_")))
            yield name, {True: "yes", False: "no"}[value] if isinstance(value, bool) else value
