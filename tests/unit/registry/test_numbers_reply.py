"""Maps of numbers are written as the same map of Python's numbers would be."""

import pytest

from server.observe.error_counts import ErrorCounts
from server.observe.now import Now
from server.registry.numbers_reply import NumberNames, NumbersReply
from server.registry.reply import Pairs
from server.registry.reply_writer import encode_reply


@pytest.mark.parametrize("resp", [2, 3])
def test_numbers_and_what_stands_between(resp: int) -> None:
    errors = ErrorCounts()
    errors.count(b"ERR x")
    first, last = NumberNames(ErrorCounts, [(b"a", "replies")]), NumberNames(ErrorCounts, [(b"d", "replies")] * 2)
    for between in ([], [(b"b", Pairs([(b"c", 0.5)]))]):
        written = encode_reply(NumbersReply(errors, first, between, last), resp)
        assert written == encode_reply(Pairs([(b"a", 1), *between, (b"d", 1), (b"d", 1)]), resp)


def test_only_of_parts_that_tell_them() -> None:
    with pytest.raises(ValueError, match="does not tell all"):
        NumberNames(ErrorCounts, [(b"a", "replies"), (b"b", "others")])
    names = NumberNames(ErrorCounts, [(b"a", "replies")])
    for other in (Now(0), None, 5):
        with pytest.raises(TypeError):
            NumbersReply(other, names, [], names)
