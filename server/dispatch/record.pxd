# cython: language_level=3
"""The native side of a command: its fast path, what gates it, and its statistics. Looked up by the raw bytes of the name."""
from libc.stddef cimport size_t
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy

from cpython.ref cimport PyObject

from iothreads.message cimport Batch, Output, Request
from server.acl.permissions cimport Needs
from server.clients.client cimport Client
from server.structures.table cimport Entry, Table

ctypedef int (*fast_t)(Client client, Batch* batch, Request* request) except -1    # 1 done, 0 declined

cdef struct Event:                     # a keyspace event
    PyObject* name                     # str; NULL: nobody hears of it
    uint32_t kind                      # its class: a bit of Conditions.events

cdef struct Op:                        # one command on its way through its shape (dispatch.shapes)
    PyObject* client                   # a Client, borrowed
    Output* out                        # where the reply goes
    Batch* b
    Request* r
    Table* table                       # where the keys are
    Entry* e                           # the value at the key; NULL: there is none, or nobody looked
    uint64_t hash                      # of the key ...
    uint32_t at                        # ... which is this argument
    int how                            # what the row says: which of several commands that share their lines

ctypedef int64_t (*own_t)(Op* op) except -1        # how much was changed, or DECLINED

cdef struct Row:                       # what a fast path says of itself
    own_t own                          # its own lines; NULL: all of it is by hand
    uint32_t shape                     # and what it is made with (dispatch.shapes)
    int type                           # of the value; ANY_TYPE
    int how
    const Event* event                 # of a change

cdef struct Wish:                      # what a command that finds nothing waits for
    uint32_t first                     # arguments: the first key ...
    uint32_t end                       # ... and what stands behind the last
    int type                           # of the value that ends it
    int64_t ms                         # at most; 0: for ever
    bint on_no_key                     # it is also over when the key goes

ctypedef bint (*wish_t)(Op* op, Wish* wish, list words) except -1
    # 0: the definition's, something may be there. Otherwise the look-ups are counted; `words`, when they are filled, are
    # what is to be run in place of the request when the waiting is over

cdef extern from *:
    int __builtin_clzll(unsigned long long) nogil

cdef enum:
    LATENCY_BUCKETS = 320              # 8 per power of two of nanoseconds
    LONGEST_NS = 0x7FFFFFFFFFF         # counts in the last one, as does all that took longer

cdef inline uint64_t bucket_end(int i) noexcept:
    """The most nanoseconds that count in bucket i of a latency histogram."""
    cdef int power = (i >> 3) + 3
    return ((<uint64_t>1 << power) | (<uint64_t>(i & 7) << (power - 3))) + (<uint64_t>1 << (power - 3)) - 1

cdef enum:                             # Record.rules: its flags, as the executor asks for them
    RULE_QUEUED = 1                    # inside MULTI its words are kept, and that is all
    RULE_NOT_QUEUED = 2                # runs inside MULTI
    RULE_EXEC = 4
    RULE_SPREADS = 8                   # WRITE or MAY_REPLICATE
    RULE_SKIP_MONITOR = 16             # those who monitor are not shown it, or it sees to that itself
    RULE_LOOSE = 32                    # TOUCHES_ARBITRARY_KEYS
    RULE_GATED = 64                    # one of its gates fires without a condition that says so
    RULE_REMEMBERED = 128              # reads keys, or one of its subcommands does: client-side caching remembers which
    RULE_ONE_KEY = 512                 # its first argument is its only key
    RULE_SUBSCRIBED = 1024             # of the few that a RESP2 client with subscriptions may say
    RULE_SECRET = 2048                 # its words are shown to nobody: passwords
    RULE_NOSCRIPT = 4096               # not for scripts
    RULE_ASKING = 256                  # it is served for slots that come, too, as if ASKING had been said before it

cdef enum:                             # Record.prefetch
    AHEAD_NOTHING = 0
    AHEAD_KEY = 1                      # it is a key, whose place is fetched
    AHEAD_SUBCOMMAND = 2               # it says which subcommand: the record becomes that one's

cdef class Record:
    cdef readonly object command       # registry Command
    cdef object function               # its definition, None for a container
    cdef dict subcommands              # bytes in small letters, and in capitals -> Record; None when it has none
    cdef int name_words                # before its arguments: 1, of a subcommand 2
    cdef uint32_t rules
    cdef fast_t fast                   # NULL: none
    cdef Row row                       # of a fast path that has a shape
    cdef bint write
    cdef uint32_t kind                  # 0 reads, 1 writes, 2 neither: the class of its payload histograms
    cdef bint deny_oom
    cdef int arity
    cdef Needs needs                   # what it asks of a user
    cdef uint32_t prefetch             # what is looked up ahead, by the first argument: one of these
    cdef readonly int first_key, last_key, key_step     # arguments that are keys, as COMMAND INFO says it; first 0: ask the registry, -1: none
    cdef public uint64_t calls, rejected, failed
    cdef uint64_t nanoseconds
    cdef wish_t wish                   # NULL: it never waits, or its definition sees to that
    cdef uint64_t* latency             # LATENCY_BUCKETS counters, allocated at first use; NULL with latency-tracking no
    cdef void _first_latency(self) noexcept
    cpdef void reset_latency(self) noexcept                # forget the histogram
    cdef inline void account(self, uint64_t ns, bint tracking) noexcept:
        """One call that took so long. Complexity: O(1), a handful of instructions."""
        cdef int shift
        cdef uint64_t v
        self.calls += 1
        self.nanoseconds += ns
        if tracking:
            if self.latency == NULL:
                self._first_latency()
            v = ns | 8 if ns < LONGEST_NS else LONGEST_NS
            shift = (63 ^ __builtin_clzll(v)) - 3
            self.latency[(shift << 3) + <int>((v >> shift) & 7)] += 1

cdef struct Spelling:                  # how a short name was written
    uint64_t name                      # all of its bytes (short_name)
    size_t length                      # at most SHORT_NAME; more: of no name
    void* record

cdef enum:
    SHORT_NAME = 8

cdef Spelling last_spelling            # of the short name that was looked up last

cdef Record find_record(const char* name, size_t length)          # None when unknown; any case
cdef void* record_pointer(const char* name, size_t length) noexcept      # borrowed; NULL when unknown

cdef void* subcommand_pointer(void* container, const char* name, size_t length) noexcept     # the container itself when it is none

cdef inline uint64_t short_name(const char* name, size_t length) noexcept:
    """All of a name of 1 to SHORT_NAME bytes; together with the length no other name has it."""
    cdef uint32_t a = 0, b = 0
    cdef uint64_t whole = 0
    if length >= 4:
        memcpy(&a, name, 4)
        memcpy(&b, name + length - 4, 4)
        return a | (<uint64_t>b << 32)
    return (<uint8_t>name[0] | (<uint64_t><uint8_t>name[length >> 1] << 8) | (<uint64_t><uint8_t>name[length - 1] << 16))

cdef inline void* record_of(const char* name, size_t length) noexcept:
    """record_pointer. A pipeline mostly says the same command again, in the same letters: a short name is compared with
    the last one first."""
    if length == last_spelling.length and short_name(name, length) == last_spelling.name:
        return last_spelling.record
    return record_pointer(name, length)
