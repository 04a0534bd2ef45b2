"""Whether what clients were told stays true, whatever happens to the servers: histories, and what is wrong with them.

    ./dev torture consistency --minutes 30
    ./dev torture consistency --minutes 30 --cluster
    ./dev torture consistency --minutes 30 --sentinels all

Clients append to lists and set registers on a master, and read there and from two replicas (`clients`), while a nemesis
kills, pauses and cuts off (`nemesis`, of a `trio`). Each operation is written down with what was answered (`history`);
afterwards the history is checked, as Elle and Knossos do it: `lists` looks for lost, doubled and torn appends and, with
`cycles`, for transactions that no order explains; `registers` for reads and writes that no point in time explains.

With `--cluster` the servers are a cluster of six (`six`), whose clients follow redirects (`six_clients`) while, besides
all that, masters are replaced and slots move (`six_nemesis`). With `--sentinels` they are three that sentinels watch,
which replace the masters that the nemesis takes away (`failovers`).
"""
