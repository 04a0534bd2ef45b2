"""INFO's sections about the process: server, clients, memory. (Work and data stand in info_work.)"""

import os
import platform
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from server.observe import process
from server.observe.memory_account import ALLOCATOR, Figures, ratio
from server.registry import clock
from server.registry.info import Section, human, section
from server.version import REDIS_VERSION, VERSION

if TYPE_CHECKING:
    from server.server import Server

# ---- server
server: "Section[Server]" = section("server", "Server")
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
server.field("gcc_version", platform.python_compiler().removeprefix("GCC ").split()[0])
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
server.field("io_threads_active", lambda s: int(s.loop.io.away > 0), metric="io_threads_active")
server.field("shutdown_in_milliseconds", lambda s: s.shutdown_in_ms(), shown=lambda s: s.shutdown_in_ms() is not None)


def uptime(s: "Server") -> int:
    """Whole seconds since the start."""
    return (clock.monotonic_now_us() - s.start_us) // 1000000


@server.family
def listeners(s: "Server") -> Iterator[tuple[str, str]]:
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
clients: "Section[Server]" = section("clients", "Clients")
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
clients.field("tracking_clients", lambda s: len(s.tracking), metric="tracking_clients")
clients.field("clients_in_timeout_table", lambda s: s.clients.with_timeout, metric="clients_in_timeout_table")
clients.field(
    "total_blocking_keys", lambda s: sum(len(db.blocking) for db in s.keyspace.databases), metric="total_blocking_keys"
)
clients.field(
    "total_blocking_keys_on_nokey", lambda s: s.clients.blocking_on_nokey, metric="total_blocking_keys_on_nokey"
)

# ---- memory
class Memory(NamedTuple):
    """What the fields of the section read: the account, taken once, and the server for the rest."""

    server: "Server"
    figures: Figures


memory: "Section[Memory]" = section("memory", "Memory", source=lambda whole: Memory(whole, whole.memory.figures()))


def account(name: str, read: Callable[[Figures], Any], metric: str = "") -> None:
    """A field that shows a figure of the account; a ratio has two digits."""

    def shown(m: Memory) -> Any:
        value = read(m.figures)
        return f"{value:.2f}" if isinstance(value, float) else value

    memory.field(name, shown, metric=metric)


def sized(name: str, read: Callable[[Memory], int], metric: str = "") -> None:
    """A size, and the same for people to read as `<name>_human`."""
    memory.field(name, read, metric=metric)
    memory.field(f"{name}_human", lambda m: human(read(m)))


sized("used_memory", lambda m: m.figures.used, "memory_used_bytes")
sized("used_memory_rss", lambda m: m.figures.resident, "memory_used_rss_bytes")
sized("used_memory_peak", lambda m: m.figures.peak, "memory_used_peak_bytes")
memory.field("used_memory_peak_perc", lambda m: f"{m.figures.peak_percent:.2f}%")
account("used_memory_overhead", lambda f: f.overhead, "memory_used_overhead_bytes")
account("used_memory_startup", lambda f: f.startup, "memory_used_startup_bytes")
account("used_memory_dataset", lambda f: f.dataset, "memory_used_dataset_bytes")
memory.field("used_memory_dataset_perc", lambda m: f"{m.figures.dataset_percent:.2f}%")
account("allocator_allocated", lambda f: f.allocated, "allocator_allocated_bytes")
account("allocator_active", lambda f: f.active, "allocator_active_bytes")
account("allocator_resident", lambda f: f.allocator_resident, "allocator_resident_bytes")
sized("total_system_memory", lambda m: process.machine_memory(), "total_system_memory_bytes")
memory.field("used_memory_lua", lambda m: m.server.scripting.scripts.vm_memory, metric="memory_used_lua_bytes")
memory.field("used_memory_vm_eval", lambda m: m.server.scripting.scripts.vm_memory, metric="memory_used_vm_eval_bytes")
memory.field("used_memory_lua_human", lambda m: human(m.server.scripting.scripts.vm_memory))
account("used_memory_scripts_eval", lambda f: f.eval_scripts, "memory_used_scripts_eval_bytes")
memory.field("number_of_cached_scripts", lambda m: len(m.server.scripting.scripts), metric="number_of_cached_scripts")
memory.field("number_of_functions", lambda m: len(m.server.scripting.functions.functions), metric="number_of_functions")
memory.field("number_of_libraries", lambda m: len(m.server.scripting.functions.libraries), metric="number_of_libraries")
memory.field(
    "used_memory_vm_functions", lambda m: m.server.scripting.functions.vm_memory,
    metric="memory_used_vm_functions_bytes",
)  # fmt: skip
sized("used_memory_vm_total", lambda m: m.server.scripting.vm_memory, "memory_used_vm_total")
account("used_memory_functions", lambda f: f.functions, "memory_used_functions_bytes")
sized("used_memory_scripts", lambda m: m.figures.eval_scripts + m.figures.functions, "memory_used_scripts_bytes")
sized("maxmemory", lambda m: m.server.config.maxmemory, "memory_max_bytes")
memory.field("maxmemory_policy", lambda m: m.server.config.maxmemory_policy)
account("allocator_frag_ratio", lambda f: ratio(f.active, f.allocated), "allocator_frag_ratio")
account("allocator_frag_bytes", lambda f: f.active - f.allocated, "allocator_frag_bytes")
account("allocator_rss_ratio", lambda f: ratio(f.allocator_resident, f.active), "allocator_rss_ratio")
account("allocator_rss_bytes", lambda f: f.allocator_resident - f.active, "allocator_rss_bytes")
account("rss_overhead_ratio", lambda f: ratio(f.resident, f.allocator_resident))
account("rss_overhead_bytes", lambda f: f.resident - f.allocator_resident)
account("mem_fragmentation_ratio", lambda f: ratio(f.resident, f.used), "mem_fragmentation_ratio")
account("mem_fragmentation_bytes", lambda f: f.resident - f.used, "mem_fragmentation_bytes")
account("mem_not_counted_for_evict", lambda f: f.not_counted_for_evict, "mem_not_counted_for_eviction_bytes")
account("mem_replication_backlog", lambda f: f.backlog, "mem_replication_backlog_bytes")
account("mem_total_replication_buffers", lambda f: f.replication_buffers, "mem_total_replication_buffers_bytes")
account("mem_clients_slaves", lambda f: f.clients_replicas, "mem_clients_slaves")
account("mem_clients_normal", lambda f: f.clients_normal, "mem_clients_normal")
account("mem_cluster_links", lambda f: f.cluster_links, "mem_cluster_links_bytes")
account("mem_aof_buffer", lambda f: f.aof_buffer, "mem_aof_buffer_bytes")
memory.field("mem_allocator", ALLOCATOR)
memory.field("active_defrag_running", 0, metric="active_defrag_running")
memory.field(
    "lazyfree_pending_objects", lambda m: m.server.keyspace.lazyfree.pending, metric="lazyfree_pending_objects"
)
memory.field("lazyfreed_objects", lambda m: m.server.keyspace.lazyfree.freed, metric="lazyfreed_objects")
