"""Who answers: what a room declares of a part (fields of INFO, subcommands of DEBUG) names it by its type alone.

    parts.keep(Limits, server.limits)               # at the start, server.about
    parts.add(Figures, server.memory.figures)       # what is made anew for each look

Below dispatch nobody knows the whole server; this is how what a room declares finds its own part of a running one.
"""

from collections.abc import Callable

from server.registry.light import Any, TypeVar

S = TypeVar("S")
Part = Callable[..., S]  # the type of a part: a class, or the protocol of a room (which mypy takes for no `type`)


class Parts:
    """The parts of one server."""

    def __init__(self) -> None:
        self.where: dict[Part[Any], Callable[[], Any]] = {}
        self.kept: dict[Part[Any], Any] = {}

    def keep(self, part: Part[S], which: S) -> None:
        """What is declared of `part` gets this one, as long as the server lives."""
        self.kept[part] = which
        self.where[part] = lambda: which

    def add(self, part: Part[S], where: Callable[[], S]) -> None:
        """What is declared of `part` gets what `where` returns."""
        self.where[part] = where

    def get(self, part: Part[S]) -> S:
        """That part now."""
        found: S = self.where[part]()
        return found

    def reading(self) -> "Reading":
        """A look at all of them at one moment."""
        return Reading(self)


class Reading(dict[Part[Any], Any]):
    """Parts by type, each asked for once, for it may be an account that costs time."""

    def __init__(self, parts: Parts) -> None:
        super().__init__()
        self._parts = parts

    def __missing__(self, part: Part[Any]) -> Any:
        found = self[part] = self._parts.get(part)
        return found
