"""The forked child: the processors it stays on."""

import os
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from tests.support.server import Server, wait_until


def affinity(task: int) -> set[int]:
    return os.sched_getaffinity(task) if hasattr(os, "sched_getaffinity") else set()


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="no CPU affinity here")
def test_children_and_background_threads_have_cpus_of_their_own(new_server: Callable[..., Server]) -> None:
    allowed = sorted(os.sched_getaffinity(0))
    if len(allowed) < 2:
        pytest.skip("one processor")
    first, second = allowed[:2]
    server = new_server(
        config=f"server_cpulist {first}\nbgsave_cpulist {second}\naof_rewrite_cpulist {first},{second}\n"
               f"bio_cpulist {second}",
        rdb_key_save_delay=1000, appendonly=True,
    )
    c = server.connect()
    c.pipeline([("SET", f"key:{i}", i) for i in range(10000)])
    for command, cpus in (("BGSAVE", {second}), ("BGREWRITEAOF", {first, second})):
        c.ok(command)
        [child] = psutil.Process(server.pid).children()
        wait_until(lambda: affinity(child.pid) == cpus, "the child's CPUs")  # noqa: B023
        child.kill()
        wait_until(lambda: not psutil.Process(server.pid).children(), "its end")
    tasks = [int(path.name) for path in Path(f"/proc/{server.pid}/task").iterdir()]
    wait_until(lambda: {second} in [affinity(task) for task in tasks if task != server.pid], "the background thread's")
    assert affinity(server.pid) == {first}
