"""Reading the configuration: command line, files, standard input.

`Config.from_argv(argv)` is the one entry. It
- returns a Config, ready to start a server from (`config.log_to(log)` brings out what reading it had to say);
- or returns an Action (`action.name` is "version", "help", "test-memory" or "check-system");
- or raises ConfigError: write `error.text` to standard error and exit with status 1.

A file is lines of words: comments begin with #, words are quoted as server.registry.quoting tells, the first word names
a directive in any case. `include FILE` reads another file in place; with * ? or [ it reads every match and none is no
error. Relative names are relative to the current directory, which `dir` changes from the next line on.

`user`, `rename-command` and `sentinel` lines are kept as Statements for the rooms that understand them; when such a
room objects, `raise statement.error(reason)` gives the same fatal text as an error found here. What promises a part of
the server that is not built (server.config.table) is such an error, too: the server does not start without it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from server.config.command_line import Action, parse_command_line
from server.config.config import Config
from server.config.table import BY_NAME, FILE_STATEMENTS
from server.registry.directive import Directive, DirectiveError, Flag
from server.registry.light import NamedTuple
from server.registry.quoting import split_args
from server.version import REDIS_VERSION

SENTINEL_PORT = 26379
_INCLUDE_DEPTH = 32  # files within files; Redis has no limit and dies of a loop
_OBSOLETE = frozenset({"list-max-ziplist-entries", "list-max-ziplist-value", "lua-replicate-commands"})
_CLIENT_OPTIONS = {"p": "port", "a": "requirepass", "h": "bind", "s": "unixsocket"}  # as redis-cli has them


class ConfigError(Exception):
    """A configuration the server does not start with; `text` is what to say on standard error, newline included."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text


class Statement(NamedTuple):
    """A line that another room reads: its words (the first in lower case), number (from 1) and text."""

    words: tuple[str, ...]
    number: int
    line: str

    def error(self, reason: str) -> ConfigError:
        """The fatal error that this line deserves."""
        return line_error(reason, self.number, self.line)


def line_error(reason: str, number: int = 0, line: str = "", hint: str = "") -> ConfigError:
    """The report of Redis, with the hint as a line of ours behind it; number 0 when no line is to blame."""
    where = f"Reading the configuration file, at line {number}\n>>> '{line}'\n" if number else ""
    hint = f"{hint}\n" if hint else ""
    return ConfigError(f"\n*** FATAL CONFIG FILE ERROR (Redis {REDIS_VERSION}) ***\n{where}{reason}\n{hint}")


def read_argv(config: Config, argv: Sequence[str]) -> Config | Action:
    """Fill the config with what argv asks for; see the head of this file."""
    asked = parse_command_line(argv)
    if isinstance(asked, Action):
        return asked
    config.executable = os.path.abspath(argv[0])
    config.exec_argv = list(argv)
    config.sentinel_mode = asked.sentinel
    if asked.sentinel:
        config.store("port", SENTINEL_PORT)
        config.store("protected-mode", False)       # other machines are to ask it
    text = ""
    if asked.file is not None:
        config.configfile = os.path.abspath(asked.file)
        config.exec_argv[1] = config.configfile
        text = read_files(config.configfile)
    if asked.from_stdin:
        config.log("notice", "Reading config from stdin")
        if text and not text.endswith("\n"):
            text += "\n"
        text += sys.stdin.buffer.read().decode("utf-8", "surrogateescape")
    if len(argv) > 1:
        Reader(config).read(f"{text}\n{asked.options}")
    return config


def read_files(name: str) -> str:
    """The text of a file, or of all files that a glob finds, one behind the other in order of their names.

    A file whose last line has no end gets one, where Redis glues the next file's first line to it.
    """
    names = [name]
    if any(char in name for char in "*?["):
        import glob

        names = sorted(glob.glob(name))
    parts = []
    for path in names:
        try:
            with open(path, "rb") as file:
                parts.append(file.read())
        except OSError as error:
            raise ConfigError(f"Fatal error, can't open config file '{path}': {error.strerror}\n") from None
        except ValueError as error:
            raise ConfigError(f"Fatal error, can't open config file '{path}': {error}\n") from None
    glued = b"".join(part if part.endswith(b"\n") else part + b"\n" for part in parts[:-1]) + b"".join(parts[-1:])
    return glued.decode("utf-8", "surrogateescape")


class Reader:
    """Reads configuration text into a Config, line by line."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self._seen: set[str] = set()
        self._depth = 0

    def read(self, text: str) -> None:
        """All lines, then the checks that no single line can fail. ConfigError at the first mistake."""
        for number, raw in enumerate(text.split("\n"), 1):
            line = raw.strip(" \t\r\n")
            if not line or line.startswith("#"):
                continue
            words = split_args(line)
            if words is None:
                raise line_error("Unbalanced quotes in configuration line", number, line)
            if not words:
                continue
            words[0] = words[0].lower()
            try:
                self._statement(Statement(tuple(words), number, line))
            except DirectiveError as error:
                raise line_error(str(error), number, line) from None
        self._check_whole()

    def _statement(self, statement: Statement) -> None:
        words = statement.words
        directive = BY_NAME.get(words[0])
        if directive:
            self._directive(directive, words[1:])
        elif words[0] in _OBSOLETE and len(words) == 2:
            pass
        elif words[0] == "include" and len(words) == 2:
            self._include(statement)
        elif words[0] == "rename-command" and len(words) == 3:
            self.config.renamed_commands.append(statement)
        elif words[0] == "user" and len(words) >= 2:
            self.config.users.append(statement)
        elif words[0] == "loadmodule" and len(words) >= 2:
            raise statement.error("Modules are not supported: this server cannot load native Redis modules")
        elif "." in words[0]:
            if len(words) < 2:
                raise statement.error("Module config specified without value")
            raise statement.error("Modules are not supported: there is no module that reads this")
        elif words[0] == "sentinel":
            self._sentinel(statement)
        else:
            hint = "" if words[0] in FILE_STATEMENTS else nearest_directive(words[0])
            raise line_error("Bad directive or wrong number of arguments", statement.number, statement.line, hint)

    def _directive(self, directive: Directive, words: Sequence[str]) -> None:
        if not directive.flags & Flag.MULTI_ARG:
            if len(words) != 1:
                raise DirectiveError("wrong number of arguments")
        elif len(words) == 1 and words[0]:
            words = split_args(words[0]) or []
        self.config.read_line(directive, words, directive.name not in self._seen)
        self._seen.add(directive.name)

    def _include(self, statement: Statement) -> None:
        if self._depth == _INCLUDE_DEPTH:
            raise statement.error("Too many levels of include: does a file include itself?")
        self._depth += 1
        self.read(read_files(statement.words[1]))
        self._depth -= 1

    def _sentinel(self, statement: Statement) -> None:
        if len(statement.words) > 1 and not self.config.sentinel_mode:
            raise statement.error("sentinel directive while not in sentinel mode")
        if self.config.sentinel_mode:                   # --sentinel is a line of its own, without more words
            self.config.sentinel_lines.append(statement)

    def _check_whole(self) -> None:
        config = self.config
        if config.logfile:
            try:
                open(config.logfile, "ab").close()
            except (OSError, ValueError) as error:
                reason = getattr(error, "strerror", None) or error
                raise line_error(f"Can't open the log file: {reason}") from None
        if config.cluster_enabled and config.replicaof:
            raise line_error("replicaof directive not allowed in cluster mode")
        if config.cluster_enabled and config.databases > 1:
            config.log(
                "warning",
                f"WARNING: Changing databases number from {config.databases} to 1 since we are in cluster mode",
            )
            config.store("databases", 1)


def nearest_directive(name: str) -> str:
    """A hint at the directive that was probably meant; "" when nothing is near."""
    if name.startswith("-"):
        return _with_two_dashes(name)
    import difflib

    near = difflib.get_close_matches(name, (*BY_NAME, *FILE_STATEMENTS), n=1, cutoff=0.6)
    return f"The nearest known directive is '{near[0]}'" if near else ""


def _with_two_dashes(name: str) -> str:
    """A hint for `-p 7000` and the like: what the clients' options are called here."""
    word = name.lstrip("-")
    word = _CLIENT_OPTIONS.get(word, word)
    return f"On the command line '--{word}' is meant, in a file '{word}'" if word in BY_NAME else ""
