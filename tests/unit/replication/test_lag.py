"""How old what a replica is missing is."""

from server.replication.lag import KEPT, OffsetTimes


def test_who_has_everything_is_not_behind() -> None:
    times = OffsetTimes()
    assert times.age(5, 0) == 0
    times.note(10, 100)
    assert times.age(20, 100) == times.age(20, 101) == 0


def test_the_age_is_that_of_the_first_note_beyond() -> None:
    times = OffsetTimes()
    for second in range(10):
        times.note(second, 100 * second + 100)
    assert times.age(9.5, 0) == 9.5
    assert times.age(9.5, 100) == times.age(9.5, 199) == 8.5
    assert times.age(9.5, 999) == 0.5
    assert times.age(9.5, 1000) == 0


def test_a_stream_that_stands_still_makes_no_notes() -> None:
    times = OffsetTimes()
    times.note(1, 100)
    for second in range(2, 2 * KEPT):
        times.note(second, 100)
    times.note(2 * KEPT, 200)
    assert times.age(2 * KEPT + 3, 50) == 2 * KEPT + 2
    assert times.age(2 * KEPT + 3, 100) == 3


def test_no_more_is_kept_than_an_hour() -> None:
    times = OffsetTimes()
    for second in range(KEPT + 100):
        times.note(second, second)
    assert times.age(KEPT + 99, -1) == KEPT - 1
    times.forget()
    assert times.age(KEPT + 99, -1) == 0
