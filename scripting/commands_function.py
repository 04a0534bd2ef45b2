"""FUNCTION: libraries of functions that stay, are saved with the data and go to replicas."""

from scripting import limits
from scripting.dump import dumped, texts_of
from scripting.flags import names
from scripting.functions import ENGINE, LOAD_TIMEOUT_MS, Functions, Library
from scripting.run import BUSY_SCRIPT
from server.clients.client import MASTER
from server.dispatch.call import Call
from server.registry.command import ALLOW_BUSY, DENYOOM, LOADING, NOSCRIPT, STALE, WRITE, container, group
from server.registry.errors import CommandError, wrong_subcommand
from server.registry.light import Any
from server.registry.reply import OK, Encoded, Pairs, SetOf
from server.registry.reply_writer import encode_reply
from server.structures import glob

command = group("scripting")
container("FUNCTION", "scripting", "Commands about libraries of functions.", since="7.0.0", acl=("-scripting",))

_ENGINE = ENGINE.encode()
_ON_SHARDS = ("request_policy:all_shards", "response_policy:all_succeeded")


def _functions(call: Call) -> Functions:
    return call.server.scripting.functions


def _timeout_ms(call: Call) -> int:
    """For how long a library may run while it is loaded; 0: what the master has loaded is loaded."""
    return 0 if call.client.has(MASTER) else LOAD_TIMEOUT_MS


@command("FUNCTION|LOAD", arity=-3, flags=NOSCRIPT | WRITE | DENYOOM, since="7.0.0", syntax="[REPLACE] function-code",
         tips=_ON_SHARDS)
def function_load(call: Call, *words: bytes) -> bytes:
    """Create a library from its text; reply with its name.

    Complexity: O(1) (considering compilation time is redundant)
    """
    for word in words[:-1]:
        if word.upper() != b"REPLACE":
            raise CommandError(b"ERR Unknown option given: " + word)
    name = _functions(call).load(words[-1], replace=len(words) > 1, timeout_ms=_timeout_ms(call))
    call.dirty += 1
    return name


@command("FUNCTION|DELETE", arity=3, flags=NOSCRIPT | WRITE, since="7.0.0", syntax="library-name", tips=_ON_SHARDS)
def function_delete(call: Call, library: bytes) -> str:
    """Delete a library and its functions.

    Complexity: O(1)
    """
    if not _functions(call).delete(library):
        raise CommandError("ERR Library not found")
    call.dirty += 1
    return OK


@command("FUNCTION|FLUSH", arity=-2, flags=NOSCRIPT | WRITE, since="7.0.0", syntax="[ASYNC | SYNC]", tips=_ON_SHARDS)
def function_flush(call: Call, *words: bytes) -> str:
    """Delete all libraries.

    Complexity: O(N) where N is the number of functions deleted
    """
    if len(words) > 1:
        raise wrong_subcommand(call.argv)
    if words and words[0].upper() not in (b"ASYNC", b"SYNC"):
        raise CommandError("ERR FUNCTION FLUSH only supports SYNC|ASYNC option")
    _functions(call).flush()
    call.dirty += 1
    return OK


@command("FUNCTION|LIST", arity=-2, flags=NOSCRIPT, since="7.0.0",
         syntax="[LIBRARYNAME library-name-pattern] [WITHCODE]", tips=("nondeterministic_output_order",))
def function_list(call: Call, *words: bytes) -> list[Encoded] | Encoded:
    """Show libraries and their functions.

    Complexity: O(N) where N is the number of functions
    """
    pattern: bytes | None = None
    with_code = False
    rest = list(words)
    while rest:
        word = rest.pop(0)
        if word.upper() == b"WITHCODE" and not with_code:
            with_code = True
        elif word.upper() == b"LIBRARYNAME" and pattern is None:
            if not rest:
                raise CommandError("ERR library name argument was not given")
            pattern = rest.pop(0)
        else:
            raise CommandError(b"ERR Unknown argument " + word)
    functions, resp = _functions(call), call.client.resp
    if pattern is None:
        return functions.told(b"LIST WITHCODE" if with_code else b"LIST",
                              lambda: [_shown(each, with_code, resp) for each in functions.libraries.values()], resp)
    return [_shown(each, with_code, resp) for each in functions.libraries.values()
            if glob.match(pattern, each.name, True)]


def _shown(library: Library, with_code: bool, resp: int) -> Encoded:
    wire = library.shown.get((with_code, resp))
    if wire is None:
        wire = library.shown[with_code, resp] = encode_reply(_described(library, with_code), resp)
    return Encoded(wire)


def _described(library: Library, with_code: bool) -> Pairs:
    functions = [
        Pairs([(b"name", f.name), (b"description", f.description), (b"flags", SetOf(names(f.flags)))])
        for f in library.functions.values()
    ]
    shown: list[tuple[Any, Any]] = [
        (b"library_name", library.name),
        (b"engine", _ENGINE),
        (b"functions", functions),
    ]
    return Pairs(shown + [(b"library_code", library.code)] * with_code)


@command("FUNCTION|DUMP", arity=2, flags=NOSCRIPT, since="7.0.0")
def function_dump(call: Call) -> Encoded:
    """Reply with all libraries in one payload for FUNCTION RESTORE.

    Complexity: O(N) where N is the number of functions
    """
    functions, compress, version = _functions(call), call.config.rdbcompression, call.config.rdb_version

    def payload() -> bytes:
        return dumped([library.code for library in functions.libraries.values()], compress=compress, version=version)

    return functions.told(b"DUMP", payload, call.client.resp)


@command("FUNCTION|RESTORE", arity=-3, flags=NOSCRIPT | WRITE | DENYOOM, since="7.0.0",
         syntax="serialized-value [FLUSH | APPEND | REPLACE]", tips=_ON_SHARDS)
def function_restore(call: Call, payload: bytes, *words: bytes) -> str:
    """Load all libraries of a payload: all of them, or none when one fails.

    Complexity: O(N) where N is the number of functions on the payload
    """
    if len(words) > 1:
        raise wrong_subcommand(call.argv)
    policy = words[0].upper() if words else b"APPEND"
    if policy not in (b"APPEND", b"REPLACE", b"FLUSH"):
        raise CommandError("ERR Wrong restore policy given, value should be either FLUSH, APPEND or REPLACE.")
    functions = _functions(call)
    restored = functions.beside()
    try:
        for text in texts_of(payload):
            restored.load(text, timeout_ms=_timeout_ms(call))
        if policy == b"FLUSH":
            functions.exchange(restored)
        else:
            functions.join(restored, replace=policy == b"REPLACE")
    except CommandError:
        restored.release()
        raise
    call.dirty += 1
    return OK


@command("FUNCTION|STATS", arity=2, flags=NOSCRIPT | ALLOW_BUSY, since="7.0.0",
         tips=("nondeterministic_output", "request_policy:all_shards", "response_policy:special"))
def function_stats(call: Call) -> dict[bytes, Any] | Encoded:
    """Show the function that runs, and how many libraries and functions there are.

    Complexity: O(1)
    """
    scripting = call.server.scripting
    run = scripting.run
    if run is not None and run.eval:
        raise CommandError(BUSY_SCRIPT)
    if run is None:
        return scripting.functions.told(b"STATS", lambda: _stats(scripting.functions, None), call.client.resp)
    running = {b"name": run.name, b"command": list(run.argv), b"duration_ms": limits.running_us() // 1000}
    return _stats(scripting.functions, running)


def _stats(functions: Functions, running: dict[bytes, Any] | None) -> dict[bytes, Any]:
    counts = {b"libraries_count": len(functions.libraries), b"functions_count": len(functions.functions)}
    return {b"running_script": running, b"engines": {_ENGINE: counts}}


@command("FUNCTION|KILL", arity=2, flags=NOSCRIPT | ALLOW_BUSY, since="7.0.0",
         tips=("request_policy:all_shards", "response_policy:one_succeeded"))
def function_kill(call: Call) -> str:
    """End the function that runs, unless it has written.

    Complexity: O(1)
    """
    return call.server.scripting.kill(False)


@command("FUNCTION|HELP", arity=2, flags=LOADING | STALE, since="7.0.0")
def function_help(call: Call) -> list[str]:
    """List the subcommands.

    Complexity: O(1)
    """
    return _HELP.splitlines()


_HELP = """\
FUNCTION <subcommand> [<arg> [value] [opt] ...]. Subcommands are:
LOAD [REPLACE] <FUNCTION CODE>
    Create a new library with the given library name and code.
DELETE <LIBRARY NAME>
    Delete the given library.
LIST [LIBRARYNAME PATTERN] [WITHCODE]
    Return general information on all the libraries:
    * Library name
    * The engine used to run the Library
    * Library description
    * Functions list
    * Library code (if WITHCODE is given)
    It also possible to get only function that matches a pattern using LIBRARYNAME argument.
STATS
    Return information about the current function running:
    * Function name
    * Command used to run the function
    * Duration in MS that the function is running
    If no function is running, return nil
    In addition, returns a list of available engines.
KILL
    Kill the current running function.
FLUSH [ASYNC|SYNC]
    Delete all the libraries.
    When called without the optional mode argument, the behavior is determined by the
    lazyfree-lazy-user-flush configuration directive. Valid modes are:
    * ASYNC: Asynchronously flush the libraries.
    * SYNC: Synchronously flush the libraries.
DUMP
    Return a serialized payload representing the current libraries, can be restored using FUNCTION RESTORE command
RESTORE <PAYLOAD> [FLUSH|APPEND|REPLACE]
    Restore the libraries represented by the given payload, it is possible to give a restore policy to
    control how to handle existing libraries (default APPEND):
    * FLUSH: delete all existing libraries.
    * APPEND: appends the restored libraries to the existing libraries. On collision, abort.
    * REPLACE: appends the restored libraries to the existing libraries, On collision, replace the old
      libraries with the new libraries (notice that even on this option there is a chance of failure
      in case of functions name collision with another library).
HELP
    Print this help."""
