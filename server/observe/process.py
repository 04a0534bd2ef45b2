"""What the operating system says of this process and the machine."""

import os

PAGE = os.sysconf("SC_PAGE_SIZE")
STATM = "/proc/self/statm"


def resident_bytes() -> int:
    """RSS; 0 where the system does not say."""
    try:
        with open(STATM, "rb") as file:
            return int(file.read().split()[1]) * PAGE
    except (OSError, ValueError, IndexError):
        return resident_bytes_elsewhere()


def resident_bytes_elsewhere() -> int:
    """The same where there is no /proc."""
    try:
        import psutil

        return int(psutil.Process().memory_info().rss)
    except Exception:  # ImportError, or whatever psutil has for "not known"
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
