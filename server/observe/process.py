"""What the operating system says of this process: memory, CPU time, the machine."""

import os
import resource

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


def cpu_seconds() -> dict[str, float]:
    """User and system time of the process, its children and the main thread."""
    own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    thread = resource.getrusage(getattr(resource, "RUSAGE_THREAD", resource.RUSAGE_SELF))
    return {
        "sys": own.ru_stime,
        "user": own.ru_utime,
        "sys_children": children.ru_stime,
        "user_children": children.ru_utime,
        "sys_main_thread": thread.ru_stime,
        "user_main_thread": thread.ru_utime,
    }
