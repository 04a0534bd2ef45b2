"""INFO's sections about the process: server, clients, memory, cpu, modules, keyspace, cluster."""

import os
import platform
import sys
from collections.abc import Iterator
from typing import Any

from server.observe import process
from server.registry import clock
from server.registry.info import human, section
from server.version import REDIS_VERSION, VERSION

# ---- server
server = section("server", "Server")
server.field("redis_version", REDIS_VERSION)
server.field("redis_git_sha1", "00000000")
server.field("redis_git_dirty", 0)
server.field("redis_build_id", f"remus-{VERSION}")
server.field("redis_mode", lambda s: "cluster" if s.config.cluster_enabled else "standalone")
server.field("server_name", "remus")
server.field("remus_version", VERSION)
server.field("os", lambda s: process.system())
server.field("arch_bits", 64 if sys.maxsize > 2**32 else 32)
server.field("monotonic_clock", "POSIX clock_gettime")
server.field("multiplexing_api", lambda s: s.loop.io.multiplexing_api)
server.field("atomicvar_api", "gnu-atomic")
server.field("gcc_version", lambda s: platform.python_compiler().removeprefix("GCC ").split()[0])
server.field("python_version", platform.python_version())
server.field("process_id", lambda s: os.getpid(), metric="process_id")
server.field("process_supervised", lambda s: s.process.supervised or "no")
server.field("run_id", lambda s: s.run_id)
server.field("tcp_port", lambda s: s.config.port)
server.field("server_time_usec", lambda s: clock.unix_us())
server.field("uptime_in_seconds", lambda s: uptime(s), metric="uptime_in_seconds")
server.field("uptime_in_days", lambda s: uptime(s) // 86400)
server.field("hz", lambda s: s.cron.hz)
server.field("configured_hz", lambda s: s.config.hz)
server.field("lru_clock", lambda s: clock.lru_clock())
server.field("executable", lambda s: s.config.executable)
server.field("config_file", lambda s: s.config.configfile or "")
server.field("io_threads_active", lambda s: int(s.config.io_threads > 1), metric="io_threads_active")
server.field("shutdown_in_milliseconds", lambda s: s.shutdown_in_ms(), shown=lambda s: s.shutdown_in_ms() is not None)


def uptime(s: Any) -> int:
    """Whole seconds since the start."""
    return int(clock.monotonic_now_us() - s.start_us) // 1000000


@server.family
def listeners(s: Any) -> Iterator[tuple[str, str]]:
    """listener0:name=tcp,bind=127.0.0.1,port=6379."""
    kinds: dict[str, list[Any]] = {}
    for listener in s.listeners:
        kinds.setdefault(listener.kind, []).append(listener)
    for number, kind in enumerate(kinds):
        if kind == "unix":
            yield f"listener{number}", f"name=unix,bind={s.config.unixsocket}"
        else:
            binds = "".join(f"bind={name}," for name in s.config.bind)
            yield f"listener{number}", f"name={kind},{binds}port={s.config.port}"


# ---- clients
clients = section("clients", "Clients")
clients.field("connected_clients", lambda s: len(s.clients), metric="connected_clients")
clients.field("cluster_connections", 0, metric="cluster_connections")
clients.field("maxclients", lambda s: s.config.maxclients, metric="max_clients")
clients.field(
    "client_recent_max_input_buffer",
    lambda s: s.limits.recent_peaks()[0],
    metric="client_recent_max_input_buffer_bytes",
)
clients.field(
    "client_recent_max_output_buffer",
    lambda s: s.limits.recent_peaks()[1],
    metric="client_recent_max_output_buffer_bytes",
)
clients.field("blocked_clients", lambda s: s.clients.blocked, metric="blocked_clients")
clients.field("tracking_clients", 0, metric="tracking_clients")
clients.field("clients_in_timeout_table", lambda s: s.clients.with_timeout, metric="clients_in_timeout_table")
clients.field(
    "total_blocking_keys", lambda s: sum(len(db.blocking) for db in s.keyspace.databases), metric="total_blocking_keys"
)
clients.field(
    "total_blocking_keys_on_nokey", lambda s: s.clients.blocking_on_nokey, metric="total_blocking_keys_on_nokey"
)

# ---- memory
memory = section("memory", "Memory")


def ratio(top: float, bottom: float) -> str:
    """Two digits, 0.00 without a divisor."""
    return f"{top / bottom:.2f}" if bottom else "0.00"


memory.field("used_memory", lambda s: s.memory.used, metric="memory_used_bytes")
memory.field("used_memory_human", lambda s: human(s.memory.used))
memory.field("used_memory_rss", lambda s: s.memory.resident, metric="memory_used_rss_bytes")
memory.field("used_memory_rss_human", lambda s: human(s.memory.resident))
memory.field("used_memory_peak", lambda s: max(s.memory.peak, s.memory.used), metric="memory_used_peak_bytes")
memory.field("used_memory_peak_human", lambda s: human(max(s.memory.peak, s.memory.used)))
memory.field("used_memory_peak_perc", lambda s: f"{s.memory.used * 100 / max(s.memory.peak, 1):.2f}%")
memory.field("used_memory_overhead", lambda s: s.memory.overhead, metric="memory_used_overhead_bytes")
memory.field("used_memory_startup", lambda s: s.memory.startup, metric="memory_used_startup_bytes")
memory.field("used_memory_dataset", lambda s: s.memory.dataset, metric="memory_used_dataset_bytes")
memory.field(
    "used_memory_dataset_perc", lambda s: f"{s.memory.dataset * 100 / max(1, s.memory.used - s.memory.startup):.2f}%"
)
memory.field("allocator_allocated", lambda s: s.keyspace.allocator()["allocated"], metric="allocator_allocated_bytes")
memory.field("allocator_active", lambda s: s.keyspace.allocator()["active"], metric="allocator_active_bytes")
memory.field("allocator_resident", lambda s: s.keyspace.allocator()["resident"], metric="allocator_resident_bytes")
memory.field("total_system_memory", lambda s: process.machine_memory(), metric="total_system_memory_bytes")
memory.field("total_system_memory_human", lambda s: human(process.machine_memory()))
memory.field("used_memory_lua", lambda s: s.scripting.scripts.vm_memory, metric="memory_used_lua_bytes")
memory.field("used_memory_vm_eval", lambda s: s.scripting.scripts.vm_memory, metric="memory_used_vm_eval_bytes")
memory.field("used_memory_lua_human", lambda s: human(s.scripting.scripts.vm_memory))
memory.field("used_memory_scripts_eval", lambda s: s.scripting.scripts.memory, metric="memory_used_scripts_eval_bytes")
memory.field("number_of_cached_scripts", lambda s: len(s.scripting.scripts), metric="number_of_cached_scripts")
memory.field("number_of_functions", lambda s: len(s.scripting.functions.functions), metric="number_of_functions")
memory.field("number_of_libraries", lambda s: len(s.scripting.functions.libraries), metric="number_of_libraries")
memory.field(
    "used_memory_vm_functions", lambda s: s.scripting.functions.vm_memory, metric="memory_used_vm_functions_bytes"
)
memory.field("used_memory_vm_total", lambda s: s.scripting.vm_memory, metric="memory_used_vm_total")
memory.field("used_memory_vm_total_human", lambda s: human(s.scripting.vm_memory))
memory.field("used_memory_functions", lambda s: s.scripting.functions.memory, metric="memory_used_functions_bytes")
memory.field("used_memory_scripts", lambda s: s.scripting.memory, metric="memory_used_scripts_bytes")
memory.field("used_memory_scripts_human", lambda s: human(s.scripting.memory))
memory.field("maxmemory", lambda s: s.config.maxmemory, metric="memory_max_bytes")
memory.field("maxmemory_human", lambda s: human(s.config.maxmemory))
memory.field("maxmemory_policy", lambda s: s.config.maxmemory_policy)
memory.field(
    "allocator_frag_ratio",
    lambda s: ratio(s.keyspace.allocator()["active"], s.keyspace.allocator()["allocated"]),
    metric="allocator_frag_ratio",
)
memory.field(
    "allocator_frag_bytes",
    lambda s: s.keyspace.allocator()["active"] - s.keyspace.allocator()["allocated"],
    metric="allocator_frag_bytes",
)
memory.field(
    "allocator_rss_ratio",
    lambda s: ratio(s.keyspace.allocator()["resident"], s.keyspace.allocator()["active"]),
    metric="allocator_rss_ratio",
)
memory.field(
    "allocator_rss_bytes",
    lambda s: s.keyspace.allocator()["resident"] - s.keyspace.allocator()["active"],
    metric="allocator_rss_bytes",
)
memory.field("rss_overhead_ratio", lambda s: ratio(s.memory.resident, s.keyspace.allocator()["resident"]))
memory.field("rss_overhead_bytes", lambda s: s.memory.resident - s.keyspace.allocator()["resident"])
memory.field(
    "mem_fragmentation_ratio", lambda s: ratio(s.memory.resident, s.memory.used), metric="mem_fragmentation_ratio"
)
memory.field("mem_fragmentation_bytes", lambda s: s.memory.resident - s.memory.used, metric="mem_fragmentation_bytes")
memory.field("mem_not_counted_for_evict", 0, metric="mem_not_counted_for_eviction_bytes")
memory.field("mem_replication_backlog", 0, metric="mem_replication_backlog_bytes")
memory.field("mem_total_replication_buffers", 0, metric="mem_total_replication_buffers_bytes")
memory.field("mem_clients_slaves", 0, metric="mem_clients_slaves")
memory.field("mem_clients_normal", lambda s: s.memory.clients, metric="mem_clients_normal")
memory.field("mem_cluster_links", 0, metric="mem_cluster_links_bytes")
memory.field("mem_aof_buffer", lambda s: len(s.aof.buffer), metric="mem_aof_buffer_bytes")
memory.field("mem_allocator", "remus-slab")
memory.field("active_defrag_running", 0, metric="active_defrag_running")
memory.field("lazyfree_pending_objects", lambda s: s.keyspace.lazyfree.pending, metric="lazyfree_pending_objects")
memory.field("lazyfreed_objects", lambda s: s.keyspace.lazyfree.freed, metric="lazyfreed_objects")
