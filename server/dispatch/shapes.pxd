# cython: language_level=3
"""Fast paths: the plain form of hot commands straight on the native table and the output buffer.

A fast path may decline as long as it has changed and written nothing; then the Python definition runs. It must never
differ from it (tests/properties/test_fast_paths.py). Each lives next door to its definition, in commands/*_fast.pyx,
and says what it is at import:

    row("hget", READ | OR_NULL | WARM, TYPE_HASH, _hget)
    row("hset", WRITE | WARM, TYPE_HASH, _hset, "hset")
    row("hdel", TAKE | OR_ZERO | WARM, TYPE_HASH, _hdel, "hdel")

A row is a name, a shape, the type of value, the lines that are the command's own, and the keyspace event of a change.
The shape does all the rest, once for all: it finds the key, declines for another type and for what has expired, counts
hit and miss, touches (LRU, LFU), fetches memory ahead, deletes what was emptied, and tells of the change: dirty counter,
AOF and replicas, keyspace events, client-side caching. (Clients that watch or wait for a key are asked about before: `nobody_minds`.)

A command's own lines get an Op. They write the reply to op.out and return how much they changed, or DECLINED.
"""
from libc.stddef cimport size_t
from libc.stdint cimport int64_t, uint32_t, uint64_t

from cpython.dict cimport PyDict_Size

from iothreads.decimal cimport parse_int64
from iothreads.message cimport Batch, Request, arg_at, arg_length
from server.clients.client cimport Client
from server.dispatch.conditions cimport HEARD_CHANGES, state
from server.dispatch.propagate cimport Propagation
from server.dispatch.record cimport Event, Op, fast_t, own_t, wish_t
from server.structures.table cimport ENTRY_EXPIRE, Entry, Table, entry_expire, entry_type, table_find, table_hash
from server.types.value cimport Value

cdef enum:                             # shapes
    READ = 1                           # look: a hit or a miss, and touched
    LOOK = 2                           # the same without touching
    WRITE = 3                          # change or make: touched
    TAKE = 4                           # the same, and what is emptied goes
    FREE = 5                           # several keys, or none: its lines look and tell by themselves
    SHAPES = 7                         # the bits of these

cdef enum:                             # what a row adds to its shape
    OR_ZERO = 8                        # without the key the reply is 0 and that is all; of those without one of these ...
    OR_NULL = 16                       # ... the own lines run with op.e NULL
    OR_EMPTY = 32                      # an empty array
    SAYS = 64                          # its own lines say what AOF and replicas hear (pass_on...)
    WARM = 128                         # argument 2 is a member: in a pipeline on one large value, fetch what others will touch
    WARM_PLACE = 256                   # the same, and its place in the order
    UNKEYED = 512                      # argument 1 is not a key
    TYPED = 1024                       # when the key holds another type nothing else can be wrong before that is: WRONGTYPE is the reply ...
    TYPED_SHORT = 2048                 # ... with no more words than it must have
    WAKES = 4096                       # somebody may wait for argument 1: then it is run by `run_awaited` (a push to a list, for
                                       # which the door does not look, declines to all others)

cdef enum:
    DECLINED = -2                      # what own lines return ...
    REFUSED = -3                       # ... and when `refuse` has written an error
    ANY_TYPE = -1                      # for Row.type

cdef enum:
    FAST_RUN = 16                      # commands that a warming looks ahead; a power of two
    FAST_KEYS = 64                     # keys of one command that a fast path takes
    FAST_STRING = 1048576              # bytes: what would make a string longer is the definition's, who knows proto-max-bulk-len, which is never less

cdef struct Word:
    const char* s                      # NULL: a number, which is written when somebody hears it ...
    size_t n                           # ... and which this is, an int64_t

# ---- declaring one, at import
cdef int row(str name, uint32_t shape, int type, own_t own, str event=*, int how=*) except -1
cdef int by_hand(str name, fast_t fast, bint keyed=*) except -1
cdef int waits(str name, wish_t wish) except -1                # behind its row: what it waits for where there is nothing (dispatch.waking)
cdef void begin_op(Op* op, Client c, Batch* b, Request* r) noexcept    # as its shape begins
cdef const Event* event_of(str name, bint alone=*) except NULL
    # of keyspace.effects; "" is one that nobody hears of. alone: nobody who has read the key need read it again for it

# ---- telling of a change
cdef int tell_event(Client c, int db, Batch* b, Request* r, uint32_t at, const Event* event) except -1
    # of the key in argument `at`, in that database; slow half of `tell`
cdef void pass_on_own(Client c, Batch* b, Request* r) noexcept                     # the command's own bytes; slow half of `pass_on`
cdef void pass_on_words(Op* op, uint32_t count, const Word* words) noexcept        # slow half of `pass_on_as`
cdef void pass_on_with(Op* op, uint32_t at, uint32_t count, const Word* words) noexcept    # the command's own, but these from argument `at` on
cdef void pass_on_verb(Op* op, const char* name) noexcept                          # `name key`, of op.at
cdef int finish_take(Op* op, int64_t changes, const Event* event) except -1        # of a FREE command: elements of op.e are gone
cdef int missed(Client c, Batch* b, Request* r, uint32_t at) except -1             # a read found no key in argument `at`
cdef int refuse_type(Client c, Request* r, Entry* e, bint reads) except -1         # WRONGTYPE, or 0: the definition knows better
cdef Propagation propagation_

# ---- errors that are told as the definition would tell them; scripts, to which an error is no reply, and who does not expect
# one get those of the definition
cdef bint refuse_call(Client c, Request* r, bytes text) except -1      # 0: it is the definition's
cdef int64_t refuse(Op* op, bytes text) except -1        # of a word, before anything was looked up: REFUSED or DECLINED
cdef int64_t refuse_value(Op* op, bytes text) except -1  # of what the key holds, which was looked up: 0 or DECLINED

# ---- finding and making
cdef Entry* insert(Op* op, int type, int encoding, uint64_t word) except NULL      # the key at op.at, which is not there
cdef bint find_all(Op* op, uint32_t first, int64_t count, uint32_t types, Entry** entries) except -1
    # the values that `count` arguments from `first` on name are read: counted and touched; NULL: none. types: a bit for each
    # that they may have. 0: one is of another, must be deleted first, or they are more than FAST_KEYS
cdef int store_result(Op* op, Entry* result, int64_t elements, const Event* event, int64_t changes=*) except -1
    # a loose value (types.value) of so many elements goes to the key at op.at, which was looked up, and the reply says how
    # many; without elements the key goes. All is told; changes: as how many it counts. Returns 0
cdef void warm(Op* op, uint32_t at, bint place) noexcept                           # op.e: see WARM; the member is argument `at`
cdef int hash_keys(Op* op, int first, int step, uint64_t* hashes) noexcept
    # hash every step-th argument from `first` on, FAST_KEYS of them at most, and fetch what they are looked up in; how many
cdef int find_first(Op* op, uint32_t first, uint32_t end, int type) noexcept
    # the first of arguments first..end - 1 that is a key: op.e. 1: found, of this type; 0: none is there; -1: the definition's
cdef bint stands_in_queue(Op* op, uint32_t at) except -1       # slow half of `is_awaited`
cdef int overwrite(Op* op, size_t offset, bytes data) except -1
    # write over, or behind, what the string at the first key holds; op.e NULL: a string of zero bytes. op.e may move

cdef inline bint begins_run(const Batch* b) noexcept:
    """Whether a warming looks ahead from the command under way."""
    return not (b.next - 1) & (FAST_RUN - 1) and b.next < b.command_count

cdef inline Table* table_of(Client c, Request* r) noexcept:
    """Where the keys of a request are. No other line of a fast path says so."""
    return c.db.table

# ---- what the words are
cdef inline char* word_at(const Op* op, uint32_t at) noexcept:
    return arg_at(op.b, op.r, at)

cdef inline size_t length_at(const Op* op, uint32_t at) noexcept:
    return arg_length(op.b, op.r, at)

cdef inline Word word_of(const Op* op, uint32_t at) noexcept:
    return Word(arg_at(op.b, op.r, at), arg_length(op.b, op.r, at))

cdef inline Word number_word(int64_t value) noexcept:
    return Word(NULL, <size_t>value)

cdef inline bint integer_at(const Op* op, uint32_t at, int64_t* value) noexcept:
    return parse_int64(arg_at(op.b, op.r, at), arg_length(op.b, op.r, at), value)

cdef inline bint is_word(const Op* op, uint32_t at, const char* lower, size_t length) noexcept:
    """Whether an argument is this word, given in small letters, in any case."""
    cdef const char* word = arg_at(op.b, op.r, at)
    cdef size_t i
    if arg_length(op.b, op.r, at) != length:
        return False
    for i in range(length):
        if word[i] | 32 != lower[i]:
            return False
    return True

cdef inline bint is_char(const Op* op, uint32_t at, char what) noexcept:
    return arg_length(op.b, op.r, at) == 1 and arg_at(op.b, op.r, at)[0] == what

# ---- keys
cdef inline uint64_t hash_of(Batch* b, Request* r) noexcept:
    """The first key's hash: made by the prefetch of the batch, or now."""
    if r.hash == 0:
        r.hash = table_hash(arg_at(b, r, 1), arg_length(b, r, 1))
    return r.hash

cdef inline bint is_expired(Client c, const Entry* e) noexcept:
    return e.klen & ENTRY_EXPIRE and entry_expire(e) < c.db.keyspace.clock.unix_ms

cdef inline bint is_plain(Client c, const Entry* e, int type) noexcept:
    """Whether the value is of this type and has not expired."""
    return (entry_type(e) == type or type == ANY_TYPE) and not is_expired(c, e)

cdef inline void touch(Client c, Entry* e) noexcept:
    c.db.keyspace.touch(e)

cdef inline void found(Client c, Entry* e) noexcept:
    """A read found a key: the one place that knows of it, as `missed` does of the others."""
    c.db.keyspace.hits += 1

cdef inline Entry* find_at(Op* op, uint32_t at) noexcept:
    """Look up a key among the arguments: op.e."""
    op.at = at
    op.hash = hash_of(op.b, op.r) if at == 1 else table_hash(arg_at(op.b, op.r, at), arg_length(op.b, op.r, at))
    op.e = table_find(op.table, arg_at(op.b, op.r, at), arg_length(op.b, op.r, at), op.hash)
    return op.e

cdef inline bint find_live(Op* op, uint32_t at) noexcept:
    """find_at; 0 for a key that is there but expired: the definition then deletes it first, and says so."""
    return find_at(op, at) == NULL or not is_expired(<Client>op.client, op.e)

cdef inline bint has_expired(Op* op, uint32_t at, uint64_t hash) noexcept:
    """Argument `at` is a key that is there but expired: the definition then deletes it first, and says so."""
    cdef Entry* e
    if op.table.expires == 0:
        return False
    e = table_find(op.table, arg_at(op.b, op.r, at), arg_length(op.b, op.r, at), hash)
    return e != NULL and is_expired(<Client>op.client, e)

cdef bint run_awaited(Client c, Batch* b, Request* r) except -1        # the fast path of one that WAKES; the caller wakes

cdef inline bint is_awaited(Op* op, uint32_t at) except -1:
    """Whether somebody waits for argument `at` to have elements, and is not being seen to."""
    return PyDict_Size((<Client>op.client).db.blocking) != 0 and stands_in_queue(op, at)

cdef inline Value view_of(Value view, Op* op):
    """Python's view, given as `Kind.__new__(Kind)`, of op.e."""
    view.table = op.table
    view.entry = op.e
    return view

cdef inline bint find_plain(Op* op, uint32_t at, int type) noexcept:
    """find_at; whether the key is there, of this type, and has not expired."""
    return find_at(op, at) != NULL and is_plain(<Client>op.client, op.e, type)

cdef inline void looked_up(Op* op) noexcept:
    """op.e was read: a hit, and touched."""
    touch(<Client>op.client, op.e)
    found(<Client>op.client, op.e)

# ---- telling
cdef bint begin_unit() noexcept        # what is passed on until `end_unit` are several commands of one unit; 0: one is under way already
cdef int end_unit(Client c, bint began) except -1

cdef inline bint is_passed_on() noexcept:
    """Somebody hears what writes do: the AOF, replicas."""
    return propagation_.wanted

cdef inline bint hears_itself(Client c) noexcept:
    """A client that may hear of its own writes hears of them after the reply, which the way through Python sees to."""
    return state.events & ~<uint32_t>HEARD_CHANGES != 0 and c.subscriptions is not None

cdef inline void pass_on(Op* op) noexcept:
    """AOF and replicas hear the command as it was called."""
    if propagation_.wanted:
        pass_on_own(<Client>op.client, op.b, op.r)

cdef inline void pass_on_as(Op* op, uint32_t count, const Word* words) noexcept:
    """AOF and replicas hear these words."""
    if propagation_.wanted:
        pass_on_words(op, count, words)

cdef inline int notify(Op* op, uint32_t at, const Event* event) except -1:
    """The keyspace event of the key in argument `at`, and who has read that."""
    if state.events & event.kind:
        return tell_event(<Client>op.client, (<Client>op.client).db.index, op.b, op.r, at, event)
    return 0

cdef inline int notify_in(int db, Op* op, uint32_t at, const Event* event) except -1:
    """The same in another database."""
    if state.events & event.kind:
        return tell_event(<Client>op.client, db, op.b, op.r, at, event)
    return 0

cdef inline int changed(Op* op, int64_t changes, const Event* event) except -1:
    """The key at op.at was changed, and who hears of commands has been told."""
    state.dirty += changes
    return notify(op, op.at, event)

cdef inline int tell(Client c, Batch* b, Request* r, int64_t changes, const Event* event) except -1:
    """A write to the first key took place as it was called."""
    state.dirty += changes
    if propagation_.wanted:
        pass_on_own(c, b, r)
    if state.events & event.kind:
        return tell_event(c, c.db.index, b, r, 1, event)
    return 0
