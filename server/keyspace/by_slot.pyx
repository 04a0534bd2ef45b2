# cython: language_level=3, boundscheck=False, wraparound=False
"""Keys by the slots of a cluster, of a database whose keyspace was made `by_slot`. Of another no slot has any.

The keys of a hidden slot are there for who names them, and for files; SCAN, KEYS, DBSIZE, RANDOMKEY, expiry and eviction
pass over them, and so do `count_in_slot` and `keys_in_slot`.
"""
from bisect import insort

from libc.stdint cimport uint32_t

from server.keyspace.database cimport Database, entry_key_bytes
from server.structures.crc16 cimport CLUSTER_SLOTS
from server.structures.slot_index cimport slot_index_hide
from server.structures.slot_keys cimport (table_slot_count, table_slot_walk, table_slot_walk_on, table_slots_check)
from server.structures.table cimport Entry


cdef class _Found:
    cdef list keys
    cdef Py_ssize_t limit


cdef bint _collect(void* context, Entry* e) noexcept:
    cdef _Found found = <_Found>context
    found.keys.append(entry_key_bytes(e))
    return len(found.keys) == found.limit


cdef inline int _checked(int slot) except -1:
    if not 0 <= slot < CLUSTER_SLOTS:
        raise ValueError(f"no slot {slot}")
    return slot


cdef inline bint _hides(Database db, int slot) noexcept:
    return db.table.slots != NULL and db.table.slots.hidden[slot]


def count_in_slot(Database db, int slot) -> int:
    """How many keys a slot has, expired ones included, hidden ones not. Complexity: O(1)."""
    return 0 if _hides(db, _checked(slot)) else table_slot_count(db.table, slot)


def keys_in_slot(Database db, int slot, Py_ssize_t limit=-1) -> list[bytes]:
    """Keys of a slot, expired ones included, hidden ones not: so many at most, all of them by default. Complexity: O(keys
    given)."""
    cdef _Found found = _Found.__new__(_Found)
    found.keys = []
    found.limit = limit
    if limit != 0 and not _hides(db, _checked(slot)):
        table_slot_walk(db.table, _checked(slot), _collect, <void*>found)
    return found.keys


def counts(Database db) -> list[int]:
    """How many keys each slot has. Complexity: O(slots)."""
    return [count_in_slot(db, slot) for slot in range(CLUSTER_SLOTS)]


def fullest(Database db, int most) -> list[tuple[int, int]]:
    """The slots with most keys, hidden ones not among them, and how many: so many at most, the fullest first, none
    without keys. Complexity: O(slots)."""
    cdef list found = []               # (keys, -slot), ascending
    cdef size_t keys, least = 0
    cdef int slot
    if db.table.slots == NULL or most <= 0:
        return found
    for slot in range(CLUSTER_SLOTS):
        keys = db.table.slots.of[slot].count
        if keys <= least or db.table.slots.hidden[slot]:
            continue
        insort(found, (keys, -slot))
        if len(found) > most:
            del found[0]
        if len(found) == most:
            least = found[0][0]
    return [(-negative, keys) for keys, negative in reversed(found)]


# ---- hidden slots
def hide(Database db, slots) -> None:
    """Hide the keys of slots: those that are there, and those that come. A flush does not change it. Complexity:
    O(slots)."""
    for slot in slots:
        slot_index_hide(db.table.slots, _checked(slot), True)


def show(Database db, slots) -> None:
    """Hide them no more. Complexity: O(slots)."""
    for slot in slots:
        slot_index_hide(db.table.slots, _checked(slot), False)


def is_hidden(Database db, int slot) -> bool:
    """Whether the keys of a slot are hidden."""
    return _hides(db, _checked(slot))


def hidden_count(Database db, int slot) -> int:
    """How many keys a hidden slot has. Complexity: O(1)."""
    return table_slot_count(db.table, _checked(slot)) if _hides(db, slot) else 0


def some_keys(Database db, int slot, uint32_t page, size_t effort) -> tuple[list[bytes], int]:
    """Some of a slot's keys, hidden or not, for who goes over all of them in steps: (keys, the page to go on with). page: 0
    at first; 0 comes back at the end. What comes or goes meanwhile may be met or not. Complexity: O(effort)."""
    cdef _Found found = _Found.__new__(_Found)
    found.keys = []
    found.limit = -1
    page = table_slot_walk_on(db.table, _checked(slot), page, effort, _collect, <void*>found)
    return found.keys, page


def check(Database db) -> None:
    """Assert that keys and slots agree. Complexity: O(keys + slots)."""
    table_slots_check(db.table)
