"""Commands to send: the well-known tests by name, and any command line as a template.

    __rand_int__    12 digits, a number of the key space (as it stands there when there is no key space)
    __key__         the key format with such a number: by default key:__rand_int__
    __data__        a value of the size that is asked for

A template is compiled into segments for the engine: bytes that never change, the places of the numbers in them, and
cuts where a value of a drawn size goes.
"""

import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING

from perf.benchmark.sizes import Sizes

if TYPE_CHECKING:
    from perf.benchmark.engine import Segment

NUMBER = b"__rand_int__"
KEY = b"__key__"
DATA = b"__data__"
POOL_SPARE = 1021  # places in the pool of letters where a value may begin
POOL_DRAWN = 1 << 20  # letters of it that are drawn; a longer pool repeats them
TITLE_WORD = 64  # characters of an argument that a title shows
LETTERS = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"


class UnknownTest(ValueError):
    """No test and no named command is called so."""


@dataclass(frozen=True)
class Command:
    """`title` is what reports call it. `words` are the arguments; an inline command has one word, sent as a line."""

    title: str
    words: tuple[bytes, ...]
    inline: bool = False


def well_known(title: str, text: str) -> Command:
    return Command(title, tuple(text.encode().split()))


# The names, titles and commands of redis-benchmark's tests.
TESTS: dict[str, Command] = {
    "ping_inline": Command("PING_INLINE", (b"PING",), inline=True),
    "ping_mbulk": well_known("PING_MBULK", "PING"),
    "set": well_known("SET", "SET __key__ __data__"),
    "get": well_known("GET", "GET __key__"),
    "incr": well_known("INCR", "INCR counter:__rand_int__"),
    "lpush": well_known("LPUSH", "LPUSH mylist __data__"),
    "rpush": well_known("RPUSH", "RPUSH mylist __data__"),
    "lpop": well_known("LPOP", "LPOP mylist"),
    "rpop": well_known("RPOP", "RPOP mylist"),
    "sadd": well_known("SADD", "SADD myset element:__rand_int__"),
    "hset": well_known("HSET", "HSET myhash element:__rand_int__ __data__"),
    "spop": well_known("SPOP", "SPOP myset"),
    "zadd": well_known("ZADD", "ZADD myzset __rand_int__ element:__rand_int__"),
    "zpopmin": well_known("ZPOPMIN", "ZPOPMIN myzset"),
    "lrange_fill": well_known("LPUSH (needed to benchmark LRANGE)", "LPUSH mylist __data__"),
    "lrange_100": well_known("LRANGE_100 (first 100 elements)", "LRANGE mylist 0 99"),
    "lrange_300": well_known("LRANGE_300 (first 300 elements)", "LRANGE mylist 0 299"),
    "lrange_500": well_known("LRANGE_500 (first 500 elements)", "LRANGE mylist 0 499"),
    "lrange_600": well_known("LRANGE_600 (first 600 elements)", "LRANGE mylist 0 599"),
    "mset": well_known("MSET (10 keys)", "MSET" + " __key__ __data__" * 10),
    "xadd": well_known("XADD", "XADD mystream * myfield __data__"),
}
LRANGES = tuple(name for name in TESTS if name.startswith("lrange_") and name != "lrange_fill")
GROUPS = {"ping": ("ping_inline", "ping_mbulk"), "lrange": LRANGES}
UNSCORED = well_known("ZADD", "ZADD myzset 0 element:__rand_int__")  # ZADD without a key space: scores must be numbers


def select(names: Iterable[str]) -> list[str]:
    """The tests that these names mean, in the order of TESTS: `ping` and `lrange` are several, and a list is filled
    before LRANGE reads it. UnknownTest names the first that is none."""
    wanted: set[str] = set()
    for name in names:
        lower = name.strip().lower()
        if lower not in TESTS and lower not in GROUPS:
            raise UnknownTest(f"unknown test {name!r}; there are {', '.join([*GROUPS, *TESTS])}")
        wanted |= set(GROUPS.get(lower, (lower,)))
    if wanted & set(LRANGES):
        wanted.add("lrange_fill")
    return [name for name in TESTS if name in wanted]


def parse(line: str | Sequence[str | bytes], title: str = "") -> Command:
    """A command template of the user's: one line, split as a shell does, or its words."""
    words = shlex.split(line) if isinstance(line, str) else list(line)
    if not words:
        raise ValueError("an empty command")
    encoded = tuple(word if isinstance(word, bytes) else word.encode(errors="surrogateescape") for word in words)
    return Command(title or " ".join(map(shown, encoded)), encoded)


def shown(word: bytes) -> str:
    """An argument as a title shows it: on one line, and not a whole file."""
    text = word.decode(errors="replace")
    return text if text.isprintable() and len(text) <= TITLE_WORD else f"({len(word):,} bytes)"


def named(name: str, defined: Mapping[str, str | Sequence[str | bytes]], key_space: int) -> Command:
    """A command of the user's by that name, or a test."""
    if name in defined:
        return parse(defined[name], name)
    if name.lower() not in TESTS:
        raise UnknownTest(f"unknown command {name!r}; define it, or take one of {', '.join(TESTS)}")
    return UNSCORED if name.lower() == "zadd" and not key_space else TESTS[name.lower()]


def pool(sizes: Sizes) -> bytes:
    """Letters that values are cut from; the same in each run."""
    length = sizes.most + POOL_SPARE
    drawn = bytes(Random(20).choices(LETTERS, k=min(length, POOL_DRAWN)))
    return (drawn * (length // len(drawn) + 1))[:length]


def longest(command: Command, key_format: bytes, sizes: Sizes) -> int:
    """Bytes of the longest request that a command can make, or a few more."""
    total = 16
    for word in command.words:
        keys = word.count(KEY)
        values = word.count(DATA) + keys * key_format.count(DATA)
        total += 24 + len(word) + keys * len(key_format) + values * sizes.most
    return total


# ---- compiling

TOKEN = re.compile(b"(%b|%b|%b)" % (NUMBER, KEY, DATA))


class Compiler:
    """Puts a template together, segment by segment: (bytes, offsets of numbers, what follows, fixed, times)."""

    def __init__(self, key_format: bytes, sizes: Sizes, letters: bytes, key_space: int) -> None:
        self.key_format = key_format
        self.key_space = key_space
        self.value = letters[: sizes.most] if sizes.kind == "fixed" else None
        self.segments: list[Segment] = []
        self.text = b""
        self.holes: list[int] = []

    def cut(self, value: str, fixed: int = 0, times: int = 0) -> None:
        """End a segment; a value, or the length of an argument that holds one, follows."""
        self.segments.append((self.text, self.holes, value, fixed, times))
        self.text, self.holes = b"", []

    def tokens(self, word: bytes) -> list[bytes]:
        """The word's parts: numbers and values of drawn sizes each by itself, all else as it will be sent."""
        found = []
        for token in TOKEN.split(word):
            if token == KEY:
                found += [part for part in TOKEN.split(self.key_format) if part != KEY]
            elif token == DATA and self.value is not None:
                found.append(self.value)
            else:
                found.append(token)
        return found

    def write(self, tokens: list[bytes]) -> None:
        for token in tokens:
            if token == DATA:
                self.cut("bytes")
            elif token == NUMBER and self.key_space:
                self.holes.append(len(self.text))
                self.text += b"0" * len(NUMBER)
            else:
                self.text += token

    def argument(self, word: bytes) -> None:
        """A bulk string."""
        tokens = self.tokens(word)
        times = tokens.count(DATA)
        fixed = sum(len(token) for token in tokens if token != DATA)
        if times:
            self.text += b"$"
            self.cut("length", fixed, times)
            self.text += b"\r\n"
        else:
            self.text += b"$%d\r\n" % fixed
        self.write(tokens)
        self.text += b"\r\n"


def compile_template(
    command: Command, key_format: bytes, sizes: Sizes, letters: bytes, key_space: int
) -> "list[Segment]":
    """What the engine sends for a command."""
    compiler = Compiler(key_format, sizes, letters, key_space)
    if command.inline:
        compiler.write(compiler.tokens(b" ".join(command.words) + b"\r\n"))
    else:
        compiler.text = b"*%d\r\n" % len(command.words)
        for word in command.words:
            compiler.argument(word)
    compiler.cut("")
    return compiler.segments
