"""Directives about when a value leaves its compact encoding."""

from server.registry.directive import INT_MAX, INT_MIN, LLONG_MAX, LONG_MAX, Flag, Memory, Number

DIRECTIVES = (
    Number("hash-max-listpack-entries", 512, 0, LONG_MAX, "Fields up to which a hash stays a listpack.",
           aliases=("hash-max-ziplist-entries",)),
    Memory("hash-max-listpack-value", 64, 0, LONG_MAX, "Longest field or value of a hash that stays a listpack.",
           aliases=("hash-max-ziplist-value",)),
    Number("list-max-listpack-size", -2, INT_MIN, INT_MAX,
           "Size of a list's nodes: elements if positive, -1 to -5 for 4, 8, 16, 32, 64 kb.",
           aliases=("list-max-ziplist-size",)),
    Number("list-compress-depth", 0, 0, INT_MAX, "List nodes at each end that stay uncompressed; 0 compresses none.",
           flags=Flag.DEBUG),
    Number("set-max-intset-entries", 512, 0, LONG_MAX, "Members up to which a set of integers stays an intset."),
    Number("set-max-listpack-entries", 128, 0, LONG_MAX, "Members up to which a set stays a listpack."),
    Number("set-max-listpack-value", 64, 0, LONG_MAX, "Longest member of a set that stays a listpack."),
    Number("zset-max-listpack-entries", 128, 0, LONG_MAX, "Members up to which a sorted set stays a listpack.",
           aliases=("zset-max-ziplist-entries",)),
    Memory("zset-max-listpack-value", 64, 0, LONG_MAX, "Longest member of a sorted set that stays a listpack.",
           aliases=("zset-max-ziplist-value",)),
    Memory("hll-sparse-max-bytes", 3000, 0, LONG_MAX, "Bytes up to which a HyperLogLog stays sparse."),
    Memory("stream-node-max-bytes", 4096, 0, LONG_MAX, "Bytes in one node of a stream; 0 for no limit."),
    Number("stream-node-max-entries", 100, 0, LLONG_MAX, "Entries in one node of a stream; 0 for no limit."),
)
