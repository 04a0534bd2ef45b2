"""What becomes of a mistake of the server: the client gets an error in step with the stream, and all goes on."""

import pytest

from tests.support.resp import RespError
from tests.support.server import wait_until

ANSWER = RespError("ERR internal error: see the server's log")
ASKED = ["command", "number", "reply", "stream"]


def count(c):
    found = c("INFO", "stats").split(b"internal_errors:")[1]
    return int(found.split(b"\r\n")[0])


@pytest.fixture
def failing(raw):
    before = count(raw)
    raw.expected = 1
    yield raw
    wait_until(lambda: count(raw) == before + raw.expected, "the mistakes to be counted")


@pytest.mark.parametrize("place", ASKED)
def test_the_reply_is_an_error_in_step(failing, place):
    assert failing.pipeline([("PING",), ("DEBUG", "FAIL", place), ("ECHO", "x")]) == ["PONG", ANSWER, b"x"]


@pytest.mark.parametrize("place", ASKED)
def test_inside_exec_it_is_one_element(failing, place):
    queued = [("ECHO", "a"), ("DEBUG", "FAIL", place), ("ECHO", "b")]
    said = failing.pipeline([("MULTI",), *queued, ("EXEC",), ("ECHO", "x")])
    assert said[-2:] == [[b"a", ANSWER, b"b"], b"x"]


def test_a_long_reply_before_it_stays_whole(failing):
    failing("RPUSH", "l", *range(50_000))
    said = failing.pipeline([("LRANGE", "l", 0, -1), ("DEBUG", "FAIL", "reply"), ("LRANGE", "l", 0, 1)])
    assert len(said[0]) == 50_000
    assert said[1:] == [ANSWER, [b"0", b"1"]]


@pytest.mark.parametrize("place", ["hook", "timer", "job"])
def test_what_nobody_asked_for_disturbs_nobody(failing, place):
    assert failing("DEBUG", "FAIL", place) == "OK"
    assert failing("PING") == "PONG"


def test_it_is_logged_with_the_command(failing, server):
    assert failing("DEBUG", "FAIL", "command") == ANSWER
    assert "'DEBUG' 'FAIL' 'command'" in server.log()


def test_an_unknown_place(raw):
    assert raw("DEBUG", "FAIL", "nowhere") == RespError("ERR unknown place")
