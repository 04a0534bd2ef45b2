from typing import Any

class Standing:
    state: int
    acknowledged: int
    synced: int
    heard: float
    stream_on_ack: bool
    def __init__(self, *args: Any, **kwargs: Any) -> None: ...
