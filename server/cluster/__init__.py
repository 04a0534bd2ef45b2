"""Several servers that share one keyspace: whose slot is whose, who is alive, who replaces whom, and how keys move.

Called by dispatch and commands; speaks to other servers over links that it is given the means to open.

MIGRATE's sending side is `migrate_target`. The rest is a node of Redis Cluster as tables: no socket, no clock, no
chance of its own. `protocol.Protocol` puts it together: what comes by a link, what time brings and what an operator
asks go in, `actions` come out. Below it, each its own concern over one `view.View`: contact, gossip, failures, claims
on slots, roles, votes and election, the manual failover, replicas that move, health. `messages` is what nodes say,
`bus_format` its bytes, `bus` the links that carry them; `conf_format` and `conf_file` are nodes.conf, `founding` the
first one of each node of a new cluster. `atomic_moves` is slots that change hands at once: `atomic_export` and
`atomic_import` are the two sides of one, tables as well. `redirects`, `slot_table` and `departures` are what clients
notice; `slots` are sets of slots, `slot_runs` tells their ranges.
`dispatch.clustering` does what the actions ask for, `dispatch.slot_migrating` what those of atomic migrations do.

The words are Redis's: a PFAIL is one node's opinion, a FAIL the majority's verdict; an epoch is the clock that decides
between two claims on a slot, and never goes back.
"""
