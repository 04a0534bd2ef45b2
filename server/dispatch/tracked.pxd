# cython: language_level=3
"""Client-side caching at the door: what a command read, and what is told because of it (clients.tracking).

Asked only of clients that SLOW_TRACKING stands for, who track or hear for somebody who does: by `pass_again`, EXEC and
scripts after a fast path, by the executor and the loop after a definition.
"""
from libc.stdint cimport uint32_t

from iothreads.message cimport Batch, Request
from server.clients.client cimport Client
from server.clients.tracking cimport Tracking
from server.dispatch.record cimport Record

cdef Tracking tracking_

cdef int remember_words(Client client, Record record, list argv) except -1         # a definition ran; record: of the subcommand
cdef int after_fast(Client client, Batch* b, Request* r) except -1     # a fast path ran
cdef int after_command(Client client, Request* r) except -1            # a client's command is over, its reply written
