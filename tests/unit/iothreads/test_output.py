"""What an output holds is accounted while it changes, so that limits may ask at any time."""

from hypothesis import given, strategies as st

from iothreads.selftest import account

STEPS = st.lists(st.tuples(st.sampled_from(["write", "refer", "cut", "splice", "clear"]),
                           st.integers(1, 40000) | st.just(0)), max_size=20)


@given(STEPS)
def test_memory_is_that_of_the_chunks(steps):
    size = 0
    for (what, n), (told, accounted, walked) in zip(steps, account(steps), strict=True):
        size = {"write": size + n, "refer": size + n, "splice": size + 2 * n, "cut": min(n, size)}.get(what, 0)
        assert told == size
        assert accounted == walked >= told


def test_a_referred_value_counts_with_what_is_left_of_it():
    (_, small, _), (_, more, _), (_, cut, _) = account([("write", 10), ("refer", 5000), ("cut", 1010)])
    assert more - small > 5000
    assert more - cut == 4000
