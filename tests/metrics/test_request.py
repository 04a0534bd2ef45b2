"""The port's HTTP without a socket: what is a request, what is refused, what a reply looks like."""

import pytest
from hypothesis import given, settings, strategies as st

from metrics.request import HEAD_MAX, JSON, Refused, Reply, Request, head_end, parse, told


def request(*lines: str, first: str = "GET /metrics?name[]=redis_up HTTP/1.1") -> Request:
    return parse("\r\n".join([first, *lines, "", ""]).encode("latin-1"))


def status(*lines: str, first: str = "GET / HTTP/1.1") -> int:
    with pytest.raises(Refused) as refused:
        request(*lines, first=first)
    return refused.value.reply.status


def test_a_request() -> None:
    found = request("Host: Example.ORG.:9121", "Accept-Encoding:gzip ", "X-A: 1", "x-a: 2")
    assert found[:4] == ("GET", "/metrics", "name[]=redis_up", "example.org")
    assert found.headers == {"host": "Example.ORG.:9121", "accept-encoding": "gzip", "x-a": "1, 2"}


@pytest.mark.parametrize(
    ("host", "name"),
    [("localhost", "localhost"), ("127.0.0.1:9121", "127.0.0.1"), ("[::1]:9121", "::1"), ("[fe80::1%e]", "fe80::1%e")],
)
def test_names_of_hosts(host: str, name: str) -> None:
    assert request(f"Host: {host}").host == name


def test_the_host_of_the_target_counts() -> None:
    """As RFC 9112 says; else a proxy and we could disagree about who is asked."""
    assert request("Host: localhost", first="GET http://evil.example/metrics HTTP/1.1").host == "evil.example"


def test_http_1_0_needs_no_host() -> None:
    assert request(first="GET / HTTP/1.0").host == ""
    assert status(first="GET / HTTP/1.1") == 400


@pytest.mark.parametrize(
    ("lines", "first", "expected"),
    [
        (["Host: a"], "POST / HTTP/1.1", 405),
        (["Host: a"], "GET / HTTP/2.0", 505),
        (["Host: a"], "GET  / HTTP/1.1", 400),
        (["Host: a"], "GET / HTTP/1.1 ", 400),
        (["Host: a"], "GET /\x00 HTTP/1.1", 400),
        (["Host: a"], "GET metrics HTTP/1.1", 400),
        (["Host: a"], "hello", 400),
        (["Host: a", "Host: a"], "GET / HTTP/1.1", 400),
        (["Host: a b"], "GET / HTTP/1.1", 400),
        (["Host: a@b"], "GET / HTTP/1.1", 400),
        (["Host: a", "X : 1"], "GET / HTTP/1.1", 400),
        (["Host: a", " folded"], "GET / HTTP/1.1", 400),
        (["Host: a", "X: a\rb"], "GET / HTTP/1.1", 400),
        (["Host: a", "Authorization: Basic x", "Authorization: Basic y"], "GET / HTTP/1.1", 400),
        (["Host: a", *(f"X{n}: 1" for n in range(200))], "GET / HTTP/1.1", 431),
    ],
)
def test_what_is_refused(lines: list[str], first: str, expected: int) -> None:
    assert status(*lines, first=first) == expected


def test_where_the_head_ends() -> None:
    whole = b"GET / HTTP/1.1\r\nHost: a\r\n\r\nmore"
    end = len(whole) - len(b"more")
    assert [head_end(whole[:n], min(max(0, n - 1), end - 1)) for n in range(len(whole) + 1)] == [0] * end + [end] * 5
    assert head_end(b"GET / HTTP/1.0\n\nmore") == 16


def test_a_head_without_end_is_refused() -> None:
    assert head_end(b"G" * HEAD_MAX) == 0
    for long in (b"G" * (HEAD_MAX + 1), b"G" * HEAD_MAX + b"\r\n\r\n"):
        with pytest.raises(Refused) as refused:
            head_end(long)
        assert refused.value.reply.status == 431


@pytest.mark.parametrize("first", [b"\x16\x03\x01", b"*1\r\n$4\r\nPING\r\n", b"\x00", b" GET / HTTP/1.1"])
def test_what_begins_as_no_request_is_not_waited_for(first: bytes) -> None:
    with pytest.raises(Refused):
        head_end(first)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200) | st.text(alphabet="GET /:HTP1.0\r\na[]%", max_size=100).map(str.encode))
def test_anything_is_a_request_or_refused(data: bytes) -> None:
    try:
        assert parse(data).path.startswith("/")
    except Refused as refused:
        assert refused.reply.status in (400, 405, 431, 505)


def test_a_reply() -> None:
    reply = Reply(200, JSON, b"{}", (("X-More", "1"),))
    head, _, body = reply.encode(request("Host: a")).partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    assert (lines[0], body) == ("HTTP/1.1 200 OK", b"{}")
    wanted = {"Content-Length: 2", "X-Content-Type-Options: nosniff", "X-Frame-Options: DENY", "Connection: close"}
    wanted |= {"Cache-Control: no-store", "X-More: 1"}
    assert wanted <= set(lines)


def test_a_reply_to_head_has_no_body() -> None:
    encoded = told(404, "no").encode(request("Host: a", first="HEAD / HTTP/1.1"))
    assert encoded.endswith(b"\r\n\r\n") and b"Content-Length: 3\r\n" in encoded
