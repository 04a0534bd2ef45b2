# cython: language_level=3
"""A set's data sheet: an intset while all members are integers, a listpack while it is small, a table beyond.

The entry's word is a bare intset (SET_INTSET), a bare listpack (SET_LISTPACK) or a Table* of bare entries (SET_TABLE).
`set-max-intset-entries` limits the first, `set-max-listpack-entries` and `set-max-listpack-value` the second; a set
never turns back by itself. The functions here work on the entry alone, so the fast paths need no view, and results of
set algebra are built in a loose entry (types.value). An empty set exists only within a command.
"""
from libc.stddef cimport size_t
from libc.stdint cimport int64_t, uint32_t, uint64_t

from iothreads.message cimport Output
from server.structures.listpack cimport LpValue
from server.structures.table cimport Entry, Table, entry_word_ref
from server.structures.table_walk cimport TableWalk
from server.types.value cimport Value

cdef enum:                             # encodings
    SET_INTSET = 0
    SET_LISTPACK = 1
    SET_TABLE = 2

cdef struct SetLimits:
    size_t intset_entries              # set-max-intset-entries
    size_t listpack_entries            # set-max-listpack-entries
    size_t listpack_value              # set-max-listpack-value, bytes

cdef struct SetWalk:                   # over all members; the set must not change meanwhile
    Entry* set_
    unsigned char* p                   # next element of a listpack
    uint32_t position                  # next number of an intset
    TableWalk table

cdef SetLimits limits

cdef class Set(Value):
    cdef list _pop_packed(self, uint64_t count)
    cdef list _keep_few(self, uint64_t keep)
    cdef list _draw_walking(self, uint64_t count)

cdef inline Table* set_table(Entry* e) noexcept nogil:                 # only with SET_TABLE
    return <Table*>entry_word_ref(e)[0]

# --- encodings
cdef void set_begin(Entry* e, const char* first, size_t n, size_t members) noexcept nogil    # word 0: an empty set fit for so many members
cdef void set_grow(Entry* e, size_t members) noexcept nogil            # due before so many members are added to a set that was there
cdef void set_as_listpack(Entry* e) noexcept nogil                     # an empty intset becomes an empty listpack
cdef void set_to_intset_if_fits(Entry* e) noexcept                     # all members are known to be integers

# --- members
cdef uint64_t set_length(Entry* e) noexcept nogil
cdef bint set_add(Entry* e, const char* s, size_t n) noexcept nogil    # 1: it is new
cdef bint set_remove(Entry* e, const char* s, size_t n) noexcept       # 1: it was there
cdef bint set_contains(Entry* e, const char* s, size_t n) noexcept nogil
cdef void set_random(Entry* e, LpValue* member) noexcept nogil         # of a set that is not empty
cdef void set_drop(Entry* e, const LpValue* member) noexcept           # the member that set_random showed

# --- the same for members as another set has them; an integer may be one without its text
cdef bint set_add_value(Entry* e, const LpValue* member) noexcept nogil
cdef bint set_remove_value(Entry* e, const LpValue* member) noexcept
cdef bint set_contains_value(Entry* e, const LpValue* member) noexcept nogil
cdef void set_walk(SetWalk* walk, Entry* e) noexcept nogil
cdef bint set_walk_next(SetWalk* walk, LpValue* member) noexcept nogil # 0 at the end

# --- replies
cdef void set_write(Entry* e, Output* out, int resp) noexcept          # a set reply of all members
