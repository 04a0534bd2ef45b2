"""Subcommands of DEBUG, declared by the rooms that they look into; the command is in server.commands.server_debug.

    subcommand = Subcommands(ActiveExpire)

    @subcommand("SET-ACTIVE-EXPIRE", 1, 1, "<0|1>", "Remove expired keys that nobody asks for, or leave them.")
    def set_active_expire(expiry: ActiveExpire, yes: bytes) -> str: ...

The function gets that part of the server (server.registry.parts), or of the call (Call, its Database), and the words.
DEBUG HELP is made of the declarations.
"""

from collections.abc import Callable

from server.registry.later import Later
from server.registry.light import Any, Concatenate, Generic, NamedTuple, TypeVar
from server.registry.parts import Part

S = TypeVar("S")
MANY = 1 << 20  # words: no limit


class WrongWords(Exception):
    """The words are none that this subcommand knows: DEBUG says so."""


class DebugSubcommand(NamedTuple):
    """One of them: `run(part, *words)` with `least` to `most` words."""

    part: Part[Any]
    run: Callable[..., Any]
    least: int
    most: int
    help: tuple[str, ...]  # its arguments, then lines that say what it does; none: DEBUG HELP does not show it


SUBCOMMANDS: dict[str, DebugSubcommand] = {}  # those that are declared by now
declared_later = Later()


class Subcommands(Generic[S]):
    """What declares subcommands about one part."""

    def __init__(self, part: Part[S]) -> None:
        self._part = part

    def __call__(
        self, name: str, least: int = 0, most: int | None = None, *help_lines: str
    ) -> Callable[[Callable[Concatenate[S, ...], Any]], Callable[Concatenate[S, ...], Any]]:
        """Declare DEBUG name with `least` to `most` further words (most None: exactly least). help_lines: the
        arguments, then what it does; DEBUG HELP shows them."""

        def register(function: Callable[Concatenate[S, ...], Any]) -> Callable[Concatenate[S, ...], Any]:
            if name.lower() in SUBCOMMANDS:
                raise ValueError(f"DEBUG {name} is declared already")
            most_words = least if most is None else most
            SUBCOMMANDS[name.lower()] = DebugSubcommand(self._part, function, least, most_words, help_lines)
            return function

        return register


def subcommands() -> dict[str, DebugSubcommand]:
    """All of them by name, lower case."""
    declared_later.load()
    return SUBCOMMANDS


def help_lines() -> list[str]:
    """What DEBUG HELP says, by name."""
    lines = ["DEBUG <subcommand> [<arg> [value] [opt] ...]. Subcommands are:"]
    for name, entry in sorted(subcommands().items()):
        if entry.help:
            lines += [f"{name.upper()} {entry.help[0]}".rstrip(), *(f"    {line}" for line in entry.help[1:])]
    return [*lines, "HELP", "    Print this help."]
