"""What INFO tells of scripts and functions: what they hold, how many there are, and the one that is slow."""

from scripting import limits
from scripting.run import Scripting, VmMemory
from server.registry.info_sections import MEMORY, STATS
from server.registry.info_writer import FOR_PEOPLE

memory = MEMORY.of(Scripting)
memory.field("number_of_cached_scripts", lambda s: len(s.scripts), metric="number_of_cached_scripts")
memory.field("number_of_functions", lambda s: len(s.functions.functions), metric="number_of_functions")
memory.field("number_of_libraries", lambda s: len(s.functions.libraries), metric="number_of_libraries")

vm = MEMORY.of(VmMemory)
vm.field("used_memory_lua", lambda vm: vm.scripts, metric="memory_used_lua_bytes")
vm.field("used_memory_vm_eval", lambda vm: vm.scripts, metric="memory_used_vm_eval_bytes")
vm.field("used_memory_lua_human", lambda vm: vm.scripts, digits=FOR_PEOPLE)
vm.field("used_memory_vm_functions", lambda vm: vm.functions, metric="memory_used_vm_functions_bytes")
vm.field("used_memory_vm_total", lambda vm: vm.total, metric="memory_used_vm_total")
vm.field("used_memory_vm_total_human", lambda vm: vm.total, digits=FOR_PEOPLE)


def slow_seconds(scripting: Scripting) -> float:
    """How long a script runs that others hear BUSY about."""
    return limits.running_us() / 1e6 if scripting.slow_run is not None else 0


def slow_name(scripting: Scripting) -> str:
    """Its name."""
    run = scripting.slow_run
    return "" if run is None else run.name.decode("utf-8", "backslashreplace")


def is_slow(scripting: Scripting) -> bool:
    """Whether there is one."""
    return scripting.slow_run is not None


stats = STATS.of(Scripting)
stats.field("script_running_seconds", slow_seconds, digits=3, busy=is_slow)
stats.field("script_running_name", slow_name, busy=is_slow, idle="")
