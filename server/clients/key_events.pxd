# cython: language_level=3
"""Keyspace notifications: from an event of a key to those who listen, by the shortest way.

An event goes to two channels, `__keyspace@db__:key` and `__keyevent@db__:event`. Of the second kind there are few, so
who listens to one, by its name or by a pattern, is looked up once and kept until somebody comes or goes; a message is
then the beginning that was made in advance, and the key. The first kind has a channel for each key: it is looked at only
while somebody listens to such channels at all.

Which classes of events anybody can hear of is known to fast paths as bits (`on_audience`, dispatch.conditions): what
nobody hears costs them a test.
"""
from libc.stddef cimport size_t

cdef class Hearers:                    # who hears of one event in one database
    cdef list listening                # (beginning of a message to a RESP2, and to a RESP3 client, clients: Client -> None)

cdef class KeyEvents:
    cdef object pubsub                 # clients.pubsub.PubSub
    cdef int databases
    cdef str flags                     # notify-keyspace-events
    cdef readonly str classes          # of its classes, those that somebody may hear of
    cdef public object on_audience     # (classes), when that changes
    cdef bint to_keyspace              # somebody may listen to channels of keys
    cdef bint to_keyevent
    cdef list hearers                  # by database: event -> Hearers
    cdef int tell(self, int db, str event, const char* key, size_t length) except -1
    cdef Hearers _find(self, int db, str event)
