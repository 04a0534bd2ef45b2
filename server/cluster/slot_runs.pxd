# cython: language_level=3
"""Replies that tell runs of slots: thousands of them where slots are scattered, without a Python object for each."""
from libc.stdint cimport uint64_t

from server.registry.reply_writer cimport NativeReply

cdef enum:
    SLOT_WORDS = 256                   # of 64 slots

cdef struct SlotBits:                  # a set of slots, slot j in bit j % 64 of word j / 64
    uint64_t words[SLOT_WORDS]

cdef class RunsReply(NativeReply):     # the runs of a set as an array: first, last, first, last...
    cdef SlotBits bits

cdef struct OwnedRun:
    int first, last
    int owner                          # which of OwnersReply.places

cdef class OwnersReply(NativeReply):   # for each run of slots that one node serves: first, last, and its places
    cdef OwnedRun* runs                # malloc
    cdef int count
    cdef list places                   # of each owner, a list of values
