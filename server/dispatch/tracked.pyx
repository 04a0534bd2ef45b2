# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
from libc.stdint cimport uint32_t

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE

from iothreads.message cimport Batch, Request, arg_at, arg_length
from server.clients.client cimport CLIENT_BLOCKED, CLIENT_MULTI, CLIENT_PAUSED, Client
from server.clients.tracking cimport Tracker, Tracking
from server.dispatch.propagate cimport Propagation
from server.dispatch.record cimport RULE_REMEMBERED, Record
from server.structures.table cimport table_hash, table_size

tracking_ = None
cdef Propagation _propagation = None


def use(Tracking tracking, Propagation propagation) -> None:
    """Who is told; whose depth says whether a command of a client is over."""
    global tracking_, _propagation
    tracking_, _propagation = tracking, propagation


cdef inline bint _remembers(Client client) noexcept:
    return client.tracking is not None and (<Tracker>client.tracking).remembers()


cdef inline bint _too_many() noexcept:
    return tracking_.max_keys and table_size(tracking_.keys.table) > tracking_.max_keys


cdef int remember_words(Client client, Record record, list argv) except -1:
    cdef bytes key
    if not _remembers(client):
        return 0
    for reference in record.command.keys.references(argv) or ():
        key = argv[reference.position]
        tracking_.remember(client, PyBytes_AS_STRING(key), PyBytes_GET_SIZE(key),
                           table_hash(PyBytes_AS_STRING(key), PyBytes_GET_SIZE(key)))
    if _too_many():
        tracking_.limit()
    return 0


cdef int _remember_request(Client client, Batch* b, Request* r) except -1:
    cdef Record record = <Record>r.record
    cdef Record sub
    cdef uint32_t at, last
    if not _remembers(client):
        return 0
    if record.first_key <= 0:          # not to be told by places alone, or a subcommand's
        argv = [PyBytes_FromStringAndSize(arg_at(b, r, at), arg_length(b, r, at)) for at in range(r.arg_count)]
        sub = None if record.subcommands is None or len(argv) < 2 else record.subcommands.get(argv[1].lower())
        return remember_words(client, record if sub is None else sub, argv)
    last = <uint32_t>record.last_key if record.last_key >= 0 else r.arg_count + record.last_key
    at = record.first_key
    while at <= last and at < r.arg_count:
        tracking_.remember(client, arg_at(b, r, at), arg_length(b, r, at),
                           r.hash if at == 1 and r.hash else table_hash(arg_at(b, r, at), arg_length(b, r, at)))
        at += record.key_step
    if _too_many():
        tracking_.limit()
    return 0


cdef int after_fast(Client client, Batch* b, Request* r) except -1:
    if (<Record>r.record).rules & RULE_REMEMBERED:
        _remember_request(client, b, r)
    if _propagation.depth == 0:        # not inside EXEC or a script
        after_command(client, r)
    return 0


cdef int after_command(Client client, Request* r) except -1:
    """What was kept back is told, and CLIENT CACHING was for this command: unless it was CLIENT itself, or MULTI."""
    cdef Tracker tracker = client.tracking
    if tracking_.pending:
        tracking_.settle(client)
    if tracker is not None and tracker.caching and not client.state & (CLIENT_MULTI | CLIENT_PAUSED | CLIENT_BLOCKED):
        if r == NULL or r.record == NULL or not (<str>(<Record>r.record).command.name).startswith("client"):     # and "client|id"
            tracker.caching = False
    return 0
