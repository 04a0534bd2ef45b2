# cython: language_level=3
"""The event loop of the main thread. The only room that talks to iothreads.handoff."""
from libc.stddef cimport size_t
from libc.stdint cimport int64_t, uint64_t

from cpython.ref cimport PyObject

from iothreads.handoff cimport Event, IOThreads
from iothreads.link cimport Links
from iothreads.message cimport Batch, Request
from iothreads.tls cimport TlsContext
from server.clients.client cimport Client
from server.dispatch.executor cimport Executor
from server.dispatch.load cimport Load
from server.dispatch.propagate cimport Propagation
from server.dispatch.record cimport Record
from server.dispatch.sampling cimport Sampling
from server.dispatch.timers cimport Timers
from server.keyspace.lazyfree cimport LazyFree

cdef class Loop:
    cdef readonly IOThreads io
    cdef readonly Links links          # connections that are no clients
    cdef object server
    cdef Executor executor
    cdef dict connected                # client id -> Client: keeps alive what lanes know as a cookie
    cdef public list to_flush          # clients with output
    cdef public list to_close          # clients to be closed
    cdef public list to_resume         # clients that may go on with their batch
    cdef readonly list before_sleep    # change it by attend()
    cdef readonly Sampling sampling    # hot keys
    cdef readonly Load load            # how long batches wait, how large requests and replies are
    cdef Propagation propagation
    cdef LazyFree lazyfree
    cdef public object on_accept       # (fd, listener index, error) -> Client or None (refused; the hook closed the fd)
    cdef public object on_closed       # (client)
    cdef public object on_secured      # (client): it is through its handshake
    cdef public object on_transport_failed     # (client, why); on_closed follows
    cdef public TlsContext tls         # of clients that come to a listener whose kind is tls
    cdef list secured                  # which listeners are
    cdef public object on_output       # (client): its replies that wait are at least output_watermark; may close it
    cdef public uint64_t output_watermark      # bytes
    cdef public uint64_t stranger_watermark    # the same of who has not said who it is
    cdef public object on_flushed      # (clients): what their sockets would take has left; may close some. None = not asked for
    cdef public object on_group        # (clients): their batches are about to be executed; may close some. None = not asked for
    cdef public object on_applied      # (database of the last command): commands of our master were applied
    cdef public object on_master_error         # (client, reply): a command of our master failed here
    cdef public object run_import      # (loop, client): execute a batch of who sends us slots (arriving_slots)
    cdef public bytes unapplied        # of our master's stream: a transaction that is not over
    cdef int applied_db
    cdef readonly Timers timers
    cdef public bint stopping
    cdef Client protected              # its command serves other clients meanwhile: not forgotten before that is over
    cdef PyObject** group              # clients whose batches are being executed
    cdef int group_count, group_at     # how many, and which comes next
    cdef list gone                     # protected clients whose connection went
    cdef public uint64_t cycles        # eventloop_cycles
    cdef public uint64_t duration_us   # eventloop_duration_sum
    cdef public uint64_t command_us    # eventloop_duration_cmd_sum
    cdef public uint64_t longest_us    # eventloop_duration_max since the last reset
    cdef public uint64_t commands_per_cycle_max
    cdef int run_batch(self, Client client) except -1
    cdef int run_commands(self, Client client) except -1
    cdef int broke_off(self, Client client, list argv, size_t written, uint64_t turn) except -1
    cdef bint call_hook(self, hook) except -1
    cdef int check_output(self, Client client) except -1
    cdef int64_t turn(self, int64_t started, int timeout_ms) except? -1
    cdef int pick_up(self) except -1
    cdef int account(self, int64_t worked_us) except -1
    cdef int handle_events(self) except -1
    cdef int handle_event(self, Event* event) except -1
    cdef int accept(self, int fd, int listener, int error) except -1
    cdef int accept_secured(self, Client client, int fd) except -1
    cdef int transport_failed(self, Client client, bytes reason) except -1
    cdef int forget(self, Client client) except -1
    cdef int execute_group(self, PyObject** group, int count) except -1
    cdef int rest_of_group(self) except -1
    cdef void warm_buckets(self, Client client) noexcept
    cdef void warm_entries(self, Client client) noexcept
    cdef void warm_chains(self, Client client) noexcept
    cdef int run_master(self, Client client) except -1
    cdef int pass_on_master(self, Client client, Batch* b, size_t start, size_t done) except -1
    cdef int run_slow(self, Client client, Batch* b, Request* r) except -1
    cdef int hold(self, Client client) except -1
    cdef int finish(self, Client client) except -1
    cdef void give_back(self, Batch* b) noexcept
    cdef int answered(self, Client client) except -1
    cdef int resume_all(self) except -1
    cdef int flush(self) except -1
