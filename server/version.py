"""The versions that the server tells: its own, which is also the distribution's (setup.cfg reads it here as text, so it
stays a literal), and the Redis it is compatible with."""

VERSION = "0.1.0"
REDIS_VERSION = "7.2.6"
