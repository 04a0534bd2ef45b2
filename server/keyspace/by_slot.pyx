# cython: language_level=3, boundscheck=False, wraparound=False
"""Keys by the slots of a cluster, of a database whose keyspace was made `by_slot`. Of another no slot has any."""
from server.keyspace.database cimport Database, entry_key_bytes
from server.structures.crc16 cimport CLUSTER_SLOTS
from server.structures.slot_keys cimport table_slot_count, table_slot_walk, table_slots_check
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


def count_in_slot(Database db, int slot) -> int:
    """How many keys a slot has, expired ones included. Complexity: O(1)."""
    return table_slot_count(db.table, _checked(slot))


def keys_in_slot(Database db, int slot, Py_ssize_t limit=-1) -> list[bytes]:
    """Keys of a slot, expired ones included: so many at most, all of them by default. Complexity: O(keys given)."""
    cdef _Found found = _Found.__new__(_Found)
    found.keys = []
    found.limit = limit
    if limit != 0:
        table_slot_walk(db.table, _checked(slot), _collect, <void*>found)
    return found.keys


def counts(Database db) -> list[int]:
    """How many keys each slot has. Complexity: O(slots)."""
    return [table_slot_count(db.table, slot) for slot in range(CLUSTER_SLOTS)]


def check(Database db) -> None:
    """Assert that keys and slots agree. Complexity: O(keys + slots)."""
    table_slots_check(db.table)
