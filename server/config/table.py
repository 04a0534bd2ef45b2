"""The directive table: every directive of Redis 7.2, put together from the files that declare them.

`BY_NAME` answers to names and aliases in lower case. `NOT_BUILT` names the parts of the server that do not exist yet. A
directive whose `part` is in it is accepted, kept and reported, and a log line says that nothing honours it; if it is a
`promise` (users, TLS, following a master...), a value other than the default is refused: the server does not start, and
CONFIG SET answers an error. `FILE_STATEMENTS` are the lines of a file that are no directives, under the same rule.
"""

from server.config import (
    cluster,
    encodings,
    memory,
    metrics,
    network,
    observability,
    persistence,
    process,
    replication,
    scripting,
    security,
    tls,
)
from server.registry.directive import Directive
from server.registry.light import NamedTuple

# The one place to edit when a part arrives: take it out. Names as in `part`, and what people call them.
NOT_BUILT = {
    "jemalloc": "a thread of the allocator",
    "modules": "loading native modules",
    "request log": "the request log",
    "socket marks": "marks on sockets",
}


class FileStatement(NamedTuple):
    """A line that only a file or the command line may hold, read by the room that it is about.

    part: as in a directive; such a line always promises something.
    """

    name: str
    part: str = ""

ROOMS = (network, tls, process, security, memory, encodings, persistence, replication, cluster, scripting,
         observability, metrics)
DIRECTIVES: tuple[Directive, ...] = tuple(directive for room in ROOMS for directive in room.DIRECTIVES)

FILE_STATEMENTS = {
    statement.name: statement
    for statement in (
        FileStatement("include"),
        FileStatement("loadmodule", "modules"),
        FileStatement("rename-command"),
        FileStatement("sentinel"),
        FileStatement("user"),
    )
}

BY_NAME: dict[str, Directive] = {
    name: directive for directive in DIRECTIVES for name in (directive.name, *directive.aliases)
}


def unbuilt_reason(part: str) -> str | None:
    """Why what only this part of the server can keep is refused; None when the part is there."""
    name = NOT_BUILT.get(part)
    return name and f"This server does not have {name} yet, and refuses what asks for it"


def missing_parts() -> list[str]:
    """What this server refuses to promise, as people call it."""
    promised = {directive.part for directive in DIRECTIVES if directive.promise}
    promised |= {statement.part for statement in FILE_STATEMENTS.values()}
    return [name for part, name in NOT_BUILT.items() if part in promised]
