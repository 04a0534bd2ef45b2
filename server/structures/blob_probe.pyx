# cython: language_level=3
"""The test face of blobs; native code uses blob.pxd."""
from libc.string cimport memcpy

from server.structures.blob cimport Blob, blob_new, blob_release, blob_reserve, blob_try_new


cdef class BlobProbe:
    """The test face of a Blob."""

    cdef Blob* b

    def __cinit__(self, bytes data, size_t capacity):
        self.b = blob_new(data, len(data), capacity)

    def __dealloc__(self):
        if self.b != NULL:
            blob_release(self.b)

    def append(self, bytes data) -> None:
        """Append within the capacity."""
        assert self.b.length + len(data) <= self.b.capacity
        memcpy(self.b.data + self.b.length, <const char*>data, len(data))
        self.b.length += len(data)

    def reserve(self, size_t capacity) -> int:
        """Returns the capacity afterwards."""
        self.b = blob_reserve(self.b, capacity)
        return self.b.capacity

    def share(self) -> int:
        """Take and drop another reference; returns how many there were in between."""
        self.b.references += 1
        count = self.b.references
        blob_release(self.b)
        return count

    @property
    def data(self) -> bytes:
        return self.b.data[:self.b.length]

    @staticmethod
    def try_new_fails(size_t capacity) -> bool:
        cdef Blob* b = blob_try_new(NULL, 0, capacity)
        if b == NULL:
            return True
        blob_release(b)
        return False
