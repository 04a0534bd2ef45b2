"""Whether somebody waits for the next poll: a look that takes nothing."""

import os

import pytest

from iothreads.handoff import IOThreads


@pytest.mark.parametrize("poller", ["", "poll"])
def test_a_look_finds_what_the_poll_will_find_and_takes_nothing(poller):
    io = IOThreads(1, poller)
    assert not io.somebody_waits()                 # not started
    io.start()
    try:
        assert not io.somebody_waits()
        os.write(io.wake_fd, (1).to_bytes(8, "little"))
        assert io.somebody_waits()
        assert io.somebody_waits()
    finally:
        io.stop()
