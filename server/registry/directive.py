"""What a configuration directive is: its name, its type, its default, its bounds and who may change it when.

A directive is declared once, as one object in a file of server/config/. Everything that speaks of configuration reads
that object: the file reader (`parse`), CONFIG GET (`format`), CONFIG SET (`parse`, `flags`, `apply`), CONFIG REWRITE
(`rewrite_lines`), redis.conf (`summary`, held to the table by a test).

A directive knows no value: values live in server.config.config.Config, one attribute each. `parse` is pure; the few
directives that act on the process itself (dir, locale-collate) do so in `apply`.

Text is `str` with surrogate escapes for bytes that are not UTF-8; `Secret` values are `bytes`. The error texts are
Redis 7.2's own, clients and tests read them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from server.registry.light import Any
from server.registry.quoting import quote

INT_MIN, INT_MAX, UINT_MAX = -(2**31), 2**31 - 1, 2**32 - 1
LONG_MAX = LLONG_MAX = 2**63 - 1
ULLONG_MAX = 2**64 - 1
KB, MB, GB = 1024, 1024**2, 1024**3

_UNITS = {"": 1, "b": 1, "k": 1000, "kb": KB, "m": 1000**2, "mb": MB, "g": 1000**3, "gb": GB}
_BLANKS = " \t\n\r\v\f"
_DIGITS = {8: "01234567", 10: "0123456789"}
_MOST_DIGITS = 127          # of an amount of memory

# What CONFIG REWRITE asks of a directive: a line, and whether to write it even where the old file has none.
RewriteLines = list[tuple[str, bool]]


class DirectiveError(Exception):
    """A value that a directive refuses; the text is the reason as Redis words it."""


class Flag:
    """Who may see or change a directive, and when. MODIFIABLE is the absence of IMMUTABLE, as in Redis."""

    MODIFIABLE = 0
    IMMUTABLE = 1  # only in the file or on the command line
    HIDDEN = 2  # CONFIG GET shows it by its full name only, never by a pattern
    DEBUG = 4  # part of the report that a crash writes
    DENY_LOADING = 8  # CONFIG SET refuses while a data set is loading
    PROTECTED = 16  # CONFIG SET needs enable-protected-configs
    SENSITIVE = 32  # its value never reaches log, slowlog or MONITOR
    MULTI_ARG = 64  # takes several words
    VOLATILE = 128  # setting the same value again counts as a change (the file behind the name may be new)


def parse_integer(text: str) -> int | None:
    """A signed 64-bit integer written the strict way: no spaces, no plus sign, no leading zeros; else None."""
    digits = text.removeprefix("-")
    if not digits or digits.strip(_DIGITS[10]) or len(digits) > 20 or (digits[0] == "0" and text != "0"):
        return None
    value = int(text)
    return value if -LLONG_MAX - 1 <= value <= LLONG_MAX else None


def parse_loose_integer(text: str, base: int = 10) -> int | None:
    """An integer as C's strtoll reads it: leading spaces, a sign, "" is 0, beyond 64 bits saturates; else None."""
    if not text:
        return 0
    number = text.lstrip(_BLANKS)
    digits = number[1:] if number[:1] in ("+", "-") else number
    if not digits or digits.strip(_DIGITS[base]):
        return None
    return max(-LLONG_MAX - 1, min(LLONG_MAX, int(number, base)))


def parse_memory(text: str) -> int | None:
    """Bytes from "100", "1k" (1000), "1kb" (1024), likewise m mb g gb; unsigned 64 bits; None if it is not one."""
    letters = text.lstrip(_DIGITS[10])
    digits = text[:len(text) - len(letters)]
    unit = _UNITS.get(letters.lower()) if letters.isascii() else None
    if unit is None or len(digits) > _MOST_DIGITS:
        return None
    return min(int(digits or 0), ULLONG_MAX) * unit & ULLONG_MAX


def format_memory(size: int) -> str:
    """Bytes in the largest unit that divides them evenly, as CONFIG REWRITE writes them."""
    for unit, factor in (("gb", GB), ("mb", MB), ("kb", KB)):
        if size and size % factor == 0:
            return f"{size // factor}{unit}"
    return str(size)


class Directive:
    """One directive. The subclasses below are the plain types; server/config/special.py holds the peculiar ones."""

    __slots__ = ("aliases", "attribute", "check", "default", "flags", "name", "part", "promise", "summary")

    accumulates = False  # several lines of a file add up to one value (only `save`)
    asks = False  # format() asks the process, not the value alone (only `dir`)
    always_changes = False  # CONFIG SET of an equal value still calls on_change, as Redis does for the special ones

    def __init__(
        self,
        name: str,
        default: Any,
        summary: str,
        *,
        aliases: Sequence[str] = (),
        flags: int = Flag.MODIFIABLE,
        part: str = "",
        promise: bool = False,
        check: Callable[[Any], str | None] | None = None,
    ) -> None:
        """name: as in the file; default: typed; summary: one line of ours; part: what part of the server honours it
        (`server.config.table.NOT_BUILT` tells which are missing); promise: a value that is not the default promises
        safety or another kind of server, so it is refused while the part is missing (False: it only tunes the part and
        is accepted, with a line in the log); check: returns a reason to refuse a value."""
        self.name = name
        self.attribute = name.replace("-", "_")
        self.default = default
        self.summary = summary
        self.aliases = tuple(aliases)
        self.flags = flags
        self.part = part
        self.promise = promise
        self.check = check

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name}>"

    def initial(self) -> Any:
        """The value a fresh server starts with."""
        return self.default

    def parse(self, args: Sequence[str], current: object) -> Any:
        """The value that the words stand for; `current` matters only to the types that change a part of it."""
        value = self.parse_words(args, current)
        reason = self.check(value) if self.check else None
        if reason:
            raise DirectiveError(reason)
        return value

    def parse_words(self, args: Sequence[str], current: object) -> Any:
        raise NotImplementedError

    def format(self, value: Any) -> str:
        """The value as CONFIG GET prints it; parse(format(value)) gives the value again."""
        return str(value)

    def apply(self, value: Any) -> Any:
        """Act on the process itself (chdir, setlocale) and return the value to keep, or raise DirectiveError. Called
        with the old value to undo."""
        return value

    def rewrite_lines(self, value: Any, config: object) -> RewriteLines:
        """The lines for CONFIG REWRITE; none means that the file must not mention the directive."""
        return [(f"{self.name} {self.format(value)}", value != self.default)]


class Bool(Directive):
    """yes or no; the value is a bool."""

    __slots__ = ()

    def parse_words(self, args: Sequence[str], current: object) -> bool:
        word = args[0].lower()
        if word not in ("yes", "no"):
            raise DirectiveError("argument must be 'yes' or 'no'")
        return word == "yes"

    def format(self, value: bool) -> str:
        return "yes" if value else "no"


class Number(Directive):
    """An integer within bounds (both inclusive). `clamp` quietly narrows what was accepted (hz)."""

    __slots__ = ("clamp", "high", "low")

    unparsable = "argument couldn't be parsed into an integer"

    def __init__(
        self,
        name: str,
        default: int,
        low: int,
        high: int,
        summary: str,
        *,
        clamp: tuple[int, int] | None = None,
        **options: Any,
    ) -> None:
        super().__init__(name, default, summary, **options)
        self.low, self.high, self.clamp = low, high, clamp

    def number(self, text: str) -> int | None:
        return parse_integer(text)

    def bound(self, number: int) -> str:
        return str(number)

    def parse_words(self, args: Sequence[str], current: object) -> int:
        value = self.number(args[0])
        if value is None:
            raise DirectiveError(self.unparsable)
        if not self.low <= value <= self.high:
            low, high = self.bound(self.low), self.bound(self.high)
            raise DirectiveError(f"argument must be between {low} and {high} inclusive")
        if self.clamp:
            value = max(self.clamp[0], min(self.clamp[1], value))
        return value


class Octal(Number):
    """File permission bits, read and printed in base 8."""

    __slots__ = ()
    unparsable = "argument couldn't be parsed as an octal number"

    def number(self, text: str) -> int | None:
        return parse_loose_integer(text, 8)

    def bound(self, number: int) -> str:
        return f"{number & ULLONG_MAX:o}"

    def format(self, value: int) -> str:
        return f"{value:o}"


class Memory(Number):
    """Bytes; units are understood on the way in and CONFIG GET prints the plain number."""

    __slots__ = ()
    unparsable = "argument must be a memory value"

    def number(self, text: str) -> int | None:
        return parse_memory(text)

    def rewrite_lines(self, value: int, config: object) -> RewriteLines:
        return [(f"{self.name} {format_memory(value)}", value != self.default)]


class MemoryOrPercent(Memory):
    """Bytes, or a percentage of maxmemory, which is kept as a negative number: -5 is "5%"."""

    __slots__ = ()
    unparsable = "argument must be a memory or percent value"

    def parse_words(self, args: Sequence[str], current: object) -> int:
        text = args[0]
        if parse_memory(text) is None and len(text) > 1 and text.endswith("%"):
            percent = parse_integer(text[:-1])
            if percent is not None and percent >= 0:
                if -percent < self.low:
                    raise DirectiveError(f"percentage argument must be less or equal to {-self.low}")
                return -percent
        return super().parse_words(args, current)

    def format(self, value: int) -> str:
        return f"{-value}%" if value < 0 else str(value)

    def rewrite_lines(self, value: int, config: object) -> RewriteLines:
        text = self.format(value) if value < 0 else format_memory(value)
        return [(f"{self.name} {text}", value != self.default)]


class Text(Directive):
    """A string. With `optional`, "" means "not set" and CONFIG REWRITE leaves the directive out."""

    __slots__ = ("optional",)

    def __init__(self, name: str, default: Any, summary: str, *, optional: bool = False, **options: Any) -> None:
        super().__init__(name, default, summary, **options)
        self.optional = optional

    def parse_words(self, args: Sequence[str], current: object) -> Any:
        if "\0" in args[0]:            # no file, address or name of the system has one
            raise DirectiveError("argument can't contain a null character")
        return args[0]

    def rewrite_lines(self, value: Any, config: object) -> RewriteLines:
        if self.optional and not value:
            return []
        return [(f"{self.name} {quote(value)}", value != self.default)]


class Secret(Text):
    """A password: bytes, since any byte may stand in it."""

    __slots__ = ()

    def __init__(self, name: str, summary: str, *, flags: int = Flag.MODIFIABLE, **options: Any) -> None:
        super().__init__(name, b"", summary, optional=True, flags=flags | Flag.SENSITIVE, **options)

    def parse_words(self, args: Sequence[str], current: object) -> bytes:
        return args[0].encode("utf-8", "surrogateescape")

    def format(self, value: bytes) -> str:
        return value.decode("utf-8", "surrogateescape")


def _refuse_choice(choices: Sequence[str]) -> DirectiveError:
    return DirectiveError(("argument(s) must be one of the following: " + ", ".join(choices))[:255])


class Choice(Directive):
    """One of several words, case ignored. `same` maps a word to the one that is stored and printed in its place."""

    __slots__ = ("choices", "same")

    def __init__(
        self,
        name: str,
        default: str,
        choices: Sequence[str],
        summary: str,
        *,
        same: dict[str, str] | None = None,
        **options: Any,
    ) -> None:
        super().__init__(name, default, summary, **options)
        self.choices, self.same = tuple(choices), same or {}

    def parse_words(self, args: Sequence[str], current: object) -> str:
        word = args[0].lower()
        if len(args) != 1 or word not in self.choices:
            raise _refuse_choice(self.choices)
        return self.same.get(word, word)


class Choices(Directive):
    """Several words out of a set, case ignored; the value is a frozenset. The first choice means "none of them"."""

    __slots__ = ("choices",)

    def __init__(
        self, name: str, choices: Sequence[str], summary: str, *, flags: int = Flag.MODIFIABLE, **options: Any
    ) -> None:
        super().__init__(name, frozenset(), summary, flags=flags | Flag.MULTI_ARG, **options)
        self.choices = tuple(choices)

    def parse_words(self, args: Sequence[str], current: object) -> frozenset[str]:
        words = [word.lower() for word in args]
        if not words or any(word not in self.choices for word in words):
            raise _refuse_choice(self.choices)
        return frozenset(words) - {self.choices[0]}

    def format(self, value: frozenset[str]) -> str:
        return " ".join(word for word in self.choices if word in value) or self.choices[0]
