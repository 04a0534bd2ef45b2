"""The versions that the server tells: its own, and the Redis it is compatible with."""

VERSION = "0.1.0"
REDIS_VERSION = "7.2.6"
