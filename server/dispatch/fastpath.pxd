# cython: language_level=3
"""Fast paths: the plain form of hot commands straight on the native table and the output buffer.

A fast path may decline (return 0) as long as it has changed nothing; then the Python definition runs. It must never
differ from it. With AOF or replicas attached it feeds the command's own bytes to the propagation stream.
"""
from libc.stddef cimport size_t
from libc.stdint cimport int64_t, uint32_t, uint64_t

from iothreads.message cimport Batch, arg_at, arg_length
from iothreads.message cimport Command as Request
from server.clients.client cimport Client
from server.dispatch.propagate cimport Propagation
from server.dispatch.record cimport fast_t
from server.keyspace.database cimport Keyspace
from server.structures.table cimport ENTRY_EXPIRE, Entry, Table, entry_expire, entry_type, table_find, table_hash

cdef enum:
    FAST_RUN = 16                      # commands that fast_warm_members looks ahead; a power of two
    FAST_STRING = 1048576              # bytes: what would make a string longer is the definition's, who knows proto-max-bulk-len, which is never less
    FAST_DRAWN = 64                    # elements that one command draws at random
    FAST_KEYS = 64                     # keys of one command that a fast path takes

cdef extern from *:
    """
    #define REMUS_FAST_FAR ((int64_t)100000000000)
    """
    const int64_t FAST_FAR "REMUS_FAST_FAR"    # seconds or milliseconds: longer times to live are left to the definition's checks

cdef void bind_propagation(Propagation propagation)
cdef int fast_path(str name, fast_t fast, bint keyed=*) except -1      # declares one, at import; keyed: argument 1 is a key
cdef int attach_fast_path(dict records, str name, fast_t fast, bint keyed=*) except -1     # records by command name; keyed: argument 1 is a key
cdef bint fast_is_propagated() noexcept                             # somebody is told what writes do: the AOF, replicas
cdef void fast_written(Client c, Batch* b, Request* r, int64_t changes) noexcept    # a write took place as it was called: count it, pass its bytes on
cdef void fast_written_as(Client c, Batch* b, Request* r, int64_t changes, const char* name, const char* value, size_t length) noexcept
    # the same, but what is passed on is "name key value"
cdef bint fast_warm_members(Batch* b, Request* r, Table* members, uint32_t at=*) noexcept
    # r works on a large value, on the member in argument `at` (2). When it begins a run of commands like it in a pipeline,
    # fetch what the run will touch: 1, it was one
cdef void fast_written_with(Client c, Batch* b, Request* r, int64_t changes, uint32_t at, uint32_t count, const char** words, const size_t* lengths) noexcept
    # the same, but what is passed on has these words from index `at` on

cdef struct FastWord:
    const char* s
    size_t n

cdef void fast_written_otherwise(Client c, int64_t changes, uint32_t count, const FastWord* words) noexcept
    # the same, but what is passed on are these words
cdef struct FastPlace:                 # a key among the arguments
    Entry* e
    uint64_t hash
    uint32_t at                        # argument

cdef int fast_first(Client c, Batch* b, Request* r, uint32_t first, uint32_t end, int type, FastPlace* place) noexcept
    # the first of arguments first..end - 1 that is a key. 1: found, of this type; 0: none is there; -1: the definition's

cdef struct FastPops:                  # what LMPOP, ZMPOP and the waiting forms of them ask for
    uint32_t first                     # arguments: the keys ...
    uint32_t end                       # ... and the word behind them, which says what end
    int64_t count                      # elements, FAST_DRAWN at most

cdef bint fast_read_pops(Batch* b, Request* r, uint32_t at, FastPops* pops) noexcept   # from `numkeys` on; 0: the definition's
cdef bint fast_is_wait(Batch* b, Request* r, uint32_t at) noexcept   # a timeout in whole seconds; any other is the definition's
cdef int fast_hash_keys(Client c, Batch* b, Request* r, int first, int step, uint64_t* hashes) noexcept
    # hash every step-th argument from `first` on and fetch what they are looked up in; how many, or 0: more than FAST_KEYS
cdef bint fast_expired_key(Client c, Batch* b, Request* r, uint32_t at, uint64_t hash) noexcept
    # argument `at` is a key that is there but expired: the definition then deletes it first, and says so
cdef bint fast_number(const char* s, size_t n, long double* value) noexcept     # decimal text of ordinary length; 0 for any other
cdef bint fast_scan_words(Batch* b, Request* r, uint32_t at, uint64_t* cursor, int64_t* count) noexcept
    # cursor, which is argument `at`, and COUNT of SCAN and its like; 0 for MATCH, and for what the definition must look at
cdef int fast_write_scanned(Client c, uint64_t cursor, list found) except -1    # their reply: the next cursor, and byte strings
cdef int fast_write_list(Client c, char kind, list found) except -1             # byte strings; kind: the reply's first character
cdef int fast_overwrite(Client c, Batch* b, Request* r, Entry* e, size_t offset, bytes data) except -1
    # write over, or behind, what the string at the first key holds; e NULL: a string of zero bytes. e may move
cdef void fast_reply_string(Client c, Entry* e) noexcept            # a string value; many bytes leave without a copy

cdef inline bint fast_is_word(Batch* b, Request* r, uint32_t at, const char* lower, size_t length) noexcept:
    """Whether an argument is this word, given in small letters, in any case."""
    cdef const char* word = arg_at(b, r, at)
    cdef size_t i
    if arg_length(b, r, at) != length:
        return False
    for i in range(length):
        if word[i] | 32 != lower[i]:
            return False
    return True

cdef inline bint fast_is_char(Batch* b, Request* r, uint32_t at, char what) noexcept:
    return arg_length(b, r, at) == 1 and arg_at(b, r, at)[0] == what

cdef inline bint fast_expired(Entry* e, Keyspace shared) noexcept:
    return e.klen & ENTRY_EXPIRE and entry_expire(e) < shared.clock.unix_ms

cdef inline void fast_touch(Entry* e, Keyspace shared) noexcept:
    if shared.lfu:
        shared.touch(e)
    else:
        e.meta = (e.meta & 0xFF000000U) | shared.clock.lru

cdef inline uint64_t fast_hash_of(Batch* b, Request* r) noexcept:
    """The first key's hash: made by the prefetch of the batch, or now."""
    if r.hash == 0:
        r.hash = table_hash(arg_at(b, r, 1), arg_length(b, r, 1))
    return r.hash

cdef inline Entry* fast_find(Client c, Batch* b, Request* r) noexcept:
    """The first key's entry, NULL without one."""
    return table_find(c.db.table, arg_at(b, r, 1), arg_length(b, r, 1), fast_hash_of(b, r))

cdef inline bint fast_plain(Entry* e, int type, Keyspace shared) noexcept:
    """Whether the value is of this type and has not expired."""
    return entry_type(e) == type and not fast_expired(e, shared)

cdef inline bint fast_look(Client c, Batch* b, Request* r, int type, Entry** e) noexcept:
    """Find the first key to read it: counted and touched; *e is NULL without one. 0: not for the fast path."""
    cdef Keyspace shared = c.db.keyspace
    e[0] = fast_find(c, b, r)
    if e[0] == NULL:
        shared.misses += 1
        return True
    if not fast_plain(e[0], type, shared):
        return False
    fast_touch(e[0], shared)
    shared.hits += 1
    return True

cdef inline bint fast_change(Client c, Batch* b, Request* r, int type, Entry** e) noexcept:
    """The same to change it: touched, and counted neither as hit nor as miss."""
    e[0] = fast_find(c, b, r)
    if e[0] == NULL:
        return True
    if not fast_plain(e[0], type, c.db.keyspace):
        return False
    fast_touch(e[0], c.db.keyspace)
    return True
