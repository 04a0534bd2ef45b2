"""What INFO tells of a sentinel; and, of what Redis's sections have besides, what somebody without keys would say."""

from collections.abc import Iterator

from server.registry.info import section
from server.registry.info_sections import CLIENTS, STATS
from server.sentinel.instance import O_DOWN, S_DOWN, Master
from server.sentinel.settings import CRASHES
from server.sentinel.state import State

sentinel = section("sentinel", "Sentinel").of(State)
sentinel.field("sentinel_masters", lambda state: len(state.masters), metric="sentinel_masters")
sentinel.field("sentinel_tilt", lambda state: int(state.tilt), metric="sentinel_tilt")
sentinel.field("sentinel_tilt_since_seconds",
               lambda state: (state.now - state.tilt_since) // 1000 if state.tilt else -1)
sentinel.field("sentinel_running_scripts", lambda state: state.scripts.running, metric="sentinel_running_scripts")
sentinel.field("sentinel_scripts_queue_length", lambda state: len(state.scripts.jobs),
               metric="sentinel_scripts_queue_length")
sentinel.field("sentinel_simulate_failure_flags",
               lambda state: sum(CRASHES[name] for name in state.settings.crash_after),
               metric="sentinel_simulate_failure_flags")


def status_of(master: Master) -> str:
    """ok, sdown or odown."""
    return "odown" if master.flags & O_DOWN else "sdown" if master.flags & S_DOWN else "ok"


@sentinel.family
def masters(state: State) -> Iterator[tuple[str, str]]:
    """master0:name=mymaster,status=ok,address=127.0.0.1:6379,slaves=2,sentinels=3."""
    for number, master in enumerate(state.masters.values()):
        address = f"{state.announced(master.address)}:{master.address.port}"
        yield f"master{number}", (f"name={master.name},status={status_of(master)},address={address},"
                                  f"slaves={len(master.replicas)},sentinels={len(master.sentinels) + 1}")


_clients, _stats = CLIENTS.of(State), STATS.of(State)
for _name in ("cluster_connections", "total_blocking_keys"):
    _clients.field(_name, 0)
for _name in ("total_net_repl_input_bytes", "total_net_repl_output_bytes", "expired_keys",
              "expired_time_cap_reached_count", "expire_cycle_cpu_milliseconds", "evicted_keys",
              "total_eviction_exceeded_time", "current_eviction_exceeded_time", "keyspace_hits", "keyspace_misses",
              "migrate_cached_sockets", "slave_expires_tracked_keys"):
    _stats.field(_name, 0)
_stats.field("expired_stale_perc", "0.00")
