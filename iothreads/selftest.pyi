from typing import Any

def format(value: float) -> bytes: ...

def digits_of(value: int) -> bytes: ...

def account(steps: list[tuple[str, int]]) -> list[tuple[int, int, int]]: ...

class Echo:
    connections: int
    refused: int
    commands: int
    home: int
    sent: int
    wakes: int
    references: int
    def __init__(
        self,
        sockets: list[Any],
        threads: int = 1,
        poller: str = "",
        authenticated: bool = True,
        *,
        scrambled: bool = False,
        plan: str = "",
        max_bulk: int | None = None,
        query_buffer: int | None = None,
        keepalive: int | None = None,
        reply: int | None = None,
    ) -> None: ...
    def start(self) -> None: ...
    def stop(self) -> None: ...
    def wake(self) -> None: ...
    def run(self) -> None: ...
