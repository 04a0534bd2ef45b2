"""Clusters and sentinels (server.cluster, server.sentinel: their tables) under one virtual clock, over a network that
loses, delays and parts, by a seed.

    machine.py      a node: the protocol, its disk, a replication stream of numbers; crashes and comes back
    network.py      time, links and what befalls them
    promises.py     what must hold after every step
    world.py        a cluster, its faults, and whether all agree in the end
    store.py, guard.py, watch.py    the same for sentinels: servers with roles, sentinels with what they pledge
    figures.py      what gossip and a failover cost in a large one

No socket, no sleep: a minute of a cluster takes a fraction of a second, and a seed gives the same run every time. A
seed that broke a promise becomes a test in test_seeds.py.
"""
