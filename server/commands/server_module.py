"""MODULE: modules are shared libraries made for the C server; this server loads none and says so."""

from server.dispatch.call import Call
from server.registry.command import ADMIN, LOADING, NO_ASYNC_LOADING, NOSCRIPT, PROTECTED, STALE, container, group
from server.registry.errors import CommandError

command = group("server")
container("MODULE", "server", "Loadable modules.", since="4.0.0")

_LOADING = NO_ASYNC_LOADING | ADMIN | NOSCRIPT | PROTECTED
_NOT_OFFERED = "ERR Error loading the extension. Please check the server logs."


def _refuse(call: Call, path: bytes) -> CommandError:
    call.server.log.warning("Module %s not loaded: this server does not load modules", path.decode("utf-8", "replace"))
    return CommandError(_NOT_OFFERED)


@command("MODULE|LIST", arity=2, flags=ADMIN | NOSCRIPT, since="4.0.0", tips=("nondeterministic_output_order",))
def module_list(call: Call) -> list[object]:
    """List the modules that are loaded: none.

    Complexity: O(1)
    """
    return []


@command("MODULE|LOAD", arity=-3, flags=_LOADING, since="4.0.0", syntax="path [arg [arg ...]]")
def module_load(call: Call, path: bytes, *words: bytes) -> None:
    """Refuse to load a module; the log says why.

    Complexity: O(1)
    """
    raise _refuse(call, path)


@command("MODULE|LOADEX", arity=-3, flags=_LOADING, since="7.0.0",
         syntax="path [CONFIG name value [CONFIG name value ...]] [ARGS args [args ...]]")
def module_loadex(call: Call, path: bytes, *words: bytes) -> None:
    """Refuse to load a module with a configuration; the log says why.

    Complexity: O(1)
    """
    raise _refuse(call, path)


@command("MODULE|UNLOAD", arity=3, flags=_LOADING, since="4.0.0", syntax="name")
def module_unload(call: Call, name: bytes) -> None:
    """Refuse to unload a module: there is none.

    Complexity: O(1)
    """
    raise CommandError("ERR Error unloading module: no such module with that name")


@command("MODULE|HELP", arity=2, flags=LOADING | STALE, since="5.0.0")
def module_help(call: Call) -> list[str]:
    """List the subcommands.

    Complexity: O(1)
    """
    return [
        "MODULE <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
        "LIST",
        "    List the modules that are loaded (none: this server does not load modules).",
        "LOAD <path> [<arg> ...]",
        "    Not offered.",
        "LOADEX <path> [[CONFIG NAME VALUE] [CONFIG NAME VALUE]] [ARGS ...]",
        "    Not offered.",
        "UNLOAD <name>",
        "    Not offered.",
        "HELP",
        "    Print this help.",
    ]
