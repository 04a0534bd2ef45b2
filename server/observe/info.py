"""What INFO tells of what is observed: the account of memory, counters and rates, errors, processor time."""

import sys
from collections.abc import Callable, Iterator
from operator import attrgetter

from server.observe import process
from server.observe.cpu_seconds import FIELDS, CpuSeconds
from server.observe.error_counts import ErrorCounts
from server.observe.internal_errors import InternalErrors
from server.observe.memory_account import ALLOCATOR, Figures
from server.observe.now import Now
from server.observe.stats import Counters, Stats, error_name
from server.registry.info_sections import CPU, ERRORSTATS, MEMORY, SERVER, STATS
from server.registry.info_writer import FOR_PEOPLE, human
from server.version import REDIS_VERSION, VERSION

# ---- the program and the machine
server = SERVER.of(Stats)
server.field("redis_version", REDIS_VERSION)
server.field("redis_git_sha1", "00000000")
server.field("redis_git_dirty", 0)
server.field("redis_build_id", f"remus-{VERSION}")
server.field("server_name", "remus")
server.field("remus_version", VERSION)
server.field("os", process.system())
server.field("arch_bits", 64 if sys.maxsize > 2**32 else 32)
server.field("monotonic_clock", "POSIX clock_gettime")
server.field("atomicvar_api", "gnu-atomic")
server.field("gcc_version", sys.version.rpartition("[")[2].rstrip("]").removeprefix("GCC ").split()[0])
server.field("python_version", sys.version.split()[0])
now = SERVER.of(Now)
now.field("server_time_usec", lambda now: now.unix_us)
now.field("uptime_in_seconds", lambda now: now.uptime, metric="uptime_in_seconds")
now.field("uptime_in_days", lambda now: now.uptime_days)
now.field("lru_clock", lambda now: now.lru)

# ---- memory
memory = MEMORY.of(Figures)


def account(name: str, read: Callable[[Figures], int], metric: str = "") -> None:
    """A field that shows a figure of the account."""
    memory.field(name, read, metric=metric)


def ratio_of(name: str, read: Callable[[Figures], float], metric: str = "") -> None:
    """A field that shows a ratio, with two digits."""
    memory.field(name, read, metric=metric, digits=2)


def sized(name: str, read: Callable[[Figures], int], metric: str = "") -> None:
    """A size, and the same for people to read as `<name>_human`."""
    memory.field(name, read, metric=metric)
    memory.field(f"{name}_human", read, digits=FOR_PEOPLE)


sized("used_memory", lambda f: f.used, "memory_used_bytes")
sized("used_memory_rss", lambda f: f.resident, "memory_used_rss_bytes")
sized("used_memory_peak", lambda f: f.peak, "memory_used_peak_bytes")
memory.field("used_memory_peak_perc", lambda f: f.peak_percent, digits=2, unit="%")
account("used_memory_overhead", lambda f: f.overhead, "memory_used_overhead_bytes")
account("used_memory_startup", lambda f: f.startup, "memory_used_startup_bytes")
account("used_memory_dataset", lambda f: f.dataset, "memory_used_dataset_bytes")
memory.field("used_memory_dataset_perc", lambda f: f.dataset_percent, digits=2, unit="%")
account("allocator_allocated", lambda f: f.allocated, "allocator_allocated_bytes")
account("allocator_active", lambda f: f.active, "allocator_active_bytes")
account("allocator_resident", lambda f: f.allocator_resident, "allocator_resident_bytes")
memory.field("total_system_memory", process.machine_memory(), metric="total_system_memory_bytes")
memory.field("total_system_memory_human", human(process.machine_memory()))
account("used_memory_scripts_eval", lambda f: f.eval_scripts, "memory_used_scripts_eval_bytes")
account("used_memory_functions", lambda f: f.functions, "memory_used_functions_bytes")
sized("used_memory_scripts", lambda f: f.scripts, "memory_used_scripts_bytes")
ratio_of("allocator_frag_ratio", lambda f: f.allocator_frag_ratio, "allocator_frag_ratio")
account("allocator_frag_bytes", lambda f: f.allocator_frag_bytes, "allocator_frag_bytes")
ratio_of("allocator_rss_ratio", lambda f: f.allocator_rss_ratio, "allocator_rss_ratio")
account("allocator_rss_bytes", lambda f: f.allocator_rss_bytes, "allocator_rss_bytes")
ratio_of("rss_overhead_ratio", lambda f: f.rss_overhead_ratio)
account("rss_overhead_bytes", lambda f: f.rss_overhead_bytes)
ratio_of("mem_fragmentation_ratio", lambda f: f.fragmentation_ratio, "mem_fragmentation_ratio")
account("mem_fragmentation_bytes", lambda f: f.fragmentation_bytes, "mem_fragmentation_bytes")
account("mem_not_counted_for_evict", lambda f: f.not_counted_for_evict, "mem_not_counted_for_eviction_bytes")
account("mem_replication_backlog", lambda f: f.backlog, "mem_replication_backlog_bytes")
account("mem_total_replication_buffers", lambda f: f.replication_buffers, "mem_total_replication_buffers_bytes")
account("mem_clients_slaves", lambda f: f.clients_replicas, "mem_clients_slaves")
account("mem_clients_normal", lambda f: f.clients_normal, "mem_clients_normal")
account("mem_cluster_links", lambda f: f.cluster_links, "mem_cluster_links_bytes")
account("mem_aof_buffer", lambda f: f.aof_buffer, "mem_aof_buffer_bytes")
memory.field("mem_allocator", ALLOCATOR)

# ---- counters and rates
stats = STATS.of(Stats)


def counted(name: str, metric: str = "", *, counter: bool = False) -> None:
    """A field that is one of stats.counters."""
    stats.field(name, attrgetter(Counters.show(name)), metric=metric, counter=counter)


stats.field("instantaneous_ops_per_sec", lambda s: s.commands_rate.whole)
stats.field("instantaneous_input_kbps", lambda s: s.input_rate.kilo, digits=2)
stats.field("instantaneous_output_kbps", lambda s: s.output_rate.kilo, digits=2)
stats.field("instantaneous_input_repl_kbps", lambda s: s.repl_input_rate.kilo, digits=2)
stats.field("instantaneous_output_repl_kbps", lambda s: s.repl_output_rate.kilo, digits=2)
counted("sync_full", "replica_resyncs_full")
counted("sync_partial_ok", "replica_partial_resync_accepted")
counted("sync_partial_err", "replica_partial_resync_denied")
stats.field("evicted_clients", lambda s: s.evicted_clients, metric="evicted_clients_total", counter=True)
stats.field("latest_fork_usec", lambda s: s.fork_us, metric="latest_fork_seconds", scale=1e-6)
stats.field("total_forks", lambda s: s.forks)
stats.field("unexpected_error_replies", lambda s: s.unexpected_error_replies, metric="unexpected_error_replies",
            counter=True)
STATS.of(ErrorCounts).field("total_error_replies", lambda errors: errors.replies, metric="total_error_replies",
                            counter=True)
counted("dump_payload_sanitizations", "dump_payload_sanitizations", counter=True)
counted("reply_buffer_shrinks", "reply_buffer_shrinks_total", counter=True)
counted("reply_buffer_expands", "reply_buffer_expands_total", counter=True)
stats.field("instantaneous_eventloop_cycles_per_sec", lambda s: s.cycle_rate.whole,
            metric="instantaneous_eventloop_cycles_per_sec")
stats.field("instantaneous_eventloop_duration_usec", lambda s: s.turn_us.whole,
            metric="instantaneous_eventloop_duration_usec")
for _name in ("auth", "cmd", "key", "channel"):
    counted(f"acl_access_denied_{_name}", f"acl_access_denied_{_name}_total", counter=True)

STATS.of(InternalErrors).field("internal_errors", lambda errors: errors.count)


# ---- errors
@ERRORSTATS.of(Stats).family
def error_lines(s: Stats) -> Iterator[tuple[str, str]]:
    """errorstat_WRONGTYPE:count=3. Codes that differ in what may not stand in a name share it, as in Redis."""
    for code, count in s.errors.items():
        yield f"errorstat_{error_name(code)}", f"count={count}"


# ---- cpu
def seconds_of(name: str) -> None:
    """A field that is one of the times."""
    CPU.of(CpuSeconds).field(f"used_cpu_{name}", attrgetter(name), metric=f"cpu_{name}_seconds_total", counter=True,
                             digits=6)


for _name in FIELDS:
    seconds_of(_name)
