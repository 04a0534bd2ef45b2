# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Intersection, union and difference of sets, without a Python object per member where none is asked for.

The inputs of what definitions call are views, None standing for a key that does not exist; the results of the `_set`
functions are loose sets (types.value), ready for Database.store. Their encoding follows from the order in which Redis adds
members: a union or difference starts as an intset; an intersection as what the smallest input is, and becomes an intset at
the end if all that is left are integers. So OBJECT ENCODING of a stored result is the same here.
"""
from libc.stdint cimport uint64_t
from libc.stdlib cimport free, malloc

from iothreads.decimal cimport parse_int64
from iothreads.resp_writer cimport write_header
from server.structures.listpack cimport LpValue
from server.structures.table cimport ENTRY_WORD, TYPE_SET, entry_encoding, entry_set_type
from server.types.bulk cimport element_bytes, write_element
from server.types.set cimport (SET_INTSET, SET_TABLE, Set, SetWalk, set_add_value, set_as_listpack, set_begin,
                               set_contains_value, set_length, set_remove_value, set_to_intset_if_fits, set_walk,
                               set_walk_next)
from server.types.value cimport loose_value


# ---- on entries
cdef void set_loose(LooseEntry* loose) noexcept:
    loose.head.klen = ENTRY_WORD
    loose.head.meta = 0
    entry_set_type(&loose.head, TYPE_SET, SET_INTSET)
    set_begin(&loose.head, "0", 1, 0)


cdef void set_order(Entry** sets, int count) noexcept:
    cdef Entry* moved
    cdef uint64_t length
    cdef int i, at
    for i in range(1, count):
        moved = sets[i]
        length = set_length(moved)
        at = i
        while at and set_length(sets[at - 1]) > length:
            sets[at] = sets[at - 1]
            at -= 1
        sets[at] = moved


cdef inline bint _in_all(Entry** sets, int count, const LpValue* member) noexcept:
    """Whether the member is in every set behind the first; the first one again counts as itself."""
    cdef int i
    for i in range(1, count):
        if sets[i] != sets[0] and not set_contains_value(sets[i], member):
            return False
    return True


cdef void set_write_intersection(Entry** sets, int count, Output* out, int resp) noexcept:
    cdef uint64_t i, found = 0
    cdef LpValue few[64]               # what small sets have in common needs no memory
    cdef LpValue* members = few
    cdef uint64_t most = set_length(sets[0])
    cdef SetWalk walk
    if most > sizeof(few) // sizeof(few[0]):
        members = <LpValue*>malloc(most * sizeof(LpValue))
    set_walk(&walk, sets[0])
    while set_walk_next(&walk, &members[found]):
        found += _in_all(sets, count, &members[found])
        if found == most:
            break
    write_header(out, c'~' if resp == 3 else c'*', found)
    for i in range(found):
        write_element(out, &members[i])
    if members != few:
        free(members)


cdef uint64_t set_count_intersection(Entry** sets, int count, uint64_t limit) noexcept:
    cdef uint64_t found = 0
    cdef SetWalk walk
    cdef LpValue member
    set_walk(&walk, sets[0])
    while set_walk_next(&walk, &member):
        if _in_all(sets, count, &member):
            found += 1
            if found == limit:
                break
    return found


cdef void set_intersect(Entry* into, Entry** sets, int count) noexcept:
    cdef int encoding = entry_encoding(sets[0])
    cdef SetWalk walk
    cdef LpValue member
    cdef bint only_integers = True
    if encoding != SET_INTSET:
        set_as_listpack(into)
    set_walk(&walk, sets[0])
    while set_walk_next(&walk, &member):
        if not _in_all(sets, count, &member):
            continue
        if member.s != NULL and only_integers:
            only_integers = encoding == SET_TABLE and parse_int64(member.s, member.length, &member.number)
        set_add_value(into, &member)
    if only_integers and set_length(into):
        set_to_intset_if_fits(into)


cdef void set_unite(Entry* into, Entry** sets, int count) noexcept:
    cdef SetWalk walk
    cdef LpValue member
    cdef int i
    for i in range(count):
        if sets[i] == NULL:
            continue
        set_walk(&walk, sets[i])
        while set_walk_next(&walk, &member):
            set_add_value(into, &member)


cdef void set_subtract(Entry* into, Entry** sets, int count) noexcept:
    """Either each member of the first set is looked up in the others, or the members of the others are removed from a copy:
    whichever promises less work, with an advantage for looking up, which often ends early. O(N*M) or O(N), N the members of
    the first set or of all, M sets."""
    cdef uint64_t all = 0
    cdef uint64_t others = 0
    cdef int i
    if sets[0] == NULL:
        return
    for i in range(1, count):
        if sets[i] == sets[0]:
            return
        if sets[i] != NULL:
            others += 1
            all += set_length(sets[i])
    if set_length(sets[0]) * (others + 1) // 2 <= set_length(sets[0]) + all:
        _add_absent(into, sets, count)
        return
    set_unite(into, sets, 1)
    for i in range(1, count):
        if not set_length(into):
            break
        if sets[i] != NULL:
            _remove_all(into, sets[i])


cdef void _add_absent(Entry* into, Entry** sets, int count) noexcept:
    """Add those members of the first set that no other has."""
    cdef SetWalk walk
    cdef LpValue member
    cdef int i
    cdef bint absent
    set_walk(&walk, sets[0])
    while set_walk_next(&walk, &member):
        absent = True
        for i in range(1, count):
            if sets[i] != NULL and set_contains_value(sets[i], &member):
                absent = False
                break
        if absent:
            set_add_value(into, &member)


cdef void _remove_all(Entry* into, Entry* source) noexcept:
    cdef SetWalk walk
    cdef LpValue member
    set_walk(&walk, source)
    while set_walk_next(&walk, &member):
        set_remove_value(into, &member)


# ---- on views
cdef class _Entries:
    """The entries of some views."""

    cdef Entry** sets
    cdef int count

    def __cinit__(self, views):
        cdef Set view
        self.count = <int>len(views)
        self.sets = <Entry**>malloc((self.count + 1) * sizeof(Entry*))
        for i, view in enumerate(views):
            self.sets[<int>i] = NULL if view is None else view.entry

    def __dealloc__(self):
        free(self.sets)


cdef _Entries _in_order(sets):
    """The smallest first."""
    return _Entries(sorted(sets, key=len))


def intersection(sets) -> list[bytes]:
    """What is in all of the sets (none of them None). Complexity: O(N*M), N the smallest set, M sets."""
    cdef _Entries inputs = _in_order(sets)
    cdef list found = []
    cdef SetWalk walk
    cdef LpValue member
    set_walk(&walk, inputs.sets[0])
    while set_walk_next(&walk, &member):
        if _in_all(inputs.sets, inputs.count, &member):
            found.append(element_bytes(&member))
    return found


def intersection_size(sets, uint64_t limit) -> int:
    """How many are in all of the sets, counting no further than `limit` (0: all). Complexity: as `intersection`."""
    cdef _Entries inputs = _in_order(sets)
    return set_count_intersection(inputs.sets, inputs.count, limit)


def intersection_set(sets) -> Set:
    """The intersection as a loose set. Complexity: as `intersection`."""
    cdef _Entries inputs = _in_order(sets)
    cdef Set result = loose_value(Set)
    set_intersect(result.entry, inputs.sets, inputs.count)
    return result


def union_set(sets) -> Set:
    """The union as a loose set. Complexity: O(N), N the members of all sets."""
    cdef _Entries inputs = _Entries(sets)
    cdef Set result = loose_value(Set)
    set_unite(result.entry, inputs.sets, inputs.count)
    return result


def difference_set(sets) -> Set:
    """What is in the first set and in no other, as a loose set. Complexity: O(N*M) or O(N), N the members of the first set
    or of all, M sets."""
    cdef _Entries inputs = _Entries(sets)
    cdef Set result = loose_value(Set)
    set_subtract(result.entry, inputs.sets, inputs.count)
    return result
