FIELDS: tuple[str, ...]

class CpuSeconds:
    """Processor time in seconds: of the process, of the children that ended, of the main thread."""

    sys: float
    user: float
    sys_children: float
    user_children: float
    sys_main_thread: float
    user_main_thread: float

def cpu_seconds() -> CpuSeconds:
    """So far; the main thread asks."""
