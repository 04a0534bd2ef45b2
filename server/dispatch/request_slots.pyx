# cython: language_level=3, boundscheck=False, wraparound=False
"""Lanes call this once for each batch of a node of a cluster (Limits.prepare), before the main thread sees it.

Slots of several keys at a time keep the processor busier than that of one between two other things, and on an I/O thread
they cost the main thread nothing. An argument that is longer than any usual key is left alone: it may be a script.
"""
from libc.stddef cimport size_t
from libc.stdint cimport uint16_t, uint32_t

from iothreads.message cimport Batch, Request, arg_at, arg_length
from server.cluster.slot_table cimport SLOT_UNKNOWN
from server.dispatch.loop cimport Loop
from server.structures.crc16 cimport crc_multiplies, key_slot
from server.structures.crc16_multiplied cimport remus_slot_multiplied

from server.dispatch.conditions import slow_because

cdef extern from *:
    """
    #define REMUS_KEY_LONGEST 256
    #define REMUS_SLOT_UNKNOWN 16384
    #ifdef REMUS_CLMUL
    /* Of `count` requests, `stride` bytes apart. places: where each word of them begins, and its length; words: the number
       of the first request's first word, and how many it has; slot: of the first one, where it goes. */
    REMUS_CLMUL static void remus_request_slots(const char *buffer, const size_t *places, const uint32_t *words,
                                                uint16_t *slot, size_t stride, uint32_t count) {
        const char *at = (const char *)words, *end = at + stride * count;
        const ptrdiff_t there = (char *)slot - at;
        for (places += 2; at != end; at += stride) {
            uint16_t found = REMUS_SLOT_UNKNOWN;
            words = (const uint32_t *)at;
            if (words[1] > 1) {
                const size_t *place = places + 2 * (size_t)words[0];
                const char *key = buffer + place[0];
                int quick = place[1] - 8 <= 8 ? remus_slot_short((const uint8_t *)key, place[1]) : -1;
                if (quick >= 0) found = (uint16_t)quick;
                else if (place[1] <= REMUS_KEY_LONGEST) found = remus_slot_any(key, place[1]);
            }
            *(uint16_t *)(at + there) = found;
        }
    }
    #else
    static void remus_request_slots(const char *buffer, const size_t *places, const uint32_t *words, uint16_t *slot,
                                    size_t stride, uint32_t count) {
        (void)buffer; (void)places; (void)words; (void)slot; (void)stride; (void)count;
    }
    #endif
    """
    const size_t REMUS_KEY_LONGEST
    void remus_request_slots(const char* buffer, const size_t* places, const uint32_t* words, uint16_t* slot, size_t stride,
                             uint32_t count) noexcept nogil

assert SLOT_UNKNOWN == 16384


cdef void note_slots(Batch* b) noexcept nogil:
    """Complexity: O(bytes of the first arguments)."""
    cdef Request* r = b.commands
    cdef Request* end = r + b.command_count
    if crc_multiplies:
        remus_request_slots(b.buffer, &b.args[0].offset, &r.first_arg, &r.slot, sizeof(Request), b.command_count)
        return
    while r < end:
        if r.arg_count > 1 and arg_length(b, r, 1) <= REMUS_KEY_LONGEST:
            r.slot = key_slot(arg_at(b, r, 1), arg_length(b, r, 1))
        else:
            r.slot = SLOT_UNKNOWN
        r += 1


def begin(Loop loop) -> None:
    """A node of a cluster, before it has clients: lanes find slots, and the door asks whose they are."""
    loop.io.limits.prepare = note_slots
    slow_because("cluster")
