"""What a replica says to its master, without a socket."""

from typing import Any

import pytest

from server.registry.errors import CommandError
from server.replication.handshake import Continue, Failed, FullSync, Handshake, Send


def handshake(**changes: Any) -> Handshake:
    known = {"port": 7000, "announced_ip": "", "user": "", "password": b"", "history": "a" * 40, "offset": 99}
    made = Handshake(**{**known, **changes})
    assert made.begin() == Send([[b"PING"]])
    return made


def words(action: Any) -> list[list[bytes]]:
    assert isinstance(action, Send)
    return action.commands


def test_all_that_may_be_said() -> None:
    talk = handshake(announced_ip="10.0.0.1", user="me", password=b"secret")
    assert words(talk.receive("PONG")) == [
        [b"AUTH", b"me", b"secret"],
        [b"REPLCONF", b"listening-port", b"7000"],
        [b"REPLCONF", b"ip-address", b"10.0.0.1"],
        [b"REPLCONF", b"capa", b"eof", b"capa", b"psync2"],
    ]
    assert talk.receive("OK") is None and talk.receive("OK") is None and talk.receive("OK") is None
    assert words(talk.receive("OK")) == [[b"PSYNC", b"a" * 40, b"100"]]
    assert talk.receive(f"CONTINUE {'b' * 40}") == Continue("b" * 40)


def ready(**changes: Any) -> Handshake:
    talk = handshake(**changes)
    talk.receive("PONG")
    talk.receive("OK")
    talk.receive("OK")
    return talk


def test_nothing_known_asks_for_everything() -> None:
    talk = handshake(history="?")
    assert len(words(talk.receive(CommandError("NOAUTH Authentication required.")))) == 2
    talk.receive("OK")
    assert words(talk.receive(CommandError("ERR Unrecognized REPLCONF option: capa"))) == [[b"PSYNC", b"?", b"-1"]]
    assert talk.receive(f"FULLRESYNC {'c' * 40} 1234") == FullSync("c" * 40, 1234)


def test_a_failover_says_so() -> None:
    talk = handshake(failover=True)
    talk.receive("PONG")
    talk.receive("OK")
    assert words(talk.receive("OK")) == [[b"PSYNC", b"a" * 40, b"100", b"FAILOVER"]]
    assert isinstance(talk.receive(CommandError("ERR PSYNC FAILOVER can't be sent to a master.")), Failed)


@pytest.mark.parametrize("reply", ["-NOMASTERLINK Can't SYNC while not connected with my master", "-LOADING wait"])
def test_a_master_that_cannot_now_is_asked_later(reply: str) -> None:
    assert isinstance(ready().receive(CommandError(reply[1:])), Failed)


def test_a_master_without_psync_gets_sync() -> None:
    assert ready().receive(CommandError("ERR unknown command 'PSYNC'")) == FullSync("", -1)


ODD = ["FULLRESYNC", "FULLRESYNC x 1", f"FULLRESYNC {'a' * 40} -1", "WHAT", "", 7, None, [1]]


@pytest.mark.parametrize("reply", ODD)
def test_an_answer_that_is_none_ends_the_attempt(reply: Any) -> None:
    assert isinstance(ready().receive(reply), Failed)


def test_a_wrong_password_and_a_ping_that_fails() -> None:
    talk = handshake(password=b"x")
    talk.receive("PONG")
    assert isinstance(talk.receive(CommandError("WRONGPASS no")), Failed)
    assert isinstance(handshake().receive(CommandError("ERR max number of clients reached")), Failed)


def test_more_replies_than_were_asked_for_are_not_heard() -> None:
    talk = ready()
    talk.receive("CONTINUE")
    assert talk.receive("OK") is None
