# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Intersection, union and difference of sets, without a Python object per member where none is asked for.

The inputs are views, None standing for a key that does not exist; the results of the `_set` functions are loose sets
(types.value), ready for Database.store. Their encoding follows from the order in which Redis adds members: a union or
difference starts as an intset; an intersection as what the smallest input is, and becomes an intset at the end if all
that is left are integers. So OBJECT ENCODING of a stored result is the same here.
"""
from libc.stdint cimport uint64_t

from iothreads.decimal cimport parse_int64
from server.structures.listpack cimport LpValue
from server.structures.table cimport Entry, entry_encoding
from server.types.bulk cimport element_bytes
from server.types.set cimport (SET_INTSET, SET_TABLE, Set, SetWalk, set_add_value, set_as_listpack,
                               set_contains_value, set_length, set_remove_value, set_to_intset_if_fits, set_walk,
                               set_walk_next)
from server.types.value cimport loose_value


cdef bint _in_all(list sets, const LpValue* member):
    """Whether the member is in every set behind the first; the first one again counts as itself."""
    cdef Entry* first = (<Set>sets[0]).entry
    cdef Set other
    cdef Py_ssize_t i
    for i in range(1, len(sets)):
        other = <Set>sets[i]
        if other.entry != first and not set_contains_value(other.entry, member):
            return False
    return True


cdef list _smallest_first(sets):
    return sorted(sets, key=len)


def intersection(sets) -> list[bytes]:
    """What is in all of the sets (none of them None). Complexity: O(N*M), N the smallest set, M sets."""
    cdef list ordered = _smallest_first(sets)
    cdef list found = []
    cdef SetWalk walk
    cdef LpValue member
    set_walk(&walk, (<Set>ordered[0]).entry)
    while set_walk_next(&walk, &member):
        if _in_all(ordered, &member):
            found.append(element_bytes(&member))
    return found


def intersection_size(sets, uint64_t limit) -> int:
    """How many are in all of the sets, counting no further than `limit` (0: all). Complexity: as `intersection`."""
    cdef list ordered = _smallest_first(sets)
    cdef uint64_t found = 0
    cdef SetWalk walk
    cdef LpValue member
    set_walk(&walk, (<Set>ordered[0]).entry)
    while set_walk_next(&walk, &member):
        if _in_all(ordered, &member):
            found += 1
            if found == limit:
                break
    return found


def intersection_set(sets) -> Set:
    """The intersection as a loose set. Complexity: as `intersection`."""
    cdef list ordered = _smallest_first(sets)
    cdef Entry* smallest = (<Set>ordered[0]).entry
    cdef Set result = loose_value(Set)
    cdef SetWalk walk
    cdef LpValue member
    cdef bint only_integers = True
    if entry_encoding(smallest) != SET_INTSET:
        set_as_listpack(result.entry)
    set_walk(&walk, smallest)
    while set_walk_next(&walk, &member):
        if not _in_all(ordered, &member):
            continue
        if member.s != NULL and only_integers:
            only_integers = (entry_encoding(smallest) == SET_TABLE
                             and parse_int64(member.s, member.length, &member.number))
        set_add_value(result.entry, &member)
    if only_integers and set_length(result.entry):
        set_to_intset_if_fits(result.entry)
    return result


def union_set(sets) -> Set:
    """The union as a loose set. Complexity: O(N), N the members of all sets."""
    cdef Set result = loose_value(Set)
    for source in sets:
        if source is not None:
            _add_all(result, source)
    return result


cdef int _add_all(Set result, Set source) except -1:
    cdef SetWalk walk
    cdef LpValue member
    set_walk(&walk, source.entry)
    while set_walk_next(&walk, &member):
        set_add_value(result.entry, &member)
    return 0


cdef int _remove_all(Set result, Set source) except -1:
    cdef SetWalk walk
    cdef LpValue member
    set_walk(&walk, source.entry)
    while set_walk_next(&walk, &member):
        set_remove_value(result.entry, &member)
    return 0


def difference_set(sets) -> Set:
    """What is in the first set and in no other, as a loose set.

    Either each member of the first set is looked up in the others (the largest of them first), or the members of the
    others are removed from a copy: whichever promises less work, with an advantage for looking up, which often ends
    early. Complexity: O(N*M) or O(N), N the members of the first set or of all, M sets.
    """
    cdef Set first = sets[0]
    cdef list others = [other for other in sets[1:] if other is not None]
    cdef Set result = loose_value(Set)
    if first is None or any(first.is_same(other) for other in others):
        return result
    if len(first) * (len(others) + 1) // 2 <= len(first) + sum([len(other) for other in others]):
        _add_absent(result, [first, *sorted(others, key=len, reverse=True)])
        return result
    _add_all(result, first)
    for other in others:
        _remove_all(result, other)
        if not set_length(result.entry):
            break
    return result


cdef int _add_absent(Set result, list sets) except -1:
    """Add those members of the first set that no other has."""
    cdef SetWalk walk
    cdef LpValue member
    cdef Py_ssize_t i
    cdef bint absent
    set_walk(&walk, (<Set>sets[0]).entry)
    while set_walk_next(&walk, &member):
        absent = True
        for i in range(1, len(sets)):
            if set_contains_value((<Set>sets[i]).entry, &member):
                absent = False
                break
        if absent:
            set_add_value(result.entry, &member)
    return 0
