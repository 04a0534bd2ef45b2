# cython: language_level=3
"""What this node does for each slot, as the door asks it: a byte a slot, looked up for every command that names keys.

The cluster's view is the truth; `redirects` fills this from it, and knows the rest (who else serves a slot)."""
from libc.stdint cimport uint8_t, uint32_t

from server.structures.crc16 cimport CLUSTER_SLOTS

cdef enum:                             # SlotTable.states: bits; 0: somebody else's, or nobody's
    SLOT_MINE = 1                      # we serve it; with nothing else: whatever is asked of it
    SLOT_LEAVING = 2                   # it is migrating: keys that are not here any more are elsewhere
    SLOT_COMING = 4                    # we import it: whoever says ASKING is served
    SLOT_MASTERS = 8                   # our master serves it: those who say READONLY may read here
    SLOT_HELD = 16                     # it is being handed over: who would write waits
    CLOSED = 128                       # SlotTable.closed

cdef enum:
    SLOT_UNKNOWN = CLUSTER_SLOTS       # whichever it is: nobody has said yet, and it is not open

cdef struct SlotTable:
    uint8_t closed                     # CLOSED: the cluster does not serve; 0: it does
    bint reads_when_closed             # but may be read (cluster-allow-reads-when-down)
    uint8_t states[CLUSTER_SLOTS + 1]  # the last: SLOT_UNKNOWN

cdef SlotTable slot_table

cdef inline bint slot_is_open(uint32_t slot) noexcept nogil:
    """Whether every command with keys of the slot alone is for us."""
    return slot_table.states[slot] | slot_table.closed == SLOT_MINE
