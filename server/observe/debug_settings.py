"""Switches that only DEBUG turns: tests use them to provoke what is rare, or to stop what disturbs.

The rooms that they are about read them here, and declare the subcommands that turn them (`switch`).
"""

from collections.abc import Callable

from server.registry import args
from server.registry.dataclass import dataclass
from server.registry.debug import Subcommands
from server.registry.reply import OK

DEFAULT_PEAK_RESET_MS = 5000


@dataclass
class DebugSettings:
    """All of them, at their defaults."""

    skip_checksum_validation: bool = False     # RDB files and RESTORE's payload
    aof_flush_sleep_us: int = 0                # before each write of the AOF
    disk_full: bool = False                    # no snapshot and no append only file finds room
    disable_deny_scripts: bool = False         # scripts may call what they otherwise may not
    reply_buffer_peak_reset_ms: int = DEFAULT_PEAK_RESET_MS        # -1: never
    reply_buffer_resizing: bool = True
    dict_resizing: bool = True
    drop_cluster_packet_filter: int = -1       # bus messages of this type are dropped; -1 none
    prevent_migration_pause: bool = False      # no atomic slot migration comes to its hand-over


settings = DebugSettings()
subcommand = Subcommands(DebugSettings)


def yes(word: bytes) -> bool:
    """0 or 1."""
    return bool(args.leading_integer(word))


def switch(name: str, attribute: str, convert: Callable[[bytes], object], *help_lines: str) -> None:
    """Declare DEBUG name <value>, which sets one of them."""

    def set_it(settings: DebugSettings, word: bytes) -> str:
        setattr(settings, attribute, convert(word))
        return OK

    subcommand(name, 1, 1, *help_lines)(set_it)
