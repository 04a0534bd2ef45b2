"""EVAL, EVALSHA, FCALL and their read-only forms.

A script runs alone, sees one moment in time, and its effects reach AOF and replicas as one transaction. EVAL keeps
what it compiled under the SHA1 of the text, so EVALSHA can name it.
"""

from scripting.scripts import NO_SCRIPT, Script
from server.dispatch.call import Call
from server.registry import args
from server.registry.command import (
    MAY_REPLICATE,
    NO_MANDATORY_KEYS,
    NOSCRIPT,
    READONLY,
    SKIP_MONITOR,
    STALE,
    group,
)
from server.registry.errors import NOT_AN_INTEGER, CommandError
from server.registry.keys import ACCESS, RO, RW, UPDATE, Keys, spec
from server.registry.light import Any

command = group("scripting")

_FLAGS = NOSCRIPT | SKIP_MONITOR | MAY_REPLICATE | NO_MANDATORY_KEYS | STALE
_FLAGS_RO = NOSCRIPT | SKIP_MONITOR | NO_MANDATORY_KEYS | STALE | READONLY
_FIND = ("keynum", 0, 1, 1)
_WORST_RW = "We cannot tell how the keys will be used so we assume the worst, RW and UPDATE"
_WORST_RO = "We cannot tell how the keys will be used so we assume the worst, RO and ACCESS"


def _keys(*flags: str, notes: str = "") -> Keys:
    return Keys((spec(*flags, begin=2, find=_FIND, notes=notes),))


def _checked(rest: tuple[bytes, ...], not_a_number: str = NOT_AN_INTEGER) -> None:
    """numkeys must fit what follows it."""
    count = args.integer(rest[0], not_a_number)
    if count > len(rest) - 1:
        raise CommandError("ERR Number of keys can't be greater than number of args")
    if count < 0:
        raise CommandError("ERR Number of keys can't be negative")


def _show(call: Call) -> None:
    """MONITOR shows a script before its commands."""
    if call.server.monitors:
        call.server.feed_monitors(call)


def _run(call: Call, script: Script, rest: tuple[bytes, ...], read_only: bool) -> Any:
    scripting = call.server.scripting
    return scripting.execute(
        call,
        scripting.scripts.interpreter,
        script.function,
        script.sha,
        script.flags,
        rest,
        eval=True,
        read_only=read_only,
    )


def _eval(call: Call, text: bytes, rest: tuple[bytes, ...], read_only: bool) -> Any:
    _show(call)
    _checked(rest)
    return _run(call, call.server.scripting.scripts.load(text), rest, read_only)


def _evalsha(call: Call, sha1: bytes, rest: tuple[bytes, ...], read_only: bool) -> Any:
    _show(call)
    if len(sha1) != 40:
        raise CommandError(NO_SCRIPT)
    _checked(rest)
    script = call.server.scripting.scripts.find(sha1)
    if script is None:
        raise CommandError(NO_SCRIPT)
    return _run(call, script, rest, read_only)


@command("EVAL", arity=-3, flags=_FLAGS, keys=_keys(RW, ACCESS, UPDATE, notes=_WORST_RW), since="2.6.0",
         syntax="script numkeys [key [key ...]] [arg [arg ...]]")
def eval_(call: Call, script: bytes, *rest: bytes) -> Any:
    """Run a Lua script: the names of its keys are in KEYS, other arguments in ARGV.

    Complexity: Depends on the script that is executed.
    """
    return _eval(call, script, rest, False)


@command("EVAL_RO", arity=-3, flags=_FLAGS_RO, keys=_keys(RO, ACCESS, notes=_WORST_RO), since="7.0.0",
         syntax="script numkeys [key [key ...]] [arg [arg ...]]")
def eval_ro(call: Call, script: bytes, *rest: bytes) -> Any:
    """Run a Lua script that may not write.

    Complexity: Depends on the script that is executed.
    """
    return _eval(call, script, rest, True)


@command("EVALSHA", arity=-3, flags=_FLAGS, keys=_keys(RW, ACCESS, UPDATE), since="2.6.0",
         syntax="sha1 numkeys [key [key ...]] [arg [arg ...]]")
def evalsha(call: Call, sha1: bytes, *rest: bytes) -> Any:
    """Run a cached script by the SHA1 of its text.

    Complexity: Depends on the script that is executed.
    """
    return _evalsha(call, sha1, rest, False)


@command("EVALSHA_RO", arity=-3, flags=_FLAGS_RO, keys=_keys(RO, ACCESS), since="7.0.0",
         syntax="sha1 numkeys [key [key ...]] [arg [arg ...]]")
def evalsha_ro(call: Call, sha1: bytes, *rest: bytes) -> Any:
    """Run a cached script, which may not write, by the SHA1 of its text.

    Complexity: Depends on the script that is executed.
    """
    return _evalsha(call, sha1, rest, True)


def _fcall(call: Call, name: bytes, rest: tuple[bytes, ...], read_only: bool) -> Any:
    _show(call)
    scripting = call.server.scripting
    function = scripting.functions.find(name)
    if function is None:
        raise CommandError("ERR Function not found")
    _checked(rest, "ERR Bad number of keys provided")
    return scripting.execute(
        call,
        scripting.functions.interpreter,
        function.number,
        function.name,
        function.flags,
        rest,
        eval=False,
        read_only=read_only,
    )


@command("FCALL", arity=-3, flags=_FLAGS, keys=_keys(RW, ACCESS, UPDATE, notes=_WORST_RW), since="7.0.0",
         syntax="function numkeys [key [key ...]] [arg [arg ...]]")
def fcall(call: Call, function: bytes, *rest: bytes) -> Any:
    """Call a function of a library, with its keys and its arguments.

    Complexity: Depends on the function that is executed.
    """
    return _fcall(call, function, rest, False)


@command("FCALL_RO", arity=-3, flags=_FLAGS_RO, keys=_keys(RO, ACCESS, notes=_WORST_RO), since="7.0.0",
         syntax="function numkeys [key [key ...]] [arg [arg ...]]")
def fcall_ro(call: Call, function: bytes, *rest: bytes) -> Any:
    """Call a function that may not write.

    Complexity: Depends on the function that is executed.
    """
    return _fcall(call, function, rest, True)
