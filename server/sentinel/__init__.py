"""Sentinel: watches masters, finds their replicas and the other sentinels, and replaces a master that is down.

A mode of the program of its own (`server.sentinel_mode` puts it together); nothing here runs in a server with keys.

    instance.py     what is watched, and the two connections to each of it
    state.py        all of them, and what is done to more than one at once
    links.py        connecting, and what is said now and then: PING, INFO, hello
    observed.py     what INFO says of an instance
    hello.py        what sentinels tell each other
    down.py         who is down, for us and for enough of us
    election.py     who may fail over, by epoch
    failover.py     the failover, state by state
    protocol.py     replies and time come in here; actions (actions.py) go out. Nothing in it knows a socket
    scripts.py      the queue of scripts to run, by the same rules
    conf_lines.py   sentinel.conf: read, and written with what must outlive a crash
    names.py        host names
    driver.py       actions carried out: links, files, processes
    commands.py, options.py, replies.py, info.py, figures.py    what is asked of a sentinel

What sentinel.conf must keep (a vote, an epoch, a promotion) is on disk before anything that follows from it is said.
"""
