# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""What INFO tells of subscriptions and of client-side caching, read without a call of Python's."""
from cpython.dict cimport PyDict_Size
from cpython.ref cimport PyObject
from libc.stdint cimport int64_t

from server.clients.pubsub cimport PubSub
from server.clients.tracking cimport Tracking
from server.registry.number_places cimport integer_from
from server.structures.table cimport table_size


cdef int64_t _channels(PyObject* pubsub) noexcept:
    return PyDict_Size((<PubSub>pubsub).channels)


cdef int64_t _patterns(PyObject* pubsub) noexcept:
    return PyDict_Size((<PubSub>pubsub).patterns)


cdef int64_t _shard_channels(PyObject* pubsub) noexcept:
    return PyDict_Size((<PubSub>pubsub).shard_channels)


cdef int64_t _keys(PyObject* tracking) noexcept:
    return table_size((<Tracking>tracking).keys.table)


cdef int64_t _items(PyObject* tracking) noexcept:
    return (<Tracking>tracking).keys.items


cdef int64_t _broadcasts(PyObject* tracking) noexcept:
    return PyDict_Size((<Tracking>tracking).broadcasts)


cdef int64_t _trackers(PyObject* tracking) noexcept:
    return PyDict_Size((<Tracking>tracking).clients)


integer_from(PubSub, "len(channels)", _channels)
integer_from(PubSub, "len(patterns)", _patterns)
integer_from(PubSub, "len(shard_channels)", _shard_channels)
integer_from(Tracking, "len(keys)", _keys)
integer_from(Tracking, "keys.items", _items)
integer_from(Tracking, "len(broadcasts)", _broadcasts)
integer_from(Tracking, "len(self)", _trackers)
