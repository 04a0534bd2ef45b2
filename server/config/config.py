"""The configuration of one server: a value per directive, as attributes, and the rules of CONFIG GET and CONFIG SET.

    config = Config.from_argv(sys.argv)      # see reader.py for what else it may return or raise
    config.maxmemory                         # 0, an int; every directive with - written as _
    config.bind                              # ("*", "-::*")
    config.on_change("maxmemory", resized)   # resized(config) -> None, or the reason why it cannot be

Values are immutable (int, bool, str, bytes, tuple, frozenset; the buffer limits are a dict that is replaced, never
changed), so a reference to an old value stays good. Only the main thread changes a Config.

What is not a directive: `configfile` (absolute path or None), `executable`, `exec_argv`, `sentinel_mode`, and what the
file said that only other rooms understand: `users`, `renamed_commands`, `sentinel_lines`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence

from server.config.table import BY_NAME, DIRECTIVES, NOT_BUILT, unbuilt_reason
from server.registry.directive import Directive, DirectiveError, Flag
from server.registry.errors import LOADING
from server.registry.light import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from server.config.command_line import Action
    from server.config.reader import Statement
    from server.config.rewrite import Rewrite

_GUARDED = Flag.IMMUTABLE | Flag.PROTECTED | Flag.DENY_LOADING  # what CONFIG SET may refuse, whatever the value
OnChange = Callable[["Config"], "str | None"]
Log = Callable[[str, str], None]


class ConfigSetError(Exception):
    """Why CONFIG SET refuses; the text is the whole error reply, its code first."""


class Config:
    """All values, who wants to hear of changes, and who may change what."""

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any: ...

    def __init__(self) -> None:
        self.configfile: str | None = None
        self.executable = ""
        self.exec_argv: list[str] = []
        self.sentinel_mode = False
        self.users: list[Statement] = []
        self.renamed_commands: list[Statement] = []
        self.sentinel_lines: list[Statement] = []
        self.describe_users: Callable[[], Iterable[str]] | None = None  # lines "user ..." for CONFIG REWRITE
        self.rewrite_sentinel: Callable[[Rewrite], None] | None = None
        self.force_rewrite = False  # DEBUG CONFIG-REWRITE-FORCE-ALL sets it for one rewrite
        self._watchers: dict[str, list[OnChange]] = {}
        self._unbuilt: dict[str, str] = {}
        self._reset_statistics: list[Callable[[], None]] = []
        self._log: Log | None = None
        self._pending_log: list[tuple[str, str]] = []
        for directive in DIRECTIVES:
            setattr(self, directive.attribute, directive.initial())

    @classmethod
    def from_argv(cls, argv: Sequence[str]) -> Config | Action:
        """What `remus-server ARGV...` asks for; argv[0] is the program. See server.config.reader."""
        from server.config.reader import read_argv

        return read_argv(cls(), argv)

    # -- logging: nothing is lost that is said before there is a log

    def log_to(self, log: Log) -> None:
        """Send what the configuration has to say (level, text) to `log`, first of all what it already said."""
        self._log = log
        for level, text in self._pending_log:
            log(level, text)
        self._pending_log.clear()

    def log(self, level: str, text: str) -> None:
        """Log now, or as soon as there is a log. Levels are those of the loglevel directive."""
        if self._log:
            self._log(level, text)
        else:
            self._pending_log.append((level, text))

    # -- reading

    def get(self, patterns: Iterable[str]) -> dict[str, str]:
        """CONFIG GET: names and printed values. A name without a glob finds hidden directives too and comes back as
        it was written; a glob finds aliases like any other name. O(N) in the number of directives for a glob."""
        return {name: self.text_of(directive) for name, directive in named(patterns)}

    def text_of(self, directive: Directive) -> str:
        """The value as CONFIG GET prints it."""
        return directive.format(getattr(self, directive.attribute))

    # -- changing

    def store(self, name: str, value: Any) -> None:
        """Set a typed value without asking anyone: for the rooms that own it (REPLICAOF, ACL SETUSER default)."""
        setattr(self, BY_NAME[name].attribute, value)

    def on_change(self, name: str, callback: OnChange) -> None:
        """Call back after CONFIG SET changed the directive. A returned text, or a DirectiveError, refuses the change:
        everything is put back, and the callbacks that ran run again with the old values. A callback registered for
        several directives runs once per CONFIG SET."""
        self._watchers.setdefault(BY_NAME[name].name, []).append(callback)

    def sensitive_arguments(self, names: Sequence[str]) -> list[int]:
        """Positions among the names of CONFIG SET whose values must not be logged."""
        known = [_directive_of(name) for name in names]
        return [at for at, directive in enumerate(known) if directive and directive.flags & Flag.SENSITIVE]

    def set(self, pairs: Sequence[tuple[str, str]], *, loading: bool = False, local: bool = False) -> None:
        """CONFIG SET: all pairs or none; ConfigSetError says why none.

        loading: a data set is being loaded; local: the client is on this machine (enable-protected-configs local).
        """
        directives = self._checked_names(pairs, loading, local)
        before: list[tuple[Directive, Any]] = []
        changed: list[tuple[str, Directive]] = []
        for (name, text), directive in zip(pairs, directives, strict=True):
            before.append((directive, getattr(self, directive.attribute)))
            try:
                if self._assign(directive, _words(directive, text)):
                    changed.append((name.lower(), directive))
            except DirectiveError as error:
                self._put_back(before)
                raise ConfigSetError(_failed(name.lower(), str(error))) from None
        if changed:
            self._notify(changed, before)
        for _, directive in changed:
            self.note_unbuilt(directive)

    def _checked_names(self, pairs: Sequence[tuple[str, str]], loading: bool, local: bool) -> list[Directive]:
        """The directives that the pairs name; the first objection is raised."""
        seen: set[str] = set()
        found: list[Directive] = []
        for name, _ in pairs:
            directive = _directive_of(name)
            if directive is None:
                raise ConfigSetError(f"ERR Unknown option or number of arguments for CONFIG SET - '{name}'")
            if directive.flags & _GUARDED:
                self._check_guards(name, directive, loading, local)
            if len(pairs) > 1 and name.lower() in seen:
                raise ConfigSetError(_failed(name, "duplicate parameter"))
            seen.add(name.lower())
            found.append(directive)
        return found

    def _check_guards(self, name: str, directive: Directive, loading: bool, local: bool) -> None:
        if directive.flags & Flag.IMMUTABLE:
            raise ConfigSetError(_failed(name, "can't set immutable config"))
        if directive.flags & Flag.PROTECTED and not self._allows_protected(local):
            raise ConfigSetError(_failed(name, "can't set protected config"))
        if loading and directive.flags & Flag.DENY_LOADING:
            raise ConfigSetError(LOADING)

    def _allows_protected(self, local: bool) -> bool:
        allowed = self.enable_protected_configs
        return bool(allowed == "yes" or (allowed == "local" and local))

    def _assign(self, directive: Directive, words: Sequence[str]) -> bool:
        """Parse, keep and apply; whether that is a change to be told."""
        old = getattr(self, directive.attribute)
        value = directive.apply(self._parse(directive, words, () if directive.accumulates else old))
        setattr(self, directive.attribute, value)
        return directive.always_changes or bool(directive.flags & Flag.VOLATILE) or value != old

    def _parse(self, directive: Directive, words: Sequence[str], current: Any) -> Any:
        """The value that the words stand for, unless it promises what nothing here keeps."""
        value = directive.parse(words, current)
        if directive.promise and value != directive.default and (reason := unbuilt_reason(directive.part)):
            raise DirectiveError(reason)
        return value

    def _put_back(self, before: Sequence[tuple[Directive, Any]]) -> None:
        for directive, value in reversed(before):
            if getattr(self, directive.attribute) is value:
                continue
            setattr(self, directive.attribute, value)
            try:
                directive.apply(value)
            except DirectiveError as error:
                self.log(
                    "warning",
                    f"Failed restoring failed CONFIG SET command. Error setting {directive.name} to "
                    f"'{directive.format(value)}': {error}",
                )

    def _notify(self, changed: Sequence[tuple[str, Directive]], before: Sequence[tuple[Directive, Any]]) -> None:
        called: list[OnChange] = []
        for name, directive in changed:
            for callback in self._watchers.get(directive.name, ()):
                if callback in called:
                    continue
                called.append(callback)
                reason = self._call(callback)
                if reason is not None:
                    self.log(
                        "warning",
                        f"Failed applying new configuration. Possibly related to new {name} setting. "
                        "Restoring previous settings.",
                    )
                    self._put_back(before)
                    for again in called:
                        if (failed := self._call(again)) is not None:
                            self.log("warning", f"Failed applying restored failed CONFIG SET command: {failed}")
                    raise ConfigSetError(_failed(name, reason))

    def _call(self, callback: OnChange) -> str | None:
        try:
            return callback(self)
        except DirectiveError as error:
            return str(error)

    def read_line(self, directive: Directive, words: Sequence[str], first: bool) -> None:
        """Set from a configuration file; `first`: no earlier line of it named the directive."""
        current = () if directive.accumulates and first else getattr(self, directive.attribute)
        setattr(self, directive.attribute, directive.apply(self._parse(directive, words, current)))
        self.note_unbuilt(directive)

    def note_unbuilt(self, directive: Directive) -> None:
        """Say once that nothing honours a directive that was set to something."""
        value = getattr(self, directive.attribute)
        if directive.part in NOT_BUILT and value != directive.default and directive.name not in self._unbuilt:
            self._unbuilt[directive.name] = directive.part
            missing = f"this server does not have {NOT_BUILT[directive.part]} yet"
            self.log("notice", f"Directive '{directive.name}' is accepted, but {missing}.")

    # -- CONFIG RESETSTAT

    def on_reset_statistics(self, callback: Callable[[], None]) -> None:
        """Call back at CONFIG RESETSTAT: for every room that counts something."""
        self._reset_statistics.append(callback)

    def reset_statistics(self) -> None:
        """Set every statistic back to zero."""
        for callback in self._reset_statistics:
            callback()

    # -- writing back

    def rewrite(self) -> None:
        """CONFIG REWRITE: write changed values back into `configfile`; OSError when that fails."""
        from server.config.rewrite import rewrite_file

        assert self.configfile is not None
        rewrite_file(self, os.fspath(self.configfile))

    def debug_text(self) -> str:
        """The directives that a crash report shows, as lines of a configuration file."""
        lines = (
            line
            for directive in DIRECTIVES
            if directive.flags & Flag.DEBUG
            for line, _ in directive.rewrite_lines(getattr(self, directive.attribute), self)
        )
        return "".join(line + "\n" for line in lines)


def _directive_of(name: str) -> Directive | None:
    """By its name, or another name that it has, in any case."""
    return BY_NAME.get(name) or BY_NAME.get(name.lower())


def settled_by(name: str) -> str | None:
    """The attribute of a directive whose value CONFIG SET need not make again of the words that gave it that value, for
    nothing else follows from them. None: they have to be read."""
    directive = _directive_of(name)
    if directive is None or directive.flags & (_GUARDED | Flag.SENSITIVE | Flag.VOLATILE) or directive.always_changes:
        return None
    return directive.attribute if type(directive).apply is Directive.apply and not directive.accumulates else None


def named(patterns: Iterable[str]) -> list[tuple[str, Directive]]:
    """The directives that CONFIG GET of these would show, each once, with the name to show; see Config.get."""
    found: dict[str, tuple[str, Directive]] = {}
    for pattern in patterns:
        for name, directive in _named(pattern):
            found.setdefault(name.lower(), (name, directive))
    return list(found.values())


def _named(pattern: str) -> list[tuple[str, Directive]]:
    if not any(char in pattern for char in "[*?"):
        directive = BY_NAME.get(pattern.lower())
        return [] if directive is None else [(pattern, directive)]
    match = _glob(pattern)
    return [(name, directive) for name, directive in BY_NAME.items()
            if not directive.flags & Flag.HIDDEN and match(name)]


def _failed(name: str, reason: str) -> str:
    detail = f" - {reason}" if reason else ""
    return f"ERR CONFIG SET failed (possibly related to argument '{name}'){detail}"


def _words(directive: Directive, text: str) -> list[str]:
    """CONFIG SET gives one string; directives of several words split it at every single space."""
    if not directive.flags & Flag.MULTI_ARG:
        return [text]
    return text.split(" ") if text else []


def _glob(pattern: str) -> Callable[[str], object]:
    """A test for Redis's glob language, case ignored: * ? [a-z] [^a-z] and \\ for a plain next character."""
    import re

    parts, at = [], 0
    while at < len(pattern):
        char = pattern[at]
        at += 1
        if char == "*":
            parts.append(".*")
        elif char == "?":
            parts.append(".")
        elif char == "[":
            found, at = _glob_class(pattern, at)
            parts.append(found)
        else:
            if char == "\\" and at < len(pattern):
                char = pattern[at]
                at += 1
            parts.append(re.escape(char))
    return re.compile("".join(parts), re.IGNORECASE | re.DOTALL).fullmatch


def _glob_class(pattern: str, at: int) -> tuple[str, int]:
    """The [class] that opens before `at`, as a regular expression, and where it ends. An open end closes itself."""
    import re

    negated = pattern.startswith("^", at)
    at += negated
    members = []
    while at < len(pattern) and pattern[at] != "]":
        if pattern[at] == "\\" and at + 1 < len(pattern):
            at += 1
            members.append(re.escape(pattern[at]))
        elif pattern[at + 1 : at + 2] == "-" and at + 2 < len(pattern):
            low, high = sorted((pattern[at], pattern[at + 2]))
            members.append(f"{re.escape(low)}-{re.escape(high)}")
            at += 2
        else:
            members.append(re.escape(pattern[at]))
        at += 1
    if not members:
        return (".", at + 1) if negated else ("(?!)", at + 1)
    return f"[{'^' if negated else ''}{''.join(members)}]", at + 1
