"""What only system calls and the process's own memory can do."""

TITLE_MAX: int

def title_room() -> int:
    """Bytes a title may have, 0 where it cannot be set."""

def set_title(title: bytes) -> bool:
    """Show `title` in the process list (/proc/PID/cmdline); False where that is not possible."""

def set_name(name: bytes) -> None:
    """The short name of the calling thread (/proc/PID/comm), at most 15 bytes."""

def disable_huge_pages() -> bool:
    """No transparent huge pages for this process and its children; False when the kernel will not."""
