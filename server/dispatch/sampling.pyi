from collections.abc import Container

from server.observe.hot_keys import HotKeys

HALF_LIFE: float

class Sampling:
    accesses: HotKeys
    cpu: HotKeys | None
    net: HotKeys | None
    sampled_ns: float
    sampled_bytes: float
    def sample(self, every: int) -> None: ...
    def begin(self, every: int, cpu: bool, net: bool, capacity: int, slots: Container[int] | None = None) -> None: ...
    def end(self) -> None: ...
    def fade(self, seconds: float) -> None: ...
    def rate(self, count: float) -> float: ...
