"""READONLY, READWRITE, ASKING: how a connection wants to be served by a node of a cluster. Outside of one, an error."""

from server.clients import client as c
from server.dispatch.call import Call
from server.registry.command import FAST, LOADING, STALE, group
from server.registry.errors import CommandError
from server.registry.reply import OK

command = group("cluster")


def _of_a_cluster(call: Call) -> None:
    if not call.config.cluster_enabled:
        raise CommandError("ERR This instance has cluster support disabled")


@command("READONLY", arity=1, flags=FAST | LOADING | STALE, since="3.0.0", acl=("connection",))
def readonly(call: Call) -> str:
    """Let a replica of a cluster answer reads on this connection.

    Complexity: O(1)
    """
    _of_a_cluster(call)
    call.client.set(c.READONLY)
    return OK


@command("READWRITE", arity=1, flags=FAST | LOADING | STALE, since="3.0.0", acl=("connection",))
def readwrite(call: Call) -> str:
    """Take READONLY back.

    Complexity: O(1)
    """
    _of_a_cluster(call)
    call.client.clear(c.READONLY)
    return OK


@command("ASKING", arity=1, flags=FAST, since="3.0.0", acl=("connection",))
def asking(call: Call) -> str:
    """Have the next command served for a slot that is just being moved here.

    Complexity: O(1)
    """
    _of_a_cluster(call)
    call.client.slow_because(c.ASKING)
    return OK
