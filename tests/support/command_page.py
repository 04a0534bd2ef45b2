"""docs/commands.md, made of the declarations: `./dev python -m tests.support.command_page` writes it."""

import importlib
import pkgutil
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

from server.registry.command import DECLARED, Command

PAGE = Path(__file__).parents[2] / "docs/commands.md"
TITLES = {"pubsub": "Pub/Sub", "sorted_set": "Sorted set", "hyperloglog": "HyperLogLog", "geo": "Geospatial"}
REDIS = (7, 2)
# What a reader who knows Redis 7.2 would not expect.
NOTES = {
    "memory|prefix": "not in Redis 7.2: memory by prefix of keys",
    "script|debug": "answers an error",
    "module|load": "answers an error: modules are shared objects for Redis's own process",
    "module|loadex": "likewise",
    "debug": "needs `enable-debug-command`; CLOCK, FAULT and DISK-FULL are for tests ([testing](testing.md))",
}
HEAD = """# Commands

Made of the declarations by `./dev python -m tests.support.command_page`; a test holds the two together. Each command
has the replies, errors and effects of Redis 7.2 unless its row says otherwise; `COMMAND DOCS` and `COMMAND INFO` of a
running server tell the same. Not there are modules (and so JSON, search, time series, vector sets) and what Redis 7.4
and later added.

Complexity is that of the implementation; N, M and so on are explained by `COMMAND DOCS`.
"""


def declared() -> list[Command]:
    """All commands, subcommands behind their container."""
    import server.commands

    for module in pkgutil.iter_modules(server.commands.__path__):
        importlib.import_module(f"server.commands.{module.name}")
    for name in ("eval", "script", "function"):
        importlib.import_module(f"scripting.commands_{name}")
    return sorted(DECLARED.values(), key=lambda command: (command.group, command.name))


def rows(commands: list[Command]) -> Iterator[str]:
    for command in commands:
        name = command.name.replace("|", " ").upper()
        words = f"{name} {command.syntax}".strip().replace("|", "\\|")
        notes = [NOTES[command.name]] if command.name in NOTES else []
        if tuple(map(int, command.since.split(".")[:2])) > REDIS:
            notes.append(f"of Redis {command.since.removesuffix('.0')}")
        if command.deprecated:
            notes.append(f"deprecated since {command.deprecated[0]}")
        told = [command.summary.rstrip("."), *notes]
        complexity = command.complexity.rstrip(".").replace("|", "\\|")
        yield f"| `{words}` | {'; '.join(told).replace('|', chr(92) + '|')} | {complexity} | {command.since} |"


def render() -> str:
    """The page."""
    commands = declared()
    text = [HEAD]
    for group, members in groupby(commands, key=lambda command: command.group):
        title = TITLES.get(group, group.capitalize())
        text.append(f"## {title}\n\n| Command | What it does | Complexity | Since |\n|---|---|---|---|\n")
        text[-1] += "\n".join(rows([one for one in members if one.subcommands == {} or one.function])) + "\n"
    return "\n".join(text)


if __name__ == "__main__":
    PAGE.write_text(render())
