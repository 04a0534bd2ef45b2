"""DEBUG about the cluster."""

from server.observe.debug_settings import DebugSettings, subcommand, switch, yes
from server.registry import args
from server.registry.debug import WrongWords
from server.registry.reply import OK

switch(
    "DROP-CLUSTER-PACKET-FILTER",
    "drop_cluster_packet_filter",
    args.integer,
    "<packet-type>",
    "Drop bus messages of a type; -1 none.",
)


@subcommand("SLOTMIGRATION", 2, 2, "PREVENT-PAUSE <0|1>", "Keep atomic slot migrations from their hand-over.")
def slotmigration(settings: DebugSettings, what: bytes, value: bytes) -> str:
    """For tests that look at one under way."""
    if what.upper() != b"PREVENT-PAUSE":
        raise WrongWords
    settings.prevent_migration_pause = yes(value)
    return OK
