"""Several servers that share one keyspace: whose slot is whose, who is alive, who replaces whom, and how keys move.

Called by dispatch and commands; speaks to other servers over links that it is given the means to open.

MIGRATE's sending side is `migrate_target`. `messages` is what nodes say to each other, `bus_format` its bytes. `view` is
what a node knows of all; `conf_format` and `conf_file` keep it in nodes.conf.
"""
