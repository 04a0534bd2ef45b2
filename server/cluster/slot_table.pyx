# cython: language_level=3, boundscheck=False, wraparound=False
from libc.stdint cimport uint8_t, uint32_t
from libc.string cimport memset

from server.structures.crc16 cimport CLUSTER_SLOTS

slot_table.closed = CLOSED
MINE, LEAVING, COMING, MASTERS = SLOT_MINE, SLOT_LEAVING, SLOT_COMING, SLOT_MASTERS


cdef int _add(bytes bitmap, uint8_t bit) except -1:
    cdef const uint8_t* bits = bitmap
    cdef uint32_t slot
    if len(bitmap) != CLUSTER_SLOTS // 8:
        raise ValueError("a set of slots has 2048 bytes")
    for slot in range(CLUSTER_SLOTS):
        if bits[slot >> 3] >> (slot & 7) & 1:
            slot_table.states[slot] |= bit
    return 0


def fill(bytes mine, bytes masters, bytes held, leaving, coming) -> None:
    """What is true of all slots from now on. mine, masters, held: sets of those that we and that our master serve, and that
    are being handed over, slot j in byte j / 8, the lowest bit first; leaving, coming: numbers of those that migrate and
    that are imported. Complexity: O(slots), some 30 microseconds."""
    memset(slot_table.states, 0, sizeof(slot_table.states))
    _add(mine, SLOT_MINE)
    _add(masters, SLOT_MASTERS)
    _add(held, SLOT_HELD)
    for slot in leaving:
        slot_table.states[<uint32_t>slot] |= SLOT_LEAVING
    for slot in coming:
        slot_table.states[<uint32_t>slot] |= SLOT_COMING


def close(bint yes, bint reads=False) -> None:
    """Whether the cluster does not serve; reads: but may be read."""
    slot_table.closed = CLOSED if yes else 0
    slot_table.reads_when_closed = reads


def state_of(uint32_t slot) -> int:
    """The bits of a slot: MINE, LEAVING, COMING, MASTERS."""
    return slot_table.states[slot & (CLUSTER_SLOTS - 1)]


def is_open(uint32_t slot) -> bool:
    """Whether every command with keys of the slot alone is for us."""
    return slot_is_open(slot & (CLUSTER_SLOTS - 1))
