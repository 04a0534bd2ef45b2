"""The uniquely named module of the distribution: what the console scripts enter, and how other programs start a
server of their own.

    import remus_server
    with remus_server.start(maxmemory="100mb") as remus:      # a server process on a free port
        redis.Redis(port=remus.port).ping()

    remus_server.Redis().ping()                               # one beside this process, and a redis-py client on it

    with remus_server.start_cluster(masters=3, replicas=1) as cluster:      # six of them, one cluster
        redis.RedisCluster.from_url(cluster.url).set("k", "v")

    with remus_server.start_sentinels() as watched:           # a master, a replica, and three sentinels over them
        redis.sentinel.Sentinel(watched.addresses).master_for(watched.name).ping()

In pytest, the fixtures `remus_server` (one server for the session), `remus` (a redis-py client on it, emptied for each
test) and others (`remus_embedded.pytest_plugin`) are there as soon as the distribution is installed.

The rooms of the server have generic names (`server`, `metrics`...), which are other people's names, too. So nobody
imports them directly: installed, they stand in a folder that is on nobody's path, and `main` puts that folder first on
the path of its own process, then enters `server.__main__`. In a clone that folder is the clone itself.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False       # of typing, which a server that starts is without
if TYPE_CHECKING:
    from typing import Any

    from remus_embedded.cases import RemusMixin as RemusMixin, RemusTestCase as RemusTestCase
    from remus_embedded.clusters import RemusCluster as RemusCluster
    from remus_embedded.sentinels import RemusSentinels as RemusSentinels
    from remus_embedded.server_process import RemusServer as RemusServer, running as running
    from remus_embedded.starting import (
        AsyncRedis as AsyncRedis,
        Redis as Redis,
        start as start,
        start_cluster as start_cluster,
        start_sentinels as start_sentinels,
        url as url,
    )

# What other programs use, and the module of remus_embedded that has it. A server that starts needs none of it, and is a
# script, which Python compiles each time: so this file is short.
_OFFERED = {
    "AsyncRedis": "starting", "Redis": "starting", "RemusCluster": "clusters", "RemusMixin": "cases",
    "RemusSentinels": "sentinels", "RemusServer": "server_process", "RemusTestCase": "cases",
    "running": "server_process", "start": "starting", "start_cluster": "starting", "start_sentinels": "starting",
    "url": "starting",
}  # fmt: skip
PROGRAM = os.path.realpath(__file__)
_HERE = os.path.dirname(PROGRAM)
_INSTALLED = os.path.join(_HERE, "remus_server_home")
HOME = _INSTALLED if os.path.isdir(_INSTALLED) else _HERE
LIFELINE = "REMUS_LIFELINE"  # in the environment of a server that `start` made: a file descriptor, see _serve_parent
ROOMS = ("server", "iothreads", "scripting", "metrics")
# What Cython says of a module that was compiled with another's data sheet.
OF_NATIVE_MODULES = ("may indicate binary incompatibility", "does not export expected C", "has wrong signature")
FOUND = "REMUS_FOUND"  # likewise, where it is a node of a cluster: what _found reads


def _come_home() -> None:
    """From now on the rooms of the server come before anything else of their names, and in a moment."""
    sys.path[:] = [HOME, *(path for path in sys.path if path != HOME)]
    from server import loader

    loader.install(HOME)


def main() -> int:
    """`remus-server` and, by that name, `remus-sentinel` on the command line; the exit code."""
    _come_home()
    from server.__main__ import main as server_main

    try:
        return server_main() or 0
    except (ImportError, TypeError, ValueError) as error:
        if (reason := _unfit(error)) is None:
            raise
        sys.stderr.write(f"{reason}\n")
        return 1


def _unfit(error: Exception) -> str | None:
    """What to tell where a module of ours, native or not, is of another version than those that use it, or of another
    Python; None: it is something else."""
    ours = isinstance(error, ImportError) and (error.name or "").partition(".")[0] in ROOMS
    if not ours and not any(words in str(error) for words in OF_NATIVE_MODULES):
        return None
    return (f"{error}\nThe modules of this server do not fit one another, or not Python {sys.version.split()[0]}: they "
            "were built from other sources. In a clone, ./dev build mends that; otherwise, install it again.")


def _serve_parent(lifeline: int, folder: str) -> int:
    """The server that `start` made: it ends when its parent does, whatever ended that, and then removes the folder.

    lifeline: the reading end of a pipe that nobody writes to. Its other end closes with the parent, and the kernel then
    sends SIGTERM: that costs no thread, and unlike PR_SET_PDEATHSIG it does not mind which thread of the parent ends.
    Where the kernel does not (F_SETSIG is Linux's), a thread waits for it.
    """
    import fcntl
    import select
    import signal

    watch = select.poll()
    watch.register(lifeline, select.POLLIN)  # nobody writes: it tells of the closed other end
    if hasattr(fcntl, "F_SETSIG"):
        fcntl.fcntl(lifeline, fcntl.F_SETOWN, os.getpid())
        fcntl.fcntl(lifeline, fcntl.F_SETSIG, signal.SIGTERM)
        fcntl.fcntl(lifeline, fcntl.F_SETFL, fcntl.FASYNC)
    else:
        _end_with(lifeline)
    try:
        if FOUND in os.environ:
            _found(folder, os.environ[FOUND])
        return 0 if watch.poll(0) else main()
    finally:
        if watch.poll(0):
            import shutil

            shutil.rmtree(folder, ignore_errors=True)


def _end_with(lifeline: int) -> None:
    """Begin to wait for the end of the parent, which then is ours."""
    import select
    import signal
    import threading

    def wait() -> None:
        select.select([lifeline], [], [])
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=wait, name="lifeline", daemon=True).start()


def _found(folder: str, words: str) -> None:
    """Write the nodes.conf of a node of a new cluster. words: its number, how many masters there are, a number by which
    all nodes find the same names, and the port of each."""
    from pathlib import Path
    from random import Random

    number, masters, seed, *ports = map(int, words.split())
    _come_home()
    from server.cluster.founding import Place, founded

    texts = founded([Place("127.0.0.1", port) for port in ports], masters, Random(seed))
    Path(folder, "nodes.conf").write_text(texts[number])


def check_rdb() -> int:
    """`remus-check-rdb` on the command line; the exit code."""
    _come_home()
    from server.persistence.check_rdb import main as check_main

    return check_main()


def check_aof() -> int:
    """`remus-check-aof` on the command line; the exit code."""
    _come_home()
    from server.persistence.check_aof import main as check_main

    return check_main()


def benchmark() -> int:
    """`remus-benchmark` on the command line; the exit code."""
    _come_home()
    from perf.benchmark.command_line import main as benchmark_main

    return benchmark_main()


def tune() -> int:
    """`remus-tune` on the command line: how many io-threads; the exit code."""
    _come_home()
    from perf.server_under_test import exit_on_sigterm
    from perf.tune import main as tune_main

    exit_on_sigterm()
    return tune_main()


def bench() -> int:
    """`remus-bench` on the command line: beside a redis-server of this machine; the exit code."""
    _come_home()
    from perf.compare import main as bench_main
    from perf.server_under_test import exit_on_sigterm

    exit_on_sigterm()
    return bench_main()


def cluster() -> int:
    """`remus-cluster` on the command line: a cluster until Ctrl-C; the exit code."""
    from remus_embedded import clusters

    return clusters.run()


def __getattr__(name: str) -> Any:
    if name in _OFFERED:
        import importlib

        found = globals()[name] = getattr(importlib.import_module(f"remus_embedded.{_OFFERED[name]}"), name)
        return found
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_OFFERED})


pytest_plugins = ("remus_embedded.pytest_plugin",)  # this module is pytest's plugin `remus`, which loads that


if __name__ == "__main__":
    if LIFELINE in os.environ:
        sys.exit(_serve_parent(int(os.environ[LIFELINE]), os.path.dirname(sys.argv[1])))
    sys.exit(main())
