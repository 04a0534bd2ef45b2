"""The directives whose values are neither a word nor a number.

Each class serves one directive of the table (or a pair that behaves alike). Values are immutable, so that CONFIG SET
can keep the old one and put it back.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from server.registry.directive import (
    MB,
    Directive,
    DirectiveError,
    RewriteLines,
    Text,
    format_memory,
    parse_loose_integer,
    parse_memory,
)
from server.registry.light import Any, NamedTuple, locale
from server.registry.quoting import quote

BIND_MAX = 16  # addresses one `bind` may name

_FLOAT = r"(?ai)[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?\Z|[+-]?inf(inity)?\Z"


class Directory(Directive):
    """The working directory of the process: setting it is chdir, reading it is getcwd."""

    __slots__ = ()
    asks = True
    always_changes = True

    def initial(self) -> str:
        return _getcwd()

    def parse_words(self, args: Sequence[str], current: object) -> str:
        return args[0]

    def format(self, value: str) -> str:
        return _getcwd()

    def apply(self, value: str) -> str:
        try:
            os.chdir(value)
        except (OSError, ValueError) as error:
            raise DirectiveError(getattr(error, "strerror", None) or str(error)) from None
        return _getcwd()

    def rewrite_lines(self, value: str, config: object) -> RewriteLines:
        cwd = _getcwd()
        return [(f"{self.name} {quote(cwd)}", True)] if cwd else []


def _getcwd() -> str:
    try:
        return os.getcwd()
    except OSError:
        return ""


class SaveParam(NamedTuple):
    """Snapshot when `seconds` have passed since the last one and at least `changes` keys changed."""

    seconds: int
    changes: int


class Save(Directive):
    """Pairs of seconds and changes; "" for none. Several lines of a file add up."""

    __slots__ = ()
    accumulates = True
    always_changes = True

    def parse_words(self, args: Sequence[str], current: Any) -> tuple[SaveParam, ...]:
        if len(args) == 1 and not args[0]:
            return ()
        numbers = [parse_loose_integer(word) for word in args]
        seconds, changes = numbers[0::2], numbers[1::2]
        if len(seconds) != len(changes) or any(n is None or n < 1 for n in seconds):
            raise DirectiveError("Invalid save parameters")
        if any(n is None or n < 0 for n in changes):
            raise DirectiveError("Invalid save parameters")
        added = [SaveParam(s, c) for s, c in zip(seconds, changes, strict=True) if s is not None and c is not None]
        return (*current, *added)

    def format(self, value: tuple[SaveParam, ...]) -> str:
        return " ".join(f"{param.seconds} {param.changes}" for param in value)

    def rewrite_lines(self, value: tuple[SaveParam, ...], config: Any) -> RewriteLines:
        if config.sentinel_mode:
            return []
        if not value:
            return [('save ""', True)]
        return [(f"save {param.seconds} {param.changes}", True) for param in value]


class BufferLimit(NamedTuple):
    """What a class of clients may leave unread: bytes at once, or bytes for a number of seconds. 0: no limit."""

    hard_limit_bytes: int
    soft_limit_bytes: int
    soft_limit_seconds: int


class BufferLimits(dict[str, BufferLimit]):
    """The limits by client class: "normal", "replica", "pubsub"."""


DEFAULT_BUFFER_LIMITS = BufferLimits(
    normal=BufferLimit(0, 0, 0),
    replica=BufferLimit(256 * MB, 64 * MB, 60),
    pubsub=BufferLimit(32 * MB, 8 * MB, 60),
)


class ClientOutputBufferLimit(Directive):
    """Groups of four words: class, hard limit, soft limit, soft seconds. Classes not named keep their limits."""

    __slots__ = ()
    always_changes = True

    def parse_words(self, args: Sequence[str], current: Any) -> BufferLimits:
        if len(args) % 4:
            raise DirectiveError("Wrong number of arguments in buffer limit configuration.")
        limits = BufferLimits(current)
        for at in range(0, len(args), 4):
            name = args[at].lower()
            name = "replica" if name == "slave" else name
            if name not in limits:
                raise DirectiveError("Invalid client class specified in buffer limit configuration.")
            hard, soft = parse_memory(args[at + 1]), parse_memory(args[at + 2])
            seconds = parse_loose_integer(args[at + 3])
            if hard is None or soft is None or seconds is None or seconds < 0:
                raise DirectiveError("Error in hard, soft or soft_seconds setting in buffer limit configuration.")
            limits[name] = BufferLimit(hard, soft, seconds)
        return limits

    def format(self, value: BufferLimits) -> str:
        classes = (("slave" if name == "replica" else name, limit) for name, limit in value.items())
        return " ".join(f"{name} {hard} {soft} {seconds}" for name, (hard, soft, seconds) in classes)

    def rewrite_lines(self, value: BufferLimits, config: object) -> RewriteLines:
        return [
            (
                f"{self.name} {name} {format_memory(limit[0])} {format_memory(limit[1])} {limit[2]}",
                limit != DEFAULT_BUFFER_LIMITS[name],
            )
            for name, limit in value.items()
        ]


class OomScoreAdjValues(Directive):
    """Three numbers, for a master, a replica and a background child."""

    __slots__ = ()

    def parse_words(self, args: Sequence[str], current: object) -> tuple[int, ...]:
        if len(args) != 3:
            raise DirectiveError("wrong number of arguments")
        values = [parse_loose_integer(word) for word in args]
        if any(value is None or not -2000 <= value <= 2000 for value in values):
            raise DirectiveError("Invalid oom-score-adj-values, elements must be between -2000 and 2000.")
        return tuple(value for value in values if value is not None)

    def format(self, value: tuple[int, ...]) -> str:
        return " ".join(map(str, value))


class NotifyKeyspaceEvents(Directive):
    """Letters that choose keyspace events; the value is the frozenset of single letters, "A" spelled out."""

    __slots__ = ()
    always_changes = True

    ALL = frozenset("g$lshzxetd")  # what "A" stands for; n(ew) and m(iss) must be asked for by name
    _KNOWN = ALL | frozenset("nKEm")

    def parse_words(self, args: Sequence[str], current: object) -> frozenset[str]:
        letters = frozenset(args[0])
        if letters - self._KNOWN - {"A"}:
            raise DirectiveError("Invalid event class character. Use 'Ag$lshzxeKEtmdn'.")
        return letters - {"A"} | self.ALL if "A" in letters else letters

    def format(self, value: frozenset[str]) -> str:
        classes = "A" if value >= self.ALL else "".join(letter for letter in "g$lshzxetdn" if letter in value)
        return classes + "".join(letter for letter in "KEm" if letter in value)

    def rewrite_lines(self, value: frozenset[str], config: object) -> RewriteLines:
        return [(f"{self.name} {quote(self.format(value))}", bool(value))]


class Bind(Directive):
    """Addresses to listen on; a leading "-" marks one that may be missing, "*" and "::*" mean every interface."""

    __slots__ = ()
    always_changes = True

    def parse_words(self, args: Sequence[str], current: object) -> tuple[str, ...]:
        if len(args) > BIND_MAX:
            raise DirectiveError("Too many bind addresses specified.")
        return () if len(args) == 1 and not args[0] else tuple(args)

    def format(self, value: tuple[str, ...]) -> str:
        return " ".join(value)

    def rewrite_lines(self, value: tuple[str, ...], config: object) -> RewriteLines:
        if value == self.default:
            return []
        return [(f"{self.name} {self.format(value) or quote('')}", True)]


class ReplicaOf(Directive):
    """The host and port of the master this server follows; None for a master. "no one" is the word for None."""

    __slots__ = ()
    always_changes = True

    def parse_words(self, args: Sequence[str], current: object) -> tuple[str, int] | None:
        if len(args) != 2:
            raise DirectiveError("wrong number of arguments")
        if [word.lower() for word in args] == ["no", "one"]:
            return None
        port = parse_loose_integer(args[1])
        if port is None or not 0 <= port <= 65535:
            raise DirectiveError("Invalid master port")
        return args[0], port

    def format(self, value: tuple[str, int] | None) -> str:
        return f"{value[0]} {value[1]}" if value else ""

    def rewrite_lines(self, value: tuple[str, int] | None, config: Any) -> RewriteLines:
        if value is None or config.cluster_enabled:
            return []
        return [(f"{self.name} {self.format(value)}", True)]


class Percentiles(Directive):
    """Percentiles from 0 to 100, as floats; "" for none."""

    __slots__ = ()
    always_changes = True

    def parse_words(self, args: Sequence[str], current: object) -> tuple[float, ...]:
        if len(args) == 1 and not args[0]:
            return ()
        import re

        for word in args:
            if not re.match(_FLOAT, word):
                raise DirectiveError("Invalid latency-tracking-info-percentiles parameters")
            if not 0.0 <= float(word) <= 100.0:
                raise DirectiveError("latency-tracking-info-percentiles parameters should sit between [0.0,100.0]")
        return tuple(map(float, args))

    def format(self, value: tuple[float, ...]) -> str:
        return " ".join(f"{percentile:f}".rstrip("0").rstrip(".") for percentile in value)

    def rewrite_lines(self, value: tuple[float, ...], config: object) -> RewriteLines:
        return [(f"{self.name} {self.format(value) or quote('')}", True)]


class Locale(Text):
    """The collation locale of the process; "" takes it from the environment."""

    __slots__ = ()

    def apply(self, value: str) -> str:
        try:
            locale.setlocale(locale.LC_COLLATE, value)
        except (locale.Error, ValueError):
            raise DirectiveError("Invalid locale name") from None
        return value
