"""One run: connections are made and greeted, the engine's threads take them, and what they saw becomes a Result."""

import contextlib
import errno
import os
import resource
import select
import socket
import time
from collections.abc import Callable
from dataclasses import asdict
from typing import NamedTuple

from iothreads.openssl import NoOpenSSL
from iothreads.tls import TlsContext, TlsError
from perf.benchmark.engine import Engine
from perf.benchmark.histogram import Histogram
from perf.benchmark.options import Options
from perf.benchmark.replies import ReplyCounter
from perf.benchmark.result import Result
from perf.benchmark.secure import SecureSocket
from perf.benchmark.templates import compile_template, pool, shown

CONNECT_SECONDS = 10.0
LOOK_MS = 250  # between two reports of progress
SPARE_FILES = 64
FAILURES = {
    "closed": "the server closed a connection",
    "not RESP": "a reply is no RESP",
    "too many replies": "more replies than requests (a command that pushes, such as SUBSCRIBE or MONITOR?)",
    "no answer": "requests were not answered within 10 seconds after the end",
    "error reply": "error reply",
}


Connected = socket.socket | SecureSocket


class BenchmarkFailed(Exception):
    """No connection, a refused greeting, or a run that broke off; then `result` holds what was measured until then."""

    def __init__(self, message: str, result: Result | None = None) -> None:
        super().__init__(message)
        self.result = result


class Interrupted(KeyboardInterrupt):
    """Ctrl-C; `result` holds what was measured until then."""

    def __init__(self, result: Result) -> None:
        super().__init__()
        self.result = result


class Progress(NamedTuple):
    """A moment of a run, the warm-up included."""

    seconds: float  # since the start
    replies: int
    errors: int
    waited: float  # sum of latencies so far, us


def encode(*words: bytes | str | int) -> bytes:
    """A command as a RESP array of bulks."""
    encoded = [word if isinstance(word, bytes) else str(word).encode() for word in words]
    return b"*%d\r\n" % len(encoded) + b"".join(b"$%d\r\n%b\r\n" % (len(word), word) for word in encoded)


def greeting(options: Options) -> list[bytes]:
    """The commands that a connection begins with."""
    commands = []
    if options.password:
        commands.append(encode("AUTH", *[options.user] * bool(options.user), options.password))
    if options.protocol == 3:
        commands.append(encode("HELLO", 3))
    if options.database:
        commands.append(encode("SELECT", options.database))
    if options.tracking:
        commands.append(encode("CLIENT", "TRACKING", "on"))
    return commands


def address(options: Options) -> str:
    """How messages call the server."""
    return options.unix_socket or f"{options.host}:{options.port}"


def tls_of(options: Options) -> TlsContext | None:
    """What all connections of a run share; None without TLS. Errors: BenchmarkFailed."""
    if not options.tls:
        return None
    try:
        return TlsContext(
            accepting=False, certificate=options.certificate, key=options.key, authorities=options.authorities,
            authorities_folder=options.authorities_folder, common_authorities=True, ciphers=options.ciphers,
            ciphersuites=options.ciphersuites, verify="no" if options.insecure else "yes",
        )  # fmt: skip
    except (TlsError, NoOpenSSL) as error:
        raise BenchmarkFailed(str(error)) from None


def connect(options: Options, tls: TlsContext | None) -> Connected:
    try:
        if options.unix_socket:
            made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            made.settimeout(CONNECT_SECONDS)
            made.connect(options.unix_socket)
        else:
            # As bytes an ASCII name is not put through IDNA, whose tables take longer to load than to connect.
            host = options.host.encode() if options.host.isascii() else options.host
            made = socket.create_connection((host, options.port), CONNECT_SECONDS)  # type: ignore[arg-type]
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except OSError as error:
        raise BenchmarkFailed(f"Could not connect to Redis at {address(options)}: {reason(error)}") from None
    if tls is None:
        return made
    try:
        return SecureSocket(made, tls, options.server_name, CONNECT_SECONDS)
    except OSError as error:
        raise BenchmarkFailed(f"No TLS with {address(options)}: {reason(error)}") from None


def reason(error: OSError) -> str:
    text = error.strerror or str(error)
    if error.errno == errno.EMFILE:
        text += f" ({resource.getrlimit(resource.RLIMIT_NOFILE)[0]} are allowed: ulimit -n)"
    return text


def await_greeting(connection: Connected, commands: int) -> None:
    """Wait for the replies to the greeting; BenchmarkFailed on an error among them."""
    counter = ReplyCounter()
    try:
        while counter.replies < commands:
            data = connection.recv(1 << 16)
            if not data:
                raise BenchmarkFailed("the server closed a connection before it had answered the greeting")
            counter.feed(data)
    except OSError as error:
        raise BenchmarkFailed(f"the greeting failed: {reason(error)}") from None
    if counter.errors:
        raise BenchmarkFailed(f"Error from server: {counter.first_error.decode(errors='replace')}")


def open_connections(options: Options, tls: TlsContext | None, count: int) -> list[Connected]:
    """Connected and greeted."""
    allow_files(count)
    commands = greeting(options)
    opened: list[Connected] = []
    try:
        for _ in range(count):
            opened.append(connect(options, tls))
            if commands:
                with contextlib.suppress(BrokenPipeError, ConnectionResetError):    # its reason is read below
                    opened[-1].sendall(b"".join(commands))
                if len(opened) == 1:
                    await_greeting(opened[0], len(commands))  # a refusal is told before there are thousands
        for connection in opened[1:] if commands else []:
            await_greeting(connection, len(commands))
    except BaseException:
        for connection in opened:
            connection.close()
        raise
    return opened


def allow_files(connections: int) -> None:
    """Raise this process's limit of open files if that many connections need it and it may."""
    wanted = connections + SPARE_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < wanted:
        allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))


# ---- the run


def make_engine(options: Options, tls: TlsContext | None = None) -> Engine:
    sizes = options.sizes()
    letters = pool(sizes)
    key_format = options.key_format.encode()
    kind, space, theta = options.keys()
    commands = greeting(options)
    return Engine(
        templates=[
            (compile_template(command, key_format, sizes, letters, options.space), weight)
            for command, weight in options.commands()
        ],
        keys=(kind, space, theta),
        sizes=sizes.native(),
        pool=letters,
        greeting=(b"", 0) if options.keep_alive else (b"".join(commands), len(commands)),
        pipeline=options.pipeline,
        threads=min(options.threads, options.clients),
        keep_alive=options.keep_alive,
        requests=options.total_requests(),
        warmup=int(options.warmup * 1e9),
        duration=int(options.duration * 1e9),
        rate=options.rate,
        poisson=options.arrivals == "poisson",
        spin=options.spin,
        stop_at_error=options.stop_at_error,
        seed=options.seed,
        tls=tls,
        server_name=options.server_name,
    )


def hand_over(engine: Engine, options: Options, tls: TlsContext | None) -> None:
    """Give each worker its share of the connections."""
    threads = min(options.threads, options.clients)
    shares = [options.clients // threads + (i < options.clients % threads) for i in range(threads)]
    if not options.keep_alive:
        allow_files(options.clients)
        open_connections(options, tls, 1)[0].close()    # whether the greeting is accepted
        with connect(options, None) as plain:   # tells the address; one that TLS has refused may be gone by now
            for share in shares:
                engine.add_worker([plain.fileno()] * share, options.poll)
        return
    opened = open_connections(options, tls, options.clients)
    ready = [given_up(connection) for connection in opened]
    for share in shares:
        engine.add_worker(ready[:share], options.poll)
        del ready[:share]


def given_up(connection: Connected) -> int | SecureSocket:
    """As a worker takes it."""
    if isinstance(connection, SecureSocket):
        return connection
    connection.setblocking(False)
    return connection.detach()


def watch(engine: Engine, progress: Callable[[Progress], None] | None) -> None:
    """Start the threads and wait for their end; call `progress` four times a second."""
    done_fd, write_fd = os.pipe()
    waiter = select.poll()  # select() knows no descriptor above 1023
    waiter.register(done_fd, select.POLLIN)
    began = time.monotonic()
    try:
        engine.start(write_fd)
        running = engine.threads
        while running:
            if waiter.poll(LOOK_MS if progress else None):
                running -= len(os.read(done_fd, 4096))
            elif progress:
                replies, errors, waited = engine.progress()
                progress(Progress(time.monotonic() - began, replies, errors, waited / 1e3))
    finally:
        engine.stop()
        engine.join()
        os.close(done_fd)
        os.close(write_fd)


def collect(engine: Engine, options: Options, python_seconds: float) -> Result:
    titles = [command.title for command, _ in options.commands()]
    latencies = engine.latencies()
    whole = Histogram()
    for each in latencies:
        whole.merge(each)
    totals = engine.totals()
    settings = {name: value for name, value in asdict(options).items() if name not in ("password", "title")}
    if not isinstance(options.command, str):
        settings["command"] = [shown(word) if isinstance(word, bytes) else word for word in options.command]
    settings["key_space"] = options.space
    return Result(
        title=titles[0] if len(titles) == 1 else "mix " + ",".join(titles),
        requests=whole.total,
        seconds=totals["elapsed_ns"] / 1e9,
        errors=totals["errors"],
        first_error=engine.first_error().decode(errors="replace"),
        cpu_seconds=totals["cpu_ns"] / 1e9 + python_seconds,
        answered=engine.progress()[0],
        latency=whole,
        commands=dict(zip(titles, latencies, strict=True)),
        sent_bytes=totals["sent_bytes"],
        received_bytes=totals["received_bytes"],
        offered_rate=options.rate,
        unsent=totals["unsent"],
        lag=engine.lag(),
        settings=settings,
    )


def run(options: Options, progress: Callable[[Progress], None] | None = None) -> Result:
    """Load the server as `options` say and return what was measured.

    Blocks; the threads hold no GIL. Raises ValueError (options), BenchmarkFailed, Interrupted (on Ctrl-C). Error
    replies are no failure: see Result.errors. What other threads of the caller do is not counted as ours.
    """
    options.check()
    tls = tls_of(options)
    engine = make_engine(options, tls)
    try:
        hand_over(engine, options, tls)
        began = time.thread_time()
        watch(engine, progress)
    except OSError as error:  # no more descriptors or threads
        raise BenchmarkFailed(f"The load could not start: {reason(error)}") from None
    except KeyboardInterrupt:
        if not engine.progress()[0]:
            raise
        result = collect(engine, options, time.thread_time() - began)
        result.ended_early = "interrupted"
        raise Interrupted(result) from None
    result = collect(engine, options, time.thread_time() - began)
    failure, number, words = engine.failure()
    if failure:
        kind = "closed" if failure == "system" and number == errno.ECONNRESET else failure
        result.ended_early = explain(kind, words or reason(OSError(number, os.strerror(number))), options, result)
        raise BenchmarkFailed(result.ended_early, result)
    return result


def explain(failure: str, why: str, options: Options, result: Result) -> str:
    text = FAILURES.get(failure) or f"the connection to {address(options)} failed: {why}"
    if failure in ("closed", "system") and result.first_error:
        text += f"; it had said: {result.first_error}"
    if failure == "error reply":
        text = f"Error from server: {result.first_error}"
    return text
