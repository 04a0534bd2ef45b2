# cython: language_level=3
"""How Redis writes values: the bytes shared by RDB files and DUMP payloads, RDB versions 1 to 11.

    length   00llllll                          6 bits
             01llllll llllllll                 14 bits, big endian
             10000000 and 4 bytes              32 bits, big endian
             10000001 and 8 bytes              64 bits, big endian
             11eeeeee                          no length: a string in encoding e follows (RDB_INT8 ...)
    string   length, bytes
           | 11000000 int8 | 11000001 int16 | 11000010 int32                the decimal text of a number, little endian
           | 11000011 length of LZF data, length of the text, LZF data
    payload  type (1 byte), value, RDB version (2 bytes, little endian), CRC64 of all before it (8 bytes, little endian)

What follows a type byte is noted at its number. "blob" is a string that holds a whole structure.
"""

cdef enum:
    RDB_VERSION = 11                   # what Redis 7.2 writes
    RDB_OLDEST_WRITTEN = 9             # rdb-version goes down to here (Redis 5 and 6)

cdef enum:                             # strings that are not plain
    RDB_INT8 = 0
    RDB_INT16 = 1
    RDB_INT32 = 2
    RDB_LZF = 3

cdef enum:                             # types of values
    RDB_STRING = 0
    RDB_LIST = 1                       # count, strings
    RDB_SET = 2                        # count, strings
    RDB_ZSET = 3                       # count, (string, score as text)
    RDB_HASH = 4                       # count, (field, value)
    RDB_ZSET_2 = 5                     # count, (string, score as 8 bytes)
    RDB_MODULE_1 = 6
    RDB_MODULE_2 = 7
    RDB_HASH_ZIPMAP = 9                # blob
    RDB_LIST_ZIPLIST = 10              # blob
    RDB_SET_INTSET = 11                # blob
    RDB_ZSET_ZIPLIST = 12              # blob
    RDB_HASH_ZIPLIST = 13              # blob
    RDB_LIST_QUICKLIST = 14            # count, ziplist blobs
    RDB_STREAM = 15                    # see stream_reader
    RDB_HASH_LISTPACK = 16             # blob; from here on version 10
    RDB_ZSET_LISTPACK = 17             # blob
    RDB_LIST_QUICKLIST_2 = 18          # count, (container, blob)
    RDB_STREAM_2 = 19                  # with first ID, highest deleted ID, entries added, entries read
    RDB_SET_LISTPACK = 20              # blob; from here on version 11
    RDB_STREAM_3 = 21                  # with the consumers' active time
    RDB_TYPE_END = 22

cdef enum:                             # containers of RDB_LIST_QUICKLIST_2
    RDB_NODE_PLAIN = 1                 # the blob is one element
    RDB_NODE_PACKED = 2                # the blob is a listpack

cdef enum:                             # scores of RDB_ZSET: a length byte and so much text, or
    RDB_SCORE_NAN = 253
    RDB_SCORE_PLUS_INF = 254
    RDB_SCORE_MINUS_INF = 255

cdef enum:
    RDB_FOOTER = 10                    # bytes: version and CRC64
    RDB_LZF_MIN = 20                   # shorter strings are not worth a try
