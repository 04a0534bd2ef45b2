"""COMMAND DOCS read into argument trees.

    for command in documented(connection("COMMAND", "DOCS")):
        command.name, command.head          # "xgroup|create", (b"XGROUP", b"CREATE")
        command.group, command.arguments    # "stream", a list of Argument
"""

from collections.abc import Iterator
from typing import Any, NamedTuple


class Argument(NamedTuple):
    """A node of the tree. kind: its type in COMMAND DOCS (string, key, block, oneof ...)."""

    name: str
    kind: str
    token: bytes | None
    optional: bool
    multiple: bool
    multiple_token: bool
    parts: "list[Argument]"


class Documented(NamedTuple):
    """A command, or a subcommand; container: a command that has subcommands and is nothing without one."""

    name: str
    head: tuple[bytes, ...]
    group: str
    arguments: list[Argument]
    container: bool


def documented(docs: list[Any]) -> Iterator[Documented]:
    """All commands of a reply to COMMAND DOCS in RESP2; a container before its subcommands."""
    for name, flat in _pairs(docs):
        doc = dict(_pairs(flat))
        subcommands = doc.get(b"subcommands")
        yield _command(name, doc, subcommands is not None)
        for title, about in _pairs(subcommands or []):
            yield _command(title, dict(_pairs(about)), False)


def _command(name: bytes, doc: dict[bytes, Any], container: bool) -> Documented:
    arguments = [_argument(dict(_pairs(flat))) for flat in doc.get(b"arguments", [])]
    return Documented(name.decode(), tuple(name.upper().split(b"|")), doc[b"group"].decode(), arguments, container)


def _argument(doc: dict[bytes, Any]) -> Argument:
    flags = {str(flag, "ascii") if isinstance(flag, bytes) else str(flag) for flag in doc.get(b"flags", [])}
    parts = [_argument(dict(_pairs(flat))) for flat in doc.get(b"arguments", [])]
    return Argument(
        doc[b"name"].decode(), doc[b"type"].decode(), doc.get(b"token"),
        "optional" in flags, "multiple" in flags, "multiple_token" in flags, parts,
    )  # fmt: skip


def _pairs(flat: list[Any]) -> Iterator[tuple[bytes, Any]]:
    return zip(flat[::2], flat[1::2], strict=True)
