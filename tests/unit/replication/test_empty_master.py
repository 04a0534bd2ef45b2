"""When a snapshot must wait for a person."""

import pytest

from server.replication.empty_master import waits_for_a_person

OURS, OTHER = "a" * 40, "b" * 40


@pytest.mark.parametrize(("own_keys", "history", "holds_keys", "waits"), [
    (5, OTHER, False, True),           # it came back without its data
    (5, OTHER, None, True),            # what cannot be read would delete our keys just so
    (5, "", False, True),              # SYNC: no history that we know
    (5, OTHER, True, False),           # other data
    (5, OURS, False, False),           # somebody emptied it, and we heard of it by a snapshot
    (0, OTHER, False, False),          # nothing to lose
])  # fmt: skip
def test_it(own_keys: int, history: str, holds_keys: bool | None, waits: bool) -> None:
    assert waits_for_a_person(own_keys, OURS, history, holds_keys) is waits
