"""The flags that a script declares in its shebang line and a function when it registers."""

NO_WRITES, ALLOW_OOM, ALLOW_STALE, NO_CLUSTER, ALLOW_CROSS_SLOT_KEYS = 1, 2, 4, 8, 16

FLAGS = {
    b"no-writes": NO_WRITES,
    b"allow-oom": ALLOW_OOM,
    b"allow-stale": ALLOW_STALE,
    b"no-cluster": NO_CLUSTER,
    b"allow-cross-slot-keys": ALLOW_CROSS_SLOT_KEYS,
}


def names(flags: int) -> list[str]:
    """The names of set flags, in the order of the table."""
    return [name.decode() for name, bit in FLAGS.items() if flags & bit]
