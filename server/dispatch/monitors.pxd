# cython: language_level=3
"""MONITOR: every command that runs, shown to the clients that asked to see them all.

A line has the time, the database and client it came from, and the words in quotes:

    1700000000.123456 [0 127.0.0.1:50000] "set" "key" "value"

A command is shown once it has run, so that it has had its chance to replace passwords in its own words by (redacted).
Administrative commands are not shown at all, nor those that see to it themselves (RULE_SKIP_MONITOR), and a script's own
commands are marked `lua`.
"""
from iothreads.message cimport Batch, Request
from server.clients.client cimport Client

cdef int show_request(Client client, Batch* b, Request* r) except -1       # that its fast path ran; O(bytes + monitors)
