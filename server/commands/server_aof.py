"""The append only file by command: BGREWRITEAOF. When it is on, and how it is synced, is CONFIG SET's business."""

from server.clients.client import MULTI
from server.dispatch.call import Call
from server.registry.command import ADMIN, NO_ASYNC_LOADING, NOSCRIPT, group
from server.registry.errors import CommandError

command = group("server")


@command("BGREWRITEAOF", arity=1, flags=NO_ASYNC_LOADING | ADMIN | NOSCRIPT, since="1.0.0")
def bgrewriteaof(call: Call) -> str:
    """Have a child process write the data anew, which replaces the append only file so far. Works with appendonly no as
    well. While another child is at work, or in a transaction, the rewrite is scheduled.

    Complexity: O(1)
    """
    server, rewrite = call.server, call.server.aof_rewrite
    if rewrite.in_progress:
        raise CommandError("ERR Background append only file rewriting already in progress")
    if server.child.alive or call.client.has(MULTI):
        rewrite.scheduled = True
        rewrite.failures = 0               # asked for by hand: at once, however many have failed
        return "Background append only file rewriting scheduled"
    if not rewrite.start():
        raise CommandError(
            "ERR Can't execute an AOF background rewriting. Please check the server logs for more information."
        )
    return "Background append only file rewriting started"
