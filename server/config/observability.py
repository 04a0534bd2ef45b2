"""Directives about seeing inside: slow log, latency, keyspace notifications."""

from server.config.special import NotifyKeyspaceEvents, Percentiles
from server.registry.directive import LLONG_MAX, LONG_MAX, Bool, Flag, Number

DIRECTIVES = (
    Number("slowlog-log-slower-than", 10000, -1, LLONG_MAX,
           "Microseconds from which a command enters the slow log; 0 logs all, -1 none."),
    Number("slowlog-max-len", 128, 0, LONG_MAX, "Entries the slow log keeps."),
    Number("latency-monitor-threshold", 0, 0, LLONG_MAX,
           "Milliseconds from which an event is kept for LATENCY; 0 keeps none."),
    Bool("latency-tracking", True, "Keep a latency histogram per command."),
    Percentiles("latency-tracking-info-percentiles", (50.0, 99.0, 99.9),
                "Percentiles that INFO latencystats shows.", flags=Flag.MULTI_ARG),
    NotifyKeyspaceEvents("notify-keyspace-events", frozenset(),
                         "Which keyspace events are published; empty for none."),
)
