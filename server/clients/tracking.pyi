from collections.abc import Callable
from typing import Any

from server.clients.client import Client
from server.keyspace.lazyfree import LazyFree
from server.structures.tracked_keys import TrackedKeys

class Tracker:
    id: int
    redirect: int
    broadcasts: bool
    opt_in: bool
    opt_out: bool
    no_loop: bool
    caching: bool
    broken: bool
    prefixes: list[bytes]
    letters: str
    memory: int

class Tracking:
    keys: TrackedKeys
    broadcasts: dict[bytes, Any]
    max_keys: int
    find_client: Callable[[int], Client | None]
    attend: Callable[[Callable[[], bool], bool], object]
    on_hearing: Callable[[bool], object] | None
    may_learn: Callable[[Client, bytes], bool] | None
    def __init__(self, lazyfree: LazyFree, find_client: Callable[[int], Client | None],
                 attend: Callable[[Callable[[], bool], bool], object]) -> None: ...
    def __len__(self) -> int: ...
    def start(self, client: Client, redirect: int, broadcasts: bool, opt_in: bool, opt_out: bool, no_loop: bool,
              prefixes: list[bytes]) -> None: ...
    def stop(self, client: Client) -> int: ...
    def redirect_less(self, receiver: int) -> int: ...
    def limit(self) -> None: ...
    def tick(self) -> None: ...
    def changed(self, key: bytes, by: int) -> None: ...
    def flushed(self, lazy: bool) -> None: ...
    def broadcast(self) -> bool: ...
    def settle_now(self) -> None: ...
    def check(self) -> None: ...
