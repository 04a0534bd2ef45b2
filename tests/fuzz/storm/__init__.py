"""The storm: commands made from COMMAND DOCS, with values nobody should send, on many connections at once.

    ./dev torture storm --minutes 10                one episode after another
    ./dev torture storm --seed 7 --episode 3        that one again
    ./dev torture storm --partner                   the same commands to a real redis-server, replies compared

What an *episode* (episode.py) sends is decided by its seed and number: commands of the grammar (grammar.py, from the
server's own COMMAND DOCS; values.py), plain, in transactions and in scripts (requests.py), from clients that come,
listen, block, are killed and go (players.py), while settings change (settings.py). Every connection is held to the
protocol: one well-formed reply for each request. Between rounds oracles.py asks whether what is in memory survives
reload, replay, rewrite and kill -9, and whether the server made mistakes. partner.py plays the commands of one
connection to two servers and compares. A finding (findings.py) is written down with its seed and what was sent last.

How connections take turns within the server is not decided by the seed: a finding that depends on it may want
several tries.

Its parts know nothing of pytest; tests/fuzz/test_storm.py plays a short form in CI.
"""
