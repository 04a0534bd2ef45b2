"""SCRIPT: the cache of EVAL's scripts, and ending one that runs for too long."""

from scripting.scripts import Scripts
from server.dispatch.call import Call
from server.registry.command import ALLOW_BUSY, LOADING, NOSCRIPT, STALE, container, group
from server.registry.errors import CommandError
from server.registry.reply import OK

command = group("scripting")
container("SCRIPT", "scripting", "Commands about the cache of Lua scripts.", since="2.6.0", acl=("-scripting",))


def _scripts(call: Call) -> Scripts:
    return call.server.scripting.scripts


@command("SCRIPT|LOAD", arity=3, flags=NOSCRIPT | STALE, since="2.6.0", syntax="script",
         tips=("request_policy:all_nodes", "response_policy:all_succeeded"))
def script_load(call: Call, script: bytes) -> bytes:
    """Compile a script and keep it; reply with the SHA1 that EVALSHA knows it by.

    Complexity: O(N) with N being the length in bytes of the script body.
    """
    return _scripts(call).load(script).sha


@command("SCRIPT|EXISTS", arity=-3, flags=NOSCRIPT, since="2.6.0", syntax="sha1 [sha1 ...]",
         tips=("request_policy:all_shards", "response_policy:agg_logical_and"))
def script_exists(call: Call, *sha1s: bytes) -> list[int]:
    """Tell for each SHA1 whether its script is in the cache: 1 or 0.

    Complexity: O(N) with N being the number of scripts to check (so checking a single script is an O(1) operation).
    """
    return [int(_scripts(call).find(sha1) is not None) for sha1 in sha1s]


@command("SCRIPT|FLUSH", arity=-2, flags=NOSCRIPT, since="2.6.0", syntax="[ASYNC | SYNC]",
         tips=("request_policy:all_nodes", "response_policy:all_succeeded"),
         history=(("6.2.0", "Added the `ASYNC` and `SYNC` flushing mode modifiers."),))
def script_flush(call: Call, *words: bytes) -> str:
    """Forget all scripts.

    Complexity: O(N) with N being the number of scripts in cache
    """
    if len(words) > 1 or (words and words[0].upper() not in (b"ASYNC", b"SYNC")):
        raise CommandError("ERR SCRIPT FLUSH only support SYNC|ASYNC option")
    _scripts(call).flush()
    return OK


@command("SCRIPT|KILL", arity=2, flags=NOSCRIPT | ALLOW_BUSY, since="2.6.0",
         tips=("request_policy:all_shards", "response_policy:one_succeeded"))
def script_kill(call: Call) -> str:
    """End the running script, unless it has written.

    Complexity: O(1)
    """
    return call.server.scripting.kill(True)


@command("SCRIPT|DEBUG", arity=3, flags=NOSCRIPT, since="3.2.0", syntax="<YES | SYNC | NO>")
def script_debug(call: Call, mode: bytes) -> str:
    """Switch the debugger for scripts on or off; this server has none.

    Complexity: O(1)
    """
    if mode.upper() == b"NO":
        return OK
    if mode.upper() in (b"YES", b"SYNC"):
        raise CommandError("ERR the debugger for Lua scripts is not offered by this server")
    raise CommandError("ERR Use SCRIPT DEBUG YES/SYNC/NO")


@command("SCRIPT|HELP", arity=2, flags=LOADING | STALE, since="5.0.0")
def script_help(call: Call) -> list[str]:
    """List the subcommands.

    Complexity: O(1)
    """
    return _HELP.splitlines()


_HELP = """\
SCRIPT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:
DEBUG (YES|SYNC|NO)
    Set the debug mode for subsequent scripts executed.
EXISTS <sha1> [<sha1> ...]
    Return information about the existence of the scripts in the script cache.
FLUSH [ASYNC|SYNC]
    Flush the Lua scripts cache. Very dangerous on replicas.
    When called without the optional mode argument, the behavior is determined by the
    lazyfree-lazy-user-flush configuration directive. Valid modes are:
    * ASYNC: Asynchronously flush the scripts cache.
    * SYNC: Synchronously flush the scripts cache.
KILL
    Kill the currently executing Lua script.
LOAD <script>
    Load a script into the scripts cache without executing it.
HELP
    Print this help."""
