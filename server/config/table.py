"""The directive table: every directive of Redis 7.2, put together from the files that declare them.

`BY_NAME` answers to names and aliases in lower case. `NOT_BUILT` names the parts of the server that do not exist yet:
a directive whose `part` is in it is accepted, kept and reported, and a log line says that nothing honours it.
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

# The one place to edit when a part arrives: take its name out.
NOT_BUILT = frozenset(
    {
        "acl",
        "client tracking",
        "cluster",
        "defragmentation",
        "jemalloc",
        "replication",
        "request log",
        "scripting",
        "tls",
        "watchdog",
    }
)

DIRECTIVES: tuple[Directive, ...] = tuple(
    directive
    for room in (
        network,
        tls,
        process,
        security,
        memory,
        encodings,
        persistence,
        replication,
        cluster,
        scripting,
        observability,
        metrics,
    )
    for directive in room.DIRECTIVES
)

BY_NAME: dict[str, Directive] = {
    name: directive for directive in DIRECTIVES for name in (directive.name, *directive.aliases)
}
