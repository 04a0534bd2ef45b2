from collections.abc import Callable, Iterator
from typing import Any

from iothreads.connect import Address, LinkProtocol
from iothreads.handoff import IOThreads
from iothreads.tls import TlsContext

REQUESTS: int
REPLIES: int
RAW: int

class Link:
    address: str
    protocol: Any
    opened: bool
    lost: bool
    unsent: int
    heard_us: int
    def set_protocol(self, protocol: LinkProtocol) -> None: ...
    def write(self, data: bytes) -> None: ...
    def command(self, *words: bytes) -> None: ...
    def read_as(self, reads: int) -> None: ...
    def close(self, *, after_flush: bool = False, reason: str = "closed by us") -> None: ...

class Links:
    def __init__(
        self, io: IOThreads, read_reply: Callable[[bytes], Any], on_failure: Callable[[str], object]
    ) -> None: ...
    def __len__(self) -> int: ...
    def __iter__(self) -> Iterator[Link]: ...
    def open(
        self, to: Address, protocol: LinkProtocol, *, source: str = "", reads: int = ..., tls: TlsContext | None = None,
        host: str = "",
    ) -> Link: ...
    def take(
        self, fd: int, address: str, protocol: LinkProtocol, *, is_tcp: bool = True, reads: int = ...,
        tls: TlsContext | None = None,
    ) -> Link: ...
    def wake(self) -> None: ...
    def wait(self, link: Link, timeout_ms: int) -> bool: ...
