"""Errors that are answered without a definition: what is no command, or not with so many words, or for another type."""

from typing import Any

import pytest

from tests.support.resp import RespError

WRONG_TYPE = RespError("WRONGTYPE Operation against a key holding the wrong kind of value")


def shown(raw: Any, section: str) -> dict[bytes, bytes]:
    """The lines of an INFO section."""
    lines = bytes(raw("INFO", section)).split(b"\r\n")
    return dict(line.split(b":", 1) for line in lines if b":" in line)


def test_an_unknown_command_is_named_with_its_words(raw):
    for words, told in (
        (["NOSUCH"], "'NOSUCH', with args beginning with: "),
        (["NoSuch", "a", "", "b\r\nc"], "'NoSuch', with args beginning with: 'a' '' 'b  c' "),
        ([b"n\0x", b"a\0b", "c"], "'n', with args beginning with: 'a' 'c' "),
        (["", ""], "'', with args beginning with: '' "),
        (["n" * 200, "a" * 100, "b" * 100, "c"],
         f"'{'n' * 128}', with args beginning with: '{'a' * 100}' '{'b' * 25}' "),
        (["pong", "x" * 128, "y"], f"'pong', with args beginning with: '{'x' * 128}' "),
    ):  # fmt: skip
        assert raw.command(*words) == RespError("ERR unknown command " + told)


def test_bytes_are_shown_as_they_are_and_counted_as_bytes(raw):
    raw.send(b"\xff" * 130, b"\xc3\xa4" * 70)
    expected = b"-ERR unknown command '" + b"\xff" * 128 + b"', with args beginning with: '" + b"\xc3\xa4" * 64 + b"' "
    assert raw.read().text.encode("utf-8", "surrogateescape") == expected[1:]


def test_in_a_transaction_they_spoil_it(raw):
    for words in (("NOSUCH", "a"), ("GET",)):
        assert raw("MULTI") == "OK"
        assert isinstance(raw.command(*words), RespError)
        assert raw.command("EXEC") == RespError("EXECABORT Transaction discarded because of previous errors.")


@pytest.mark.parametrize("words", [("NOSUCH",), ("GET",), ("GET", "a", "b")])
def test_who_wants_no_reply_gets_none(raw, words):
    raw.send("CLIENT", "REPLY", "SKIP")
    raw.send(*words)
    assert raw("PING") == "PONG"


def test_each_is_counted_once(raw):
    raw("RPUSH", "list", "a")
    raw("CONFIG", "RESETSTAT")
    raw.command("NOSUCH")
    for words in (("GET",), ("SET", "list"), ("HGET", "list", "f"), ("GET", "list"), ("INCR", "list"),
                  ("SADD", "list", "m"), ("INCR", "list", "x")):  # fmt: skip
        assert isinstance(raw.command(*words), RespError)
    assert shown(raw, "errorstats") == {b"errorstat_ERR": b"count=4", b"errorstat_WRONGTYPE": b"count=4"}
    assert shown(raw, "stats")[b"total_error_replies"] == b"8"
    calls = shown(raw, "commandstats")
    assert calls[b"cmdstat_get"].endswith(b",rejected_calls=1,failed_calls=1")
    assert calls[b"cmdstat_incr"].endswith(b",rejected_calls=1,failed_calls=1")
    assert calls[b"cmdstat_hget"].endswith(b",rejected_calls=0,failed_calls=1")


def test_a_script_gets_it_as_an_error(raw):
    raw("RPUSH", "list", "a")
    told = raw.command("EVAL", "return redis.call('GET', KEYS[1])", 1, "list")
    assert isinstance(told, RespError) and told.text.startswith(WRONG_TYPE.text)
    assert raw("EVAL", "return redis.pcall('GET', KEYS[1])['err']", 1, "list") == WRONG_TYPE.text.encode()


def test_codes_are_counted_up_to_a_limit(raw):
    raw("CONFIG", "RESETSTAT")
    for n in range(200):
        raw.command("EVAL", f"return redis.error_reply('CODE{n} text')", 0)
    raw.command("NOSUCH")
    found = shown(raw, "errorstats")
    assert found[b"errorstat_CODE0"] == b"count=1"
    assert found[b"errorstat_ERRORSTATS_DISABLED"] == b"count=72"
    assert found[b"errorstat_ERR"] == b"count=1"
