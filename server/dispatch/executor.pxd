# cython: language_level=3
"""From words to a reply: lookup, arity, gates, MULTI queue, and the call with its accounting."""
from libc.stdint cimport int64_t

from iothreads.message cimport Batch, Request
from server.clients.client cimport Client
from server.dispatch.call cimport Call
from server.dispatch.propagate cimport Propagation
from server.dispatch.record cimport Record
from server.observe.error_counts cimport ErrorCounts

cdef class Executor:
    cdef readonly object server
    cdef Propagation propagation
    cdef ErrorCounts errors            # of error replies
    cdef public int64_t dirty          # rdb_changes_since_last_save, without the fast paths' share
    cdef public int64_t commands       # total_commands_processed, likewise
    cdef public object ready_keys      # keys that blocked clients wait for and that changed; empty most of the time
    cdef public object note_ready_key  # (db, key): it is one of those
    cdef public object serve_ready_keys        # () -> runs what waits for them (clients.blocking)
    cdef object cross_protocol         # what meets HTTP (clients.cross_protocol)
    cdef int process(self, Client client, list argv, void* known) except -1     # known: the record of argv[0], NULL = to be looked up
    cdef int _process_gated(self, Client client, list argv) except -1
    cdef int _process_carefully(self, Client client, list argv) except -1
    cdef int _run_quietly(self, Call call, Record record) except -1
    cdef int _run_for_client(self, Call call, Record record) except -1
    cdef int _run_holding_pushes(self, Call call, Record record) except -1
    cdef int run_again(self, Client client, list argv) except -1
    cdef bint _fast_again(self, Client client) except -1
    cdef bint _fast_in_other_words(self, Client client, list argv) except -1
    cdef bint _fast_once_more(self, Client client, Batch* b, Request* r) except -1
    cdef int _reject(self, Client client, command, error) except -1
    cdef object call(self, Call call, Record record, bint count_errors)
    cdef int _propagate(self, Call call, Record record) except -1
    cdef int _write_or_skip(self, Client client, reply) except -1
