# cython: language_level=3
"""A stream's entries: a rax from the ID of a node's first entry to the node, a listpack laid out as Redis does it.

    node    | count | deleted | number of fields | field ... | 0 |  entry  |  entry  | ...
    entry   | flags | ms - node's ms | seq - node's seq | [number of fields] | value ... or field value ... | elements |

The head of a node ("master entry") holds the fields of its first entry. Entries with the very same fields say so in their
flags and keep only values. An entry ends with how many elements it has, so that a node can be walked backwards; the 0 ends
the head for the same reason. A deleted entry is only flagged; a node goes when its last entry does.

The node at the end, `tail`, has spare room while entries are added to it. When the next node begins it is sealed (made
exact) and squeezed (`stream_node`): a value of `nodes` is read through `node_open`. Owner: the main thread.
"""
from libc.stddef cimport size_t
from libc.stdint cimport int64_t, uint64_t

from iothreads.message cimport Output
from server.structures.rax cimport Rax, RaxCursor, StreamId

cdef enum:                             # an entry's flags
    ENTRY_DELETED = 1
    ENTRY_SAME_FIELDS = 2              # as the node's first entry

cdef enum:
    NODE_MAX_BYTES = 1073741824        # whatever the limits say; also of one entry's strings together

cdef enum:                             # how to trim
    TRIM_NOTHING = 0
    TRIM_MAXLEN = 1
    TRIM_MINID = 2

cdef struct StreamLimits:
    size_t node_bytes                  # stream-node-max-bytes, 0 = NODE_MAX_BYTES
    int64_t node_entries               # stream-node-max-entries, 0 = any number

cdef StreamLimits limits

cdef struct StreamText:                # a field or value about to be added
    const char* s
    size_t n

cdef struct StreamLog:
    Rax* nodes                         # ID of the first entry -> node (stream_node)
    uint64_t length                    # what XLEN says: entries that are not deleted, and `surplus`
    int64_t surplus                    # of a stream loaded with a wrong length; 0: it is right
    uint64_t added                     # entries ever added (entries-added)
    StreamId first                     # of the first entry that is not deleted; 0-0 when empty
    StreamId last                      # of the last entry ever added, or what XSETID said
    StreamId max_deleted               # the highest ID that XDEL deleted
    unsigned char* tail                # the last node's listpack while it has spare room, else NULL
    size_t tail_capacity               # bytes allocated for it
    StreamId tail_id                   # its key in `nodes`

cdef struct StreamWalk:                # a walk over entries, either way; a change of the log ends it
    StreamLog* log
    RaxCursor node
    StreamId start                     # the lowest ID wanted
    StreamId end                       # the highest
    bint reverse
    bint deleted_too
    unsigned char* lp                  # the current node's listpack; NULL: go to the node under the cursor
    unsigned char* p                   # forwards: where the next entry begins, `rest` elements on; backwards: the last element of the next one
    int64_t rest
    int64_t node_fields                # number of fields in the node's head
    unsigned char* node_field          # the first of them
    # the entry that stream_walk_next found
    StreamId id
    int64_t flags
    int64_t fields                     # pairs of field and value
    unsigned char* entry               # its first element, the flags
    unsigned char* body                # its first value (ENTRY_SAME_FIELDS) or first field

cdef inline StreamId id_max() noexcept nogil:
    return StreamId(<uint64_t>-1, <uint64_t>-1)

cdef inline int id_compare(const StreamId* a, const StreamId* b) noexcept nogil:
    if a.ms != b.ms:
        return 1 if a.ms > b.ms else -1
    return 1 if a.seq > b.seq else (-1 if a.seq < b.seq else 0)

cdef inline bint stream_is_empty(const StreamLog* log) noexcept nogil:       # whatever a wrong length says
    return log.length == <uint64_t>log.surplus

cdef inline bint id_is_zero(const StreamId* id) noexcept nogil:
    return (id.ms | id.seq) == 0

cdef inline bint id_next(StreamId* id) noexcept nogil:
    """To the following ID; 0: there is none, it is 0-0 now."""
    id.seq += 1
    if id.seq == 0:
        id.ms += 1
        return id.ms != 0
    return True

cdef inline bint id_back(StreamId* id) noexcept nogil:
    """To the ID before; 0: there is none."""
    if id.seq == 0:
        if id.ms == 0:
            return False
        id.ms -= 1
    id.seq -= 1
    return True

# --- life
cdef void stream_log_init(StreamLog* log) noexcept nogil
cdef void stream_log_seal(StreamLog* log) noexcept nogil                 # no spare room: every node may be freed by its own size
cdef bint stream_log_free_step(StreamLog* log, size_t nodes) noexcept    # about so many nodes; 1 = all gone, the rax too
cdef void stream_log_copy(const StreamLog* log, StreamLog* copy) noexcept nogil      # copy is uninitialised memory
cdef size_t stream_log_memory(const StreamLog* log) noexcept nogil       # O(nodes)
cdef bint stream_log_add_node(StreamLog* log, StreamId id, unsigned char* lp) noexcept nogil
    # loading, in the order of IDs; 0: that ID is there already, else the exact listpack is the log's. The numbers are the caller's to set
cdef bint stream_node_valid(const unsigned char* lp, size_t size, bint deep) noexcept nogil    # bytes from outside: a node as above, not one byte outside

# --- entries
cdef bint stream_next_id(const StreamLog* log, uint64_t now_ms, StreamId* id) noexcept nogil   # what `*` becomes; 0: there is no higher ID
cdef void stream_append(StreamLog* log, StreamId id, const StreamText* texts, int64_t fields) noexcept nogil
    # id is above log.last, and the strings have at most NODE_MAX_BYTES together; texts: field, value, field, value ...
cdef bint stream_delete(StreamLog* log, StreamId id) noexcept nogil      # 0: not there. Sees to max_deleted and first too
cdef uint64_t stream_trim(StreamLog* log, int strategy, uint64_t maxlen, StreamId minid, bint approx, uint64_t limit) noexcept nogil
    # approx: whole nodes only; limit: at most so many entries, 0 for any number. Returns entries that went

# --- reading
cdef void stream_walk(StreamLog* log, StreamWalk* walk, StreamId start, StreamId end, bint reverse) noexcept nogil
cdef bint stream_walk_next(StreamWalk* walk) noexcept nogil              # 0: no more
cdef bint stream_has(StreamLog* log, StreamId id) noexcept nogil
cdef bint stream_edge(StreamLog* log, bint first, bint deleted_too, StreamId* id) noexcept nogil     # 0: no entry, id is untouched
cdef void stream_write_entry(StreamWalk* walk, Output* out) noexcept nogil           # [ID, [field, value, ...]] of the found entry
cdef size_t stream_write_id(Output* out, const StreamId* id) noexcept nogil          # a bulk string; the length of the text
cdef size_t format_id(char* at, const StreamId* id) noexcept nogil                   # "ms-seq", at most 41 bytes; how many
cdef struct StreamPart:                # the entries of one reply; good until the stream changes
    StreamLog* log
    StreamId start
    StreamId end
    bint reverse
    bint opened                        # the walk stands on the first entry, and its node is the one that was opened last
    StreamWalk walk
    int64_t count

cdef struct StreamSeek:                # looks for entries whose IDs mostly grow; good until the stream changes
    StreamLog* log
    bint stands                        # the walk is on an entry, the first one from some ID on
    StreamWalk walk

cdef inline void seek_begin(StreamSeek* seek, StreamLog* log) noexcept nogil:
    seek.log = log
    seek.stands = False

cdef bint seek_entry(StreamSeek* seek, StreamId id) noexcept nogil       # whether it is there; the walk is on it then

cdef bint part_find(StreamPart* part, StreamLog* log, int64_t most, int64_t limit) noexcept nogil
    # start, end and reverse are set: count what is to come, at most `most`; 0: more than `limit`
cdef void part_to_first(StreamPart* part) noexcept nogil                 # have the walk stand on the first entry, once more
cdef void part_write(StreamPart* part, Output* out) noexcept nogil       # an array of them
cdef bint read_plain_id(const char* text, size_t length, uint64_t missing, StreamId* id) noexcept nogil
    # digits or digits-digits; `missing` is the sequence where none is said. 0 for any other form, and for longer numbers
cdef const char* stream_log_check(StreamLog* log) noexcept nogil         # NULL, or what is wrong
