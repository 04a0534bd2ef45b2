"""Forms of every command, made from what COMMAND DOCS says of its arguments: a plain one, one with all options, and the
errors that such a tree lets one make.

    for form in command_forms(connection("COMMAND", "DOCS")):
        form.name, form.kind, form.words        # "set", "wrong type", (b"SET", b"a-list", b"v")

Keys come from KEYS, which `fill` makes; they are of the type that the command's group works on.
"""

from collections.abc import Iterable, Iterator
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
