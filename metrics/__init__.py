"""Seeing inside with Prometheus: /metrics on metrics-port, dashboards and alerts that fit its names.

endpoint    what is served at which path; begins, moves and ends with the directives
admission   under which host names it may be asked, and with which password
listener    the HTTP server: one thread for all sockets, TLS; connections has its rules, request its protocol
mailbox     how such a thread asks the main thread for something
snapshot    what the main thread answers: numbers, copied in well under a millisecond
names       which metric mirrors which INFO field where INFO's declaration does not say so itself
keys        the keys and patterns that metrics-check-keys and its kin name
replication what INFO says of replicas, masters and syncs, as families
collector   from a snapshot to prometheus-client's families; runs in the HTTP thread
family      how a family is made
exposition  from families to the text of a reply
page/       the live page at /, which plots what /metrics says while you look: readings, charts, page
dashboards/, alerts.yml, prometheus.yml     data for Grafana and Prometheus, served as they are

Loaded by server.server, and only for a server that has a metrics-port. The rule of the room: only `snapshot` and
`keys` read the state of the server, and only in the main thread; other threads see directives at most.
"""
