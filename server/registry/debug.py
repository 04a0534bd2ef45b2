"""Subcommands of DEBUG, declared by the rooms that they look into; the command is in server.commands.server_debug."""

from collections.abc import Callable
from typing import Any, NamedTuple


class DebugSubcommand(NamedTuple):
    """One of them: `run(call, *words)` with `least` to `most` words."""

    run: Callable[..., Any]
    least: int
    most: int
    help: tuple[str, ...]  # its arguments, then lines that say what it does; none: DEBUG HELP does not show it


SUBCOMMANDS: dict[str, DebugSubcommand] = {}


def subcommand(
    name: str, least: int = 0, most: int | None = None, *help_lines: str
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Declare DEBUG name with `least` to `most` further words (most None: exactly least). The function gets the Call
    and those words; help_lines are shown by DEBUG HELP."""

    def register(function: Callable[..., Any]) -> Callable[..., Any]:
        SUBCOMMANDS[name.lower()] = DebugSubcommand(function, least, least if most is None else most, help_lines)
        return function

    return register
