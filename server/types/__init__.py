"""What a key can hold: string, list, hash, set, sorted set, stream. One value each, choosing its own encoding.

A value lives natively behind its keyspace entry; the classes here are views of one entry, good for one command.
Called by keyspace and commands; knows structures, and nothing of clients or of who must hear of a change.
"""
