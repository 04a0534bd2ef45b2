# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Runs of neighbours in sets of slots. A set comes as the 2048 bytes of a message (cluster.slots.to_bytes)."""
from libc.stdint cimport uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.ref cimport PyObject

from iothreads.message cimport Output
from iothreads.resp_writer cimport format_unsigned, write_header, write_integer, write_raw
from server.registry.reply_writer cimport encode_reply
from server.structures.crc16 cimport CLUSTER_SLOTS

cdef extern from *:
    int __builtin_ctzll(unsigned long long) nogil

cdef extern from "Python.h":
    PyObject* PyList_GET_ITEM(object values, Py_ssize_t at)

cdef enum:
    LONGEST_RUN = 12                   # bytes of " 12345-12346"


cdef int _read(SlotBits* bits, bytes bitmap) except -1:
    if PyBytes_GET_SIZE(bitmap) != sizeof(SlotBits):
        raise ValueError("a set of slots has 2048 bytes")
    memcpy(bits, PyBytes_AS_STRING(bitmap), sizeof(SlotBits))
    return 0


cdef int _next(const SlotBits* bits, int at, uint64_t flip) noexcept nogil:
    """The first slot from `at` on that is in the set; with all bits of `flip` set, that is not. CLUSTER_SLOTS: none."""
    cdef uint64_t word
    while at < CLUSTER_SLOTS:
        word = (bits.words[at >> 6] ^ flip) >> (at & 63)
        if word:
            return at + __builtin_ctzll(word)
        at = (at | 63) + 1
    return CLUSTER_SLOTS


cdef bint _next_run(const SlotBits* bits, int* first, int* end) noexcept nogil:
    """The run behind end[0], where the one before ended; 0: there is none."""
    first[0] = _next(bits, end[0], 0)
    end[0] = _next(bits, first[0], <uint64_t>-1)
    return first[0] < CLUSTER_SLOTS


def runs_of(bytes bitmap) -> list[tuple[int, int]]:
    """First and last slot of each run, in order. Complexity: O(runs), and 256 words."""
    cdef SlotBits bits
    cdef int first, end = 0
    cdef list found = []
    _read(&bits, bitmap)
    while _next_run(&bits, &first, &end):
        found.append((first, end - 1))
    return found


def runs_text(bytes bitmap) -> str:
    """All runs as nodes.conf has them, a blank before each: " 0-10 12". Complexity: as `runs_of`."""
    cdef SlotBits bits
    cdef int first, end = 0
    cdef char* text
    cdef char* at
    _read(&bits, bitmap)
    text = at = <char*>malloc(CLUSTER_SLOTS // 2 * LONGEST_RUN)
    if text == NULL:
        raise MemoryError
    while _next_run(&bits, &first, &end):
        at[0] = c' '
        at = format_unsigned(at + 1, first)
        if end - 1 > first:
            at[0] = c'-'
            at = format_unsigned(at + 1, end - 1)
    try:
        return text[:at - text].decode("ascii")
    finally:
        free(text)


cdef class RunsReply(NativeReply):
    """The runs of a set as one array of numbers."""

    def __cinit__(self, bytes bitmap):
        _read(&self.bits, bitmap)

    cdef int write(self, Output* out, int resp) except -1:
        cdef int first, end = 0, count = 0
        while _next_run(&self.bits, &first, &end):
            count += 2
        write_header(out, c'*', count)
        end = 0
        while _next_run(&self.bits, &first, &end):
            write_integer(out, first)
            write_integer(out, end - 1)
        return 0


cdef class OwnersReply(NativeReply):
    """An array of arrays, one for each run of slots with one owner: first, last, and what `places` has for the owner.
    owners: of each slot, None for nobody."""

    def __cinit__(self, list owners, places):
        cdef int slot = 0, first
        cdef PyObject* owner
        cdef dict numbers = {}
        if len(owners) != CLUSTER_SLOTS:
            raise ValueError("each slot has an owner, or None")
        self.places = []
        self.runs = <OwnedRun*>malloc(CLUSTER_SLOTS * sizeof(OwnedRun))
        if self.runs == NULL:
            raise MemoryError
        while slot < CLUSTER_SLOTS:
            first = slot
            owner = PyList_GET_ITEM(owners, slot)
            while slot < CLUSTER_SLOTS and PyList_GET_ITEM(owners, slot) == owner:
                slot += 1
            if <object>owner is None:
                continue
            number = numbers.get(<object>owner)
            if number is None:
                number = numbers[<object>owner] = len(self.places)
                self.places.append(places[<object>owner])
            self.runs[self.count] = OwnedRun(first, slot - 1, number)
            self.count += 1

    def __dealloc__(self):
        free(self.runs)

    cdef int write(self, Output* out, int resp) except -1:
        cdef int i
        cdef list told = [b"".join([encode_reply(place, resp) for place in places]) for places in self.places]
        cdef bytes wire
        write_header(out, c'*', self.count)
        for i in range(self.count):
            wire = <bytes>told[self.runs[i].owner]
            write_header(out, c'*', 2 + len(<list>self.places[self.runs[i].owner]))
            write_integer(out, self.runs[i].first)
            write_integer(out, self.runs[i].last)
            write_raw(out, PyBytes_AS_STRING(wire), PyBytes_GET_SIZE(wire))
        return 0
