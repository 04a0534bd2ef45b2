from collections.abc import Sequence

from iothreads.tls import TlsContext
from perf.benchmark.histogram import Histogram
from perf.benchmark.secure import SecureSocket

Segment = tuple[bytes, list[int], str, int, int]

FAILURES: tuple[str, ...]

class Engine:
    threads: int
    def __init__(
        self,
        *,
        templates: list[tuple[list[Segment], float]],
        keys: tuple[str, int, float],
        sizes: tuple[str, int, int, float, float, list[tuple[float, int]]],
        pool: bytes,
        greeting: tuple[bytes, int],
        pipeline: int,
        threads: int,
        keep_alive: bool = True,
        requests: int = 0,
        warmup: int = 0,
        duration: int = 0,
        rate: float = 0,
        poisson: bool = False,
        spin: bool = False,
        stop_at_error: bool = False,
        seed: int = 1,
        tls: TlsContext | None = None,
        server_name: str = "",
    ) -> None: ...
    def sample(self, template: int = 0, seed: int = 1) -> bytes: ...
    def add_worker(self, connections: Sequence[int | SecureSocket], poll: bool = False) -> None: ...
    def start(self, done_fd: int) -> None: ...
    def stop(self) -> None: ...
    def join(self) -> None: ...
    def progress(self) -> tuple[int, int, int]: ...
    def latencies(self) -> list[Histogram]: ...
    def lag(self) -> Histogram: ...
    def totals(self) -> dict[str, int]: ...
    def first_error(self) -> bytes: ...
    def failure(self) -> tuple[str, int, str]: ...
