"""Directives about the metrics port and about what is told of keys. Redis has none of them."""

from server.registry.directive import Bool, Flag, Number, Secret, Text

DIRECTIVES = (
    Number("metrics-port", 0, 0, 65535, "TCP port that serves /metrics to Prometheus; 0 for none."),
    Text("metrics-bind", "127.0.0.1", "The one address on which the metrics port listens."),
    Text("metrics-host-names", "", "Host names under which the metrics port may be asked, beside this machine's own.",
         optional=True),
    Text("metrics-user", "", "User that a scrape must name if there is a metrics-password.", optional=True),
    Secret("metrics-password", "Password that a scrape must show (HTTP basic authentication); empty for none."),
    Text("metrics-tls-cert-file", "", "Certificate of the metrics port, PEM; with one it speaks HTTPS only.",
         optional=True, flags=Flag.VOLATILE),
    Text("metrics-tls-key-file", "", "The key of that certificate, PEM.", optional=True, flags=Flag.VOLATILE),
    Text("metrics-tls-ca-cert-file", "", "Authorities that are trusted; with some, a scraper must show a certificate.",
         optional=True, flags=Flag.VOLATILE),
    Text("metrics-check-single-keys", "", "Keys whose size and value are shown: db0=counter,db3=queue.", optional=True),
    Text("metrics-check-keys", "", "Patterns of such keys, found by a walk over the database at each scrape.",
         optional=True),
    Text("metrics-check-prefixes", "", "Separators by which keys are grouped, by such a walk: db0=:.", optional=True),
    Number("metrics-hot-keys", 0, 0, 100, "Hot keys that are shown as series with their names; 0 for none."),
    Number("metrics-big-keys", 0, 0, 16, "Biggest keys of each type that are shown so; 0 for none."),
    Number("metrics-hot-slots", 0, 0, 100,
           "Slots of a cluster shown as series: with most keys, and those that take most time; 0 for none."),
    Bool("metrics-page-keys", True, "The live page names hot and big keys."),
    Number("hot-keys-sample", 64, 0, 1 << 31, "One in so many commands is looked at for hot keys; 0 for none."),
    Number("big-keys-walk", 200, 0, 100000,
           "Microseconds in each tenth of a second for the search for the biggest keys; 0 for none."),
    Text("metrics-count-keys", "", "Patterns whose keys are counted by such a walk: db0=user:*.", optional=True),
)
