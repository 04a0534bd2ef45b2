"""Directives about who may do what, and about client-side caching."""

import hashlib
from collections.abc import Sequence
from typing import Any

from server.registry.directive import LONG_MAX, Choice, Flag, Number, Secret, Text

# What a server without ACL grants to everybody who may come in, as rules of ACL SETUSER: each of these must be said...
_EVERYTHING = (frozenset({"on"}), frozenset({"~*", "allkeys"}), frozenset({"&*", "allchannels"}),
               frozenset({"+@all", "allcommands"}))
_OF_NO_MATTER = frozenset({"sanitize-payload", "skip-sanitize-payload"})        # ...and these may be.


def _password_rules(config: Any) -> frozenset[str]:
    """Every way to write, as a rule, how the default user shows who it is."""
    secret: bytes = config.requirepass
    if not secret:
        return frozenset({"nopass"})
    return frozenset({f"#{hashlib.sha256(secret).hexdigest()}", ">" + secret.decode("utf-8", "surrogateescape")})


def is_default_user(words: Sequence[str], config: Any) -> bool:
    """Whether the words behind `user` describe what requirepass alone does: CONFIG REWRITE of Redis leaves such a line
    in every file."""
    rules = frozenset(rule if rule[:1] in "#>" else rule.lower() for rule in words[1:])
    wanted = (*_EVERYTHING, _password_rules(config))
    known = frozenset().union(_OF_NO_MATTER, *wanted)
    return words[0] == "default" and rules <= known and all(rules & one for one in wanted)


def default_user_line(config: Any) -> str:
    """That line, as CONFIG REWRITE writes it."""
    password = min(_password_rules(config))                # the hash stands before the password
    return f"user default on sanitize-payload {password} ~* &* +@all"


DIRECTIVES = (
    Secret("requirepass", "Password of the default user."),
    Text("aclfile", "", "File that holds the users; empty keeps them in the configuration file.",
         flags=Flag.IMMUTABLE, part="acl", promise=True),
    Number("acllog-max-len", 128, 0, LONG_MAX, "Refusals that ACL LOG keeps.", part="acl"),
    Choice("acl-pubsub-default", "resetchannels", ("allchannels", "resetchannels"),
           "Which channels a new user may use.", part="acl"),
    Number("tracking-table-max-keys", 1000000, 0, LONG_MAX,
           "Keys remembered for client-side caching; 0 for no limit."),
)
