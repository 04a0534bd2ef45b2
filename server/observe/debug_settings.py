"""Switches that only DEBUG turns: tests use them to provoke what is rare, or to stop what disturbs.

The rooms that they are about read them here; nothing else is kept in this file.
"""

from dataclasses import dataclass

DEFAULT_PEAK_RESET_MS = 5000


@dataclass
class DebugSettings:
    """All of them, at their defaults."""

    skip_checksum_validation: bool = False     # RDB files and RESTORE's payload
    aof_flush_sleep_us: int = 0                # before each write of the AOF
    disable_deny_scripts: bool = False         # scripts may call what they otherwise may not
    reply_buffer_peak_reset_ms: int = DEFAULT_PEAK_RESET_MS        # -1: never
    reply_buffer_resizing: bool = True
    dict_resizing: bool = True
    drop_cluster_packet_filter: int = -1       # bus messages of this type are dropped; -1 none


settings = DebugSettings()
