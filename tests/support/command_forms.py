"""Forms of every command, made from what COMMAND DOCS says of its arguments: a plain one, one with all options, and the
errors that such a tree lets one make.

    for form in command_forms(connection("COMMAND", "DOCS")):
        form.name, form.kind, form.words        # "set", "wrong type", (b"SET", b"a-list", b"v")

Keys come from KEYS, which `fill` makes; they are of the type that the command's group works on.
"""

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any, NamedTuple

from tests.support.command_docs import Argument, Documented, documented

KEYS = {
    "string": b"a-string", "bitmap": b"a-string", "generic": b"a-string", "list": b"a-list", "hash": b"a-hash",
    "set": b"a-set", "sorted-set": b"a-zset", "geo": b"a-geo", "stream": b"a-stream", "hyperloglog": b"an-hll",
}  # fmt: skip
MISSING = b"no-such-key"
_VALUES = {
    "string": b"v", "integer": b"1", "double": b"0.001", "pattern": b"*", "unix-time": b"9999999999",
}  # fmt: skip


class Form(NamedTuple):
    """One way to say a command. kind: what it tries."""

    name: str
    kind: str
    words: tuple[bytes, ...]


def fill(connection: Any) -> None:
    """Make the keys of KEYS in an empty database."""
    for words in (
        ("SET", "a-string", "12"), ("RPUSH", "a-list", "a", "b", "v"), ("HSET", "a-hash", "f", "1", "v", "2"),
        ("SADD", "a-set", "a", "v"), ("ZADD", "a-zset", 1, "a", 2, "v"), ("GEOADD", "a-geo", 13.3, 38.1, "v"),
        ("XADD", "a-stream", "1-1", "f", "v"), ("XGROUP", "CREATE", "a-stream", "v", "0"),
        ("PFADD", "an-hll", "a", "v"),
    ):  # fmt: skip
        connection.ok(*words)


class _Maker:
    """Words from an argument tree."""

    def __init__(self, key: bytes, options: bool, values: dict[str, bytes]) -> None:
        self.key = key
        self.options = options
        self.values = values

    def words(self, arguments: Iterable[Argument]) -> Iterator[bytes]:
        for argument in arguments:
            if argument.optional and not self.options:
                continue
            if argument.token is not None:
                yield argument.token
            if argument.kind == "oneof":
                yield from self.words(argument.parts[:1])
            elif argument.kind == "block":
                yield from self.words(argument.parts)
            elif argument.kind == "key":
                yield self.key
            elif argument.kind != "pure-token":
                yield self.values.get(argument.kind, b"v")


def _forms(command: Documented) -> Iterator[Form]:
    name, head, arguments = command.name, command.head, command.arguments
    key = KEYS.get(command.group, b"a-string")
    other = b"a-list" if key != b"a-list" else b"a-string"
    numbers = {**_VALUES, "integer": b"x", "double": b"x"}
    plain = head + tuple(_Maker(key, False, _VALUES).words(arguments))
    yield Form(name, "plain", plain)
    yield Form(name, "all options", head + tuple(_Maker(key, True, _VALUES).words(arguments)))
    yield Form(name, "wrong type", head + tuple(_Maker(other, False, _VALUES).words(arguments)))
    yield Form(name, "missing key", head + tuple(_Maker(MISSING, False, _VALUES).words(arguments)))
    yield Form(name, "wrong numbers", head + tuple(_Maker(key, False, numbers).words(arguments)))
    yield Form(name, "wrong numbers in options", head + tuple(_Maker(key, True, numbers).words(arguments)))
    yield Form(name, "unknown option", (*plain, b"NO-SUCH-OPTION"))
    yield Form(name, "a word short", plain[:-1] if len(plain) > len(head) else (*plain, b"too", b"many", b"words"))
    yield Form(name, "long words", head + tuple(b"w" * 3000 for _ in plain[len(head):]))


def command_forms(docs: list[Any]) -> Iterator[Form]:
    """All forms of all commands and subcommands; docs: the reply of COMMAND DOCS in RESP2."""
    for command in documented(docs):
        if command.container:
            yield Form(command.name, "no subcommand", command.head)
            yield Form(command.name, "unknown subcommand", (*command.head, b"NO-SUCH"))
        else:
            yield from _forms(command)


class Variant(NamedTuple):
    """A command with some of its options, valid as a rule.

    values: which words are values, neither keys nor tokens; own: those of them that the plain form has not.
    """

    name: str
    words: tuple[bytes, ...]
    values: tuple[int, ...]
    own: tuple[int, ...]


_NAMED = {  # values for arguments whose kind says too little
    "start": b"0", "stop": b"-1", "end": b"-1", "id": b"1-1", "lastid": b"1-1", "last-id": b"1-1", "cursor": b"0",
    "min-idle-time": b"0", "min": b"0", "max": b"1", "numkeys": b"1", "offset": b"0", "increment": b"1", "bit": b"1",
    "value": b"3", "element": b"3", "member": b"a", "field": b"f", "key-threshold": b"0", "threshold": b"1",
    "encoding": b"u8", "script": b"return ARGV", "newkey": b"new", "destination": b"new", "radius": b"100",
    "longitude": b"13.3", "latitude": b"38.1", "precision": b"8", "count": b"2", "numreplicas": b"0",
}  # fmt: skip
_NAMED_IN_STREAMS = {"start": b"-", "end": b"+", "consumer": b"c"}
_Word = tuple[bytes, bool]              # and whether it is a value


def _values(argument: Argument, key: bytes, stream: bool) -> list[_Word]:
    if argument.kind == "key":
        return [(key, False)]
    named = _NAMED_IN_STREAMS.get(argument.name) if stream else None
    return [(named or _NAMED.get(argument.name) or _VALUES.get(argument.kind, b"v"), True)]


def _ways(argument: Argument, key: bytes, stream: bool) -> Iterator[list[_Word]]:
    """All ways to say one argument that is there: each alternative, each option inside."""
    token: list[_Word] = [] if argument.token is None else [(argument.token, False)]
    if argument.kind == "oneof":
        for part in argument.parts:
            for way in _ways(part, key, stream):
                yield token + way
    elif argument.kind == "block":
        for way in _sequences(argument.parts, key, stream):
            yield token + way
    elif argument.kind == "pure-token":
        yield token
    else:
        yield token + _values(argument, key, stream)


def _sequences(arguments: list[Argument], key: bytes, stream: bool) -> Iterator[list[_Word]]:
    """The first way of each that must be there; then each other way of one of them, the rest as before."""
    every = [list(_ways(argument, key, stream)) for argument in arguments]
    plain = [[] if argument.optional else ways[0] for argument, ways in zip(arguments, every, strict=True)]
    yield list(chain(*plain))
    for at, (argument, ways) in enumerate(zip(arguments, every, strict=True)):
        for way in ways if argument.optional else ways[1:]:
            yield list(chain(*plain[:at], way, *plain[at + 1 :]))


def variants(docs: list[Any]) -> Iterator[Variant]:
    """Every command plain, then with each of its options and alternatives; docs: the reply of COMMAND DOCS in RESP2."""
    for command in documented(docs):
        if command.container:
            continue
        key = KEYS.get(command.group, b"a-string")
        head = [(word, False) for word in command.head]
        plain: list[_Word] = []
        for way in _sequences(command.arguments, key, command.group == "stream"):
            words = head + way
            values = tuple(at for at, (_, is_value) in enumerate(words) if is_value)
            after = len(words) - _in_common(plain[::-1], words[::-1])
            yield Variant(command.name, tuple(word for word, _ in words), values,
                          tuple(at for at in values if _in_common(plain, words) <= at < after))
            plain = plain or words


def _in_common(one: list[_Word], other: list[_Word]) -> int:
    """How many words both begin with."""
    return next((at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
