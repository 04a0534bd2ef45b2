"""What the operating system says of this process: memory, CPU time, the machine."""

import os
import resource

from server.registry.light import NamedTuple

PAGE = os.sysconf("SC_PAGE_SIZE")


def resident_bytes() -> int:
    """RSS; 0 where the system does not say."""
    try:
        with open("/proc/self/statm", "rb") as file:
            return int(file.read().split()[1]) * PAGE
    except (OSError, ValueError, IndexError):
        return 0


def machine_memory() -> int:
    """Physical memory of the machine, bytes."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * PAGE
    except (OSError, ValueError):
        return 0


def system() -> str:
    """ "Linux 6.1.0 x86_64"."""
    name = os.uname()
    return f"{name.sysname} {name.release} {name.machine}"


class CpuSeconds(NamedTuple):
    """Processor time in seconds: of the process, of the children that ended, of the main thread."""

    sys: float
    user: float
    sys_children: float
    user_children: float
    sys_main_thread: float
    user_main_thread: float


def cpu_seconds() -> CpuSeconds:
    """So far; the main thread asks."""
    own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    thread = resource.getrusage(getattr(resource, "RUSAGE_THREAD", resource.RUSAGE_SELF))
    return CpuSeconds(
        own.ru_stime, own.ru_utime, children.ru_stime, children.ru_utime, thread.ru_stime, thread.ru_utime
    )
