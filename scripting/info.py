"""What INFO tells of scripts and functions: what they hold, how many there are, and the one that is slow."""

from scripting import limits
from scripting.run import Scripting
from server.registry.info_sections import MEMORY, STATS
from server.registry.info_writer import FOR_PEOPLE

memory = MEMORY.of(Scripting)
memory.field("used_memory_lua", lambda s: s.scripts.vm_memory, metric="memory_used_lua_bytes")
memory.field("used_memory_vm_eval", lambda s: s.scripts.vm_memory, metric="memory_used_vm_eval_bytes")
memory.field("used_memory_lua_human", lambda s: s.scripts.vm_memory, digits=FOR_PEOPLE)
memory.field("number_of_cached_scripts", lambda s: len(s.scripts), metric="number_of_cached_scripts")
memory.field("number_of_functions", lambda s: len(s.functions.functions), metric="number_of_functions")
memory.field("number_of_libraries", lambda s: len(s.functions.libraries), metric="number_of_libraries")
memory.field("used_memory_vm_functions", lambda s: s.functions.vm_memory, metric="memory_used_vm_functions_bytes")
memory.field("used_memory_vm_total", lambda s: s.vm_memory, metric="memory_used_vm_total")
memory.field("used_memory_vm_total_human", lambda s: s.vm_memory, digits=FOR_PEOPLE)


def slow_seconds(scripting: Scripting) -> float:
    """How long a script runs that others hear BUSY about."""
    return limits.running_us() / 1e6 if scripting.slow_run is not None else 0


def slow_name(scripting: Scripting) -> str:
    """Its name."""
    run = scripting.slow_run
    return "" if run is None else run.name.decode("utf-8", "backslashreplace")


stats = STATS.of(Scripting)
stats.field("script_running_seconds", slow_seconds, digits=3)
stats.field("script_running_name", slow_name)
