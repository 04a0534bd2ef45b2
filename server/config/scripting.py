"""Directives about long running scripts."""

from server.registry.directive import LONG_MAX, Number

DIRECTIVES = (
    Number("busy-reply-threshold", 5000, 0, LONG_MAX,
           "Milliseconds a script may run before other clients are told that the server is busy.",
           aliases=("lua-time-limit",)),
)
