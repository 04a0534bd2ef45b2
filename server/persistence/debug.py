"""DEBUG about files: checksums left out, the AOF slowed down, a disk that is full."""

from server.observe.debug_settings import switch, yes
from server.registry import args

switch(
    "SET-SKIP-CHECKSUM-VALIDATION",
    "skip_checksum_validation",
    yes,
    "<0|1>",
    "Skip or check checksums of RDB files and of RESTORE.",
)
switch(
    "AOF-FLUSH-SLEEP", "aof_flush_sleep_us", args.leading_integer, "<microsec>", "Sleep before each write of the AOF."
)
switch(
    "DISK-FULL", "disk_full", yes, "<0|1>",
    "Have snapshots and the append only file find no room on the disk, or again some."
)
