"""Replication: what a master keeps for its replicas, and what a replica does with its master.

node            this server's place: its history, who follows it, whom it follows. What other rooms know
history         replication ids, and the offsets up to which they are true
master          who follows us: PSYNC, the backlog, what was acknowledged; replica: one of them; feed: its share of the
                stream, on the way to its connection
full_sync       one snapshot for all replicas that wait, by disk or straight to their sockets
following       our master: one link after the other; handshake: what is said until the stream begins; payload: the
                snapshot as it comes
failover        FAILOVER; waiting: WAIT and WAITAOF
seams           what this room asks of those above it (server.dispatch.replicating answers)
info, debug     what INFO and DEBUG tell of it

Links and replicas are connections like others: bytes come and go through iothreads, commands of our master run in
`dispatch.loop.run_master`. The stream itself is structures.block_stream, which the append only file reads, too.
"""
