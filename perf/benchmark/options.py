"""What one run is asked to do."""

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from perf.benchmark.sizes import KEY_SPACE, Sizes, parse_keys, parse_sizes, parse_weights
from perf.benchmark.templates import Command, longest, named, parse

REQUESTS = 100_000
MOST = {"duration": 1e8, "warmup": 1e8, "rate": 1e9}  # seconds, seconds, requests per second
TLS_OPTIONS = (
    "server_name", "authorities", "authorities_folder", "certificate", "key", "insecure", "ciphers", "ciphersuites",
)  # fmt: skip
LARGEST_NUMBER = (1 << 63) - 1
LARGEST_REQUEST = 1 << 31  # bytes
Template = str | Sequence[str | bytes]


@dataclass
class Options:
    """One run: where to, how, what. What is sent is `mix` if given, else `command` if given, else `test`.

    Times are seconds, sizes bytes. Wrong values are told by `check()`, with ValueError.
    """

    host: str = "127.0.0.1"
    port: int = 6379
    unix_socket: str = ""  # path; instead of host and port
    user: str = ""  # for AUTH, with a password
    password: str = ""
    database: int = 0
    protocol: int = 2  # 3: HELLO 3 first
    tracking: bool = False  # CLIENT TRACKING ON first

    tls: bool = False
    server_name: str = ""  # for SNI; "": none is told
    authorities: str = ""  # PEM file of whose word counts for the server's certificate ...
    authorities_folder: str = ""  # ... or a folder of such files; without both: whom this machine trusts
    certificate: str = ""  # PEM file, to show the server ...
    key: str = ""  # ... and its key
    insecure: bool = False  # the server's certificate is not looked at
    ciphers: str = ""  # of TLS 1.2, in OpenSSL's words
    ciphersuites: str = ""  # of TLS 1.3

    clients: int = 50  # connections, shared out among the threads
    threads: int = 1
    pipeline: int = 1  # requests sent together
    keep_alive: bool = True  # False: a new connection for each batch
    requests: int | None = None  # in total; None: 100,000, or as many as fit into `duration`
    duration: float = 0.0  # of the measured part; 0: until all requests are answered
    warmup: float = 0.0  # before the measured part
    rate: float = 0.0  # requests per second in total that arrive whatever happens; 0: closed loop
    arrivals: str = "fixed"  # or "poisson"
    spin: bool = False  # with a rate: each thread keeps a processor busy, and sends nothing late by its own fault

    test: str = "get"  # name of one of templates.TESTS
    command: Template = ()  # a template: "HSET __key__ f __data__", or its words
    title: str = ""  # what reports call it; its words when empty
    mix: Mapping[str, float] | str = ""  # weights by name: {"get": 9, "set": 1} or "get:9,set:1"
    define: Mapping[str, Template] = field(default_factory=dict)  # templates by name, for `mix` and `test`
    key_space: int = 0  # 0: __rand_int__ stays as it is, all requests name one key
    key_distribution: str = "uniform"  # "sequential", "zipf", "zipf:0.8"
    key_format: str = "key:__rand_int__"  # what __key__ stands for
    value_size: int | str = 3  # "10-1000", "16:8,4096:1", "lognormal:100:0.5"

    stop_at_error: bool = False  # end at the first error reply
    poll: bool = False  # wait with poll(2), not with epoll
    seed: int = 1  # of all that is drawn

    def commands(self) -> list[tuple[Command, float]]:
        """What is sent, with weights."""
        if self.mix:
            weights = parse_weights(self.mix) if isinstance(self.mix, str) else dict(self.mix)
            return [(named(name, self.define, self.space), weight) for name, weight in weights.items() if weight > 0]
        if self.command:
            return [(parse(self.command, self.title), 1.0)]
        return [(named(self.test, self.define, self.space), 1.0)]

    @property
    def space(self) -> int:
        """The key space; a distribution that was asked for has one in any case."""
        return self.key_space or (KEY_SPACE if self.key_distribution != "uniform" else 0)

    def sizes(self) -> Sizes:
        return parse_sizes(self.value_size)

    def keys(self) -> tuple[str, int, float]:
        return parse_keys(self.key_distribution, self.space)

    def total_requests(self) -> int:
        """0: until the time is over."""
        if self.requests is None:
            return 0 if self.duration > 0 else REQUESTS
        return self.requests

    def check(self) -> None:
        """ValueError says what is wrong."""
        for name in ("clients", "threads", "pipeline"):
            if not 1 <= getattr(self, name) <= 1_000_000:
                raise ValueError(f"{name}: want 1 to 1000000")
        for name, most in MOST.items():
            if not 0 <= getattr(self, name) <= most:
                raise ValueError(f"{name}: want 0 to {most:,.0f}")
        if self.requests is not None and not (0 if self.duration else 1) <= self.requests <= LARGEST_NUMBER:
            raise ValueError(f"requests: want 1 to {LARGEST_NUMBER}")
        if not 0 <= self.seed <= LARGEST_NUMBER:
            raise ValueError(f"seed: want 0 to {LARGEST_NUMBER}")
        if self.arrivals not in ("fixed", "poisson"):
            raise ValueError("arrivals: want fixed or poisson")
        if self.protocol not in (2, 3):
            raise ValueError("protocol: want 2 or 3")
        if self.user and not self.password:
            raise ValueError("a user needs a password")
        self.check_tls()
        self.keys()
        self.sizes()
        if not 0 < len(self.commands()) <= 255:
            raise ValueError("mix: want 1 to 255 commands")
        self.check_memory()

    def check_tls(self) -> None:
        """ValueError when something is said about TLS that could not be kept."""
        said = [name for name in TLS_OPTIONS if getattr(self, name)]
        if said and not self.tls:
            raise ValueError(f"{said[0]}: is of TLS, which is not asked for")
        if bool(self.certificate) != bool(self.key):
            raise ValueError("a certificate and its key go together")

    def check_memory(self) -> None:
        """ValueError when the requests that are under way at once would fill this machine."""
        sizes = self.sizes()
        request = max(longest(command, self.key_format.encode(), sizes) for command, _ in self.commands())
        if request > LARGEST_REQUEST:
            raise ValueError(f"a request of {request:,} bytes: want at most {LARGEST_REQUEST:,}")
        together = self.clients * self.pipeline * request
        if together > memory_bytes() / 2:
            raise ValueError(
                f"{self.clients:,} clients with {self.pipeline:,} requests of {request:,} bytes each would need "
                f"{together / 1e9:,.1f} GB of memory: want at most half of this machine's"
            )


def memory_bytes() -> float:
    """Of this machine; infinite where it does not tell."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (ValueError, OSError):
        return math.inf
