"""Nothing to see from Python: the native half of `types.stream`."""
