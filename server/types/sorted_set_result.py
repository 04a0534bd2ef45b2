"""Sorted sets as results: ZUNIONSTORE, ZRANGESTORE and GEOSEARCHSTORE put what they found into a key.

And the limits of a range by score or by members, as several groups of commands read them.
"""

from typing import Literal

from server.registry import args
from server.registry.errors import CommandError
from server.registry.light import Protocol
from server.types.sorted_set import SortedSet, is_lex_bound, parse_score, parse_score_bound


class Keys(Protocol):
    """The keys of a database."""

    def unlink(self, key: bytes) -> bool:
        """Take one away; its memory comes back later."""

    def delete(self, key: bytes) -> bool:
        """Take one away."""

    def lookup_write(self, key: bytes, kind: type[SortedSet], create: Literal[True]) -> SortedSet:
        """The sorted set there, a new one if there is none."""


class Storing(Protocol):
    """The command that stores: a Call."""

    @property
    def db(self) -> Keys:
        """Where it works."""

    def changed(self, key: bytes, event: str, *, by: int) -> None:
        """Tell that a key was changed."""

    def deleted(self, key: bytes) -> None:
        """Tell that it is gone."""


def store(call: Storing, destination: bytes, pairs: list[tuple[bytes, float]], event: str, by: int = 1) -> int:
    """Replace a key by a sorted set of these (member, score), or delete it when there are none; the number of them.

    `by` is what the change counts as. Complexity: O(N log N).
    """
    db = call.db
    if pairs:
        db.unlink(destination)
        db.lookup_write(destination, SortedSet, create=True).fill(pairs)
        call.changed(destination, event, by=by)
    elif db.delete(destination):
        call.deleted(destination)
    return len(pairs)


def score(text: bytes, error: str = "ERR value is not a valid float") -> float:
    """A score or a weight. Errors: not a valid float."""
    value = parse_score(text)
    if value is None:
        raise CommandError(error)
    return value


def score_limits(low: bytes, high: bytes) -> tuple[float, bool, float, bool]:
    """What SortedSet.score_range takes. Errors: min or max is not a float."""
    lowest, highest = parse_score_bound(low), parse_score_bound(high)
    if lowest is None or highest is None:
        raise CommandError("ERR min or max is not a float")
    return (*lowest, *highest)


def lex_limits(low: bytes, high: bytes) -> tuple[bytes, bytes]:
    """What SortedSet.lex_range takes. Errors: min or max not valid string range item."""
    if not (is_lex_bound(low) and is_lex_bound(high)):
        raise CommandError("ERR min or max not valid string range item")
    return low, high


def rank_limits(start: bytes, stop: bytes) -> tuple[int, int]:
    """What SortedSet.rank_range takes. Errors: not an integer."""
    return args.integer(start), args.integer(stop)
