"""The words behind `remus-server`, read exactly as redis-server reads them.

    remus-server [FILE] [--directive value ...] [-]

A first word that does not begin with "-" is the configuration file; a lone "-" as the first or the last word stands for
standard input. Every `--directive value ...` becomes one line of configuration text, and the server reads the file,
then standard input, then these lines, so the last one wins. The rules where words alone do not tell:

- a word that begins with "--" opens a directive only when the one before it already has a value, so that
  `--requirepass --secret` sets a password that begins with "--";
- `--directive "value"` may be one single word;
- `--save` directly before another directive, or at the end, means `--save ""`; `--sentinel` needs no value.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from server.registry.light import NamedTuple
from server.registry.quoting import quote, split_args

USAGE = """\
Usage: remus-server [FILE] [--directive value ...] [-]
       remus-sentinel FILE     the same as: remus-server FILE --sentinel
       remus-server -v | --version
       remus-server -h | --help

  FILE                 read this configuration file (redis.conf shows every directive)
  --directive value    set a directive; goes before what FILE says
  -                    read configuration from standard input, as first or last word

Examples:
  remus-server
  remus-server /etc/redis/6379.conf
  remus-server --port 7777 --appendonly yes
  echo 'maxmemory 128mb' | remus-server -
  remus-server /etc/redis/6379.conf --loglevel verbose -
"""


def usage() -> str:
    """The answer to --help."""
    from server.config.table import missing_parts

    text = f"{USAGE}\nFiles that come with it:\n"
    for path, what in FILES.items():
        text += f"  {os.path.join(_HOME, path)}    {what}\n"
    if missing := missing_parts():
        text += "\nNot built yet; the server does not start when it is asked for:\n"
        text += "".join(f"  {name}\n" for name in missing)
    return text

# Of the folder that holds the rooms, in a clone as where it is installed.
FILES = {
    "redis.conf": "every directive, explained",
    "metrics/prometheus.yml": "how Prometheus scrapes the server",
    "metrics/alerts.yml": "alert rules",
    "metrics/dashboards": "dashboards for Grafana",
}
_HOME = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


class Action(NamedTuple):
    """Something to do in place of starting a server.

    name: "version", "help", "test-memory" or "check-system"; argument: the megabytes for test-memory, else "".
    """

    name: str
    argument: str = ""


class CommandLine(NamedTuple):
    """What to read: a file ("" is a name too, None is none), standard input, and lines of configuration text."""

    file: str | None
    from_stdin: bool
    options: str
    sentinel: bool


_ACTIONS = {"-v": "version", "--version": "version", "-h": "help", "--help": "help", "--check-system": "check-system"}


def parse_command_line(argv: Sequence[str]) -> CommandLine | Action:
    """argv as main() gets it; argv[0] is the program, whose name may ask for sentinel mode."""
    program = os.path.basename(argv[0])
    sentinel = "redis-sentinel" in program or "remus-sentinel" in program or "--sentinel" in argv[1:]
    words = list(argv[1:])
    if words and words[0] in _ACTIONS:
        return Action(_ACTIONS[words[0]])
    if words and words[0] == "--test-memory":
        return Action("test-memory", words[1] if len(words) == 2 else "")
    file = words.pop(0) if words and not words[0].startswith("-") else None
    options, from_stdin = _option_lines(words, first_may_be_stdin=file is None)
    return CommandLine(file, from_stdin, options, sentinel)


def _option_lines(words: Sequence[str], first_may_be_stdin: bool) -> tuple[str, bool]:
    """The words as configuration text, and whether standard input is asked for."""
    lines: list[str] = []
    from_stdin = False
    has_value = True  # the directive before this word has one
    for at, word in enumerate(words):
        last = at == len(words) - 1
        if word == "-" and (last or (at == 0 and first_may_be_stdin)):
            from_stdin = True
        elif has_value and word.startswith("--"):
            line = word[2:] + " "
            has_value = len(split_args(word) or ()) != 1
            if not has_value and word.lower() in ("--save", "--sentinel"):
                before_directive = not last and words[at + 1].startswith("--")
                has_value = before_directive
                if word.lower() == "--save" and (last or before_directive):
                    line += '""'
            lines.append(line)
        else:
            if not lines:
                lines.append("")
            lines[-1] += quote(word) + " "
            has_value = True
    return "\n".join(lines), from_stdin
