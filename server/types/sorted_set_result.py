"""Sorted sets as results: ZUNIONSTORE, ZRANGESTORE and GEOSEARCHSTORE put what they found into a key.

And the limits of a range by score or by members, as several groups of commands read them.
"""

from server.registry import args
from server.registry.errors import NO_MEMBER_LIMITS, NO_SCORE_LIMITS, CommandError
from server.registry.light import Protocol
from server.types.sorted_set import SortedSet
from server.types.sorted_set_words import is_lex_bound, parse_score, parse_score_bound
from server.types.value import loose


class Keys(Protocol):
    """The keys of a database."""

    def delete(self, key: bytes) -> bool:
        """Take one away."""

    def store(self, key: bytes, value: SortedSet) -> None:
        """Give it a loose value."""


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
    value = None
    if pairs:
        value = loose(SortedSet)
        value.fill(pairs)
    return store_value(call, destination, value, event, by)


def store_value(call: Storing, destination: bytes, value: SortedSet | None, event: str, by: int = 1) -> int:
    """The same with a loose sorted set, None for an empty one."""
    db = call.db
    if value is None:
        if db.delete(destination):
            call.deleted(destination)
        return 0
    count = len(value)
    db.store(destination, value)
    call.changed(destination, event, by=by)
    return count


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
        raise CommandError(NO_SCORE_LIMITS)
    return (*lowest, *highest)


def lex_limits(low: bytes, high: bytes) -> tuple[bytes, bytes]:
    """What SortedSet.lex_range takes. Errors: min or max not valid string range item."""
    if not (is_lex_bound(low) and is_lex_bound(high)):
        raise CommandError(NO_MEMBER_LIMITS)
    return low, high


def rank_limits(start: bytes, stop: bytes) -> tuple[int, int]:
    """What SortedSet.rank_range takes. Errors: not an integer."""
    return args.integer(start), args.integer(stop)
