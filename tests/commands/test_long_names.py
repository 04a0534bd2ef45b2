"""Keys, members and fields have 29 bits for their length: longer ones are refused wherever they come from."""

import struct
from typing import Any

import pytest

from server.persistence.object_reader import BadPayload, read_payload
from tests.support.resp import RespError, encode

LENGTH = 1 << 29            # one byte more than a name may have; and the default of proto-max-bulk-len
TOO_LONG = "ERR a key, member or field is longer than 536870911 bytes"

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def long() -> bytes:
    return b"x" * LENGTH


@pytest.mark.parametrize("words", [("SET", None, "v"), ("SADD", "s", None), ("HSET", "h", "f", "v", None, "v")],
                         ids=lambda words: words[0])
def test_a_name_that_is_too_long(raw: Any, long: bytes, words: tuple[Any, ...]) -> None:
    raw.send_raw(encode(*[long if word is None else word for word in words]))
    assert raw.read() == RespError(TOO_LONG)
    assert raw.pipeline([("MULTI",), ("PING",), ("EXEC",), ("DBSIZE",)]) == ["OK", "QUEUED", ["PONG"], 0]


def test_a_transaction_with_one_is_refused(raw: Any, long: bytes) -> None:
    assert raw("MULTI") == "OK"
    raw.send_raw(encode("SADD", "s", long))
    assert raw.read() == RespError(TOO_LONG)
    assert raw("EXEC").code == "EXECABORT"


@pytest.mark.parametrize("call", ["'SET', ARGV[1], 'v'", "'HSET', 'h', 'f', 'v', ARGV[1], 'v'", "'SADD', 's', ARGV[1]"])
def test_a_script_that_is_given_one(raw: Any, long: bytes, call: str) -> None:
    raw.send_raw(encode("EVAL", f"return redis.pcall({call})", "0", long))
    assert raw.read().text.startswith(TOO_LONG)
    assert raw("DBSIZE") == 0
    assert raw("EVAL", "return #ARGV", "0") == 0, "there is memory for the next one"


def test_a_value_may_be_as_long(raw: Any, long: bytes) -> None:
    raw.send_raw(encode("SET", "k", long) + encode("STRLEN", "k") + encode("NOSUCH", long))
    assert [raw.read(), raw.read()] == ["OK", LENGTH]
    assert raw.read().text.startswith("ERR unknown command 'NOSUCH'")


def compressed(length: int) -> bytes:
    """So many times x, as a string of RDB."""
    times, rest = divmod(length - 1, 264)
    assert rest >= 9
    data = b"\x00x" + b"\xe0\xff\x00" * times + bytes([0xE0, rest - 9, 0])
    return b"\xc3" + struct.pack(">BI", 0x80, len(data)) + struct.pack(">BI", 0x80, length) + data


@pytest.mark.parametrize("head, tail", [(b"\x02\x01", b""), (b"\x05\x01", bytes(8)), (b"\x04\x01", b"\x01v")],
                         ids=["set", "zset", "hash"])
def test_a_short_payload_of_a_long_name(head: bytes, tail: bytes) -> None:
    """It takes six megabytes to say so much."""
    with pytest.raises(BadPayload):
        read_payload(head + compressed(LENGTH) + tail + bytes(10))
