"""HTTP as far as the metrics port needs it: from bytes to a Request, from a Reply to bytes. Pure: no socket, no clock.

    end = head_end(received)                    # 0 as long as the head of the request is not complete
    request = parse(received[:end])             # or Refused, which knows the Reply
    sent = Reply(200, "text/plain", body).encode(request)

A connection carries one request, GET or HEAD, and its reply; a body of a request is never read. Whatever is not plainly
right is refused, since a reader that guesses can be made to guess differently from the proxy before it.
"""

import re
from email.utils import formatdate
from http import HTTPStatus
from typing import NamedTuple

HEAD_MAX = 16384  # bytes of request line and headers
HEADERS_MAX = 100
METHODS = ("GET", "HEAD")
PLAIN, JSON, HTML = "text/plain; charset=utf-8", "application/json", "text/html; charset=utf-8"

END = re.compile(rb"\r?\n\r?\n")
LINE = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+) ([\x21-\x7e]+) HTTP/(\d)\.(\d)")
HEADER = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([\x20-\x7e\x80-\xff\t]*)")
TARGET = re.compile(r"(?:https?://([^/?#]*))?(/[^?#]*)?(?:\?([^#]*))?", re.IGNORECASE)
HOST = re.compile(r"(\[[0-9A-Fa-f:.]+(?:%[\w.~-]+)?\]|[A-Za-z0-9._-]+)(?::\d*)?")

# What every reply says to browsers: nothing of this is a script for others, and no other page may show or read it.
GUARDS = (
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
    ("Referrer-Policy", "no-referrer"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cache-Control", "no-store"),
)
NOTHING_LOADS = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"


class Request(NamedTuple):
    """The head of a request. host: without port and brackets, lower case; "" when an HTTP/1.0 request names none.
    headers: by lower case name."""

    method: str
    path: str
    query: str
    host: str
    headers: dict[str, str]


class Reply(NamedTuple):
    """A reply as the application gives it. headers: beside those of every reply."""

    status: int
    kind: str  # Content-Type
    body: bytes
    headers: tuple[tuple[str, str], ...] = ()
    policy: str = NOTHING_LOADS  # Content-Security-Policy

    def encode(self, request: Request | None = None) -> bytes:
        """The bytes to send; for HEAD without the body."""
        head = [
            f"HTTP/1.1 {self.status} {HTTPStatus(self.status).phrase}",
            f"Date: {formatdate(usegmt=True)}",
            f"Content-Type: {self.kind}",
            f"Content-Length: {len(self.body)}",
            "Connection: close",
            f"Content-Security-Policy: {self.policy}",
            *(f"{name}: {value}" for name, value in (*GUARDS, *self.headers)),
            "\r\n",
        ]
        shown = b"" if request is not None and request.method == "HEAD" else self.body
        return "\r\n".join(head).encode("latin-1") + shown


def told(status: int, text: str, *headers: tuple[str, str]) -> Reply:
    """A reply that is a sentence for people."""
    return Reply(status, PLAIN, f"{text}\n".encode(), headers)


class Refused(Exception):
    """A request that is not answered; `reply` says why."""

    def __init__(self, status: int, text: str, *headers: tuple[str, str]) -> None:
        super().__init__(text)
        self.reply = told(status, text, *headers)


def head_end(received: bytes | bytearray, looked_at: int = 0) -> int:
    """Where the head ends, 0 when that is still to come. looked_at: bytes that were there at the last call.

    Refused when it can be no request, or one that is too long. Complexity: O(new bytes).
    """
    if received[:1] and not (received[:1].isalpha() or received[:1] in b"\r\n"):
        raise Refused(400, "This is no HTTP request. (This port has no certificate: it speaks plain HTTP.)")
    found = END.search(received, max(0, looked_at - 3))
    if found is None or found.end() > HEAD_MAX:
        if len(received) > HEAD_MAX:
            raise Refused(431, f"Request line and headers are longer than {HEAD_MAX} bytes.")
        return 0
    return found.end()


def parse(head: bytes | bytearray) -> Request:
    """The request that a complete head describes; Refused with 400, 405, 431 or 505."""
    first, *lines = head.decode("latin-1").lstrip("\r\n").replace("\r\n", "\n").rstrip("\n").split("\n")
    line = LINE.fullmatch(first)
    if line is None:
        raise Refused(400, "The request line is none.")
    method, target, major, minor = line.groups()
    if major != "1":
        raise Refused(505, "HTTP/1.1 and HTTP/1.0 are spoken here.")
    if method not in METHODS:
        raise Refused(405, "GET and HEAD are all that there is.", ("Allow", ", ".join(METHODS)))
    headers = read_headers(lines)
    asked = TARGET.fullmatch(target)
    if asked is None:
        raise Refused(400, "The target of the request is no path.")
    elsewhere, path, query = asked.groups()
    host = elsewhere if elsewhere is not None else headers.get("host", "")
    if "host" not in headers and minor != "0":
        raise Refused(400, "The header Host is missing.")
    return Request(method, path or "/", query or "", host_name(host), headers)


def read_headers(lines: list[str]) -> dict[str, str]:
    """Headers by name; what is repeated is joined, but Host may stand once."""
    if len(lines) > HEADERS_MAX:
        raise Refused(431, f"More than {HEADERS_MAX} headers.")
    headers: dict[str, str] = {}
    for each in lines:
        found = HEADER.fullmatch(each)
        if found is None:
            raise Refused(400, "A header is none.")
        name, value = found[1].lower(), found[2].rstrip(" \t")
        if name in headers:
            if name in ("host", "authorization"):
                raise Refused(400, f"The header {found[1]} stands twice.")
            value = f"{headers[name]}, {value}"
        headers[name] = value
    return headers


def host_name(authority: str) -> str:
    """`Example.org:9121` as example.org, `[::1]:9121` as ::1, "" as ""."""
    if not authority:
        return ""
    found = HOST.fullmatch(authority)
    if found is None:
        raise Refused(400, "The header Host is no name of a host.")
    return found[1].strip("[]").rstrip(".").lower()
