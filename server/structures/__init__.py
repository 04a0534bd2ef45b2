"""Compact native structures without any knowledge of a server: the keyspace table and its memory, and the encodings.

Owns: how bytes lie in memory, and the invariants of each structure (`check()` of its test face asserts them).
`block_stream` is the chain of blocks through which commands reach the append only file and replicas.
Called by: `server.types` and `server.keyspace`, and the native fast paths of `server.dispatch`.
Rules: a `.pxd` is the data sheet: each field with unit and owner, hot functions inline. Nothing here raises for lack of
memory, takes a lock or knows a client; time and random seeds come in from outside or once at load. The main thread
alone calls the table and the allocator.
"""
