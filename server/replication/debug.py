"""DEBUG about replication."""

from server.registry.debug import Subcommands
from server.registry.reply import OK
from server.replication.node import Node


@Subcommands(Node)("CHANGE-REPL-ID", 0, 0, "", "Take a new replication id.")
def change_repl_id(node: Node) -> str:
    """Replicas then have to start anew."""
    node.log.notice("Changing replication IDs after receiving DEBUG change-repl-id")
    node.history.begin()
    return OK
