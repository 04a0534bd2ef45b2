from typing import Any

from server.replication.state import State

class Standing:
    state: State
    acknowledged: int
    synced: int
    heard: float
    stream_on_ack: bool
    def __init__(self, *args: Any, **kwargs: Any) -> None: ...
