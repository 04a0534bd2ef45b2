"""Directives about TLS."""

from server.registry.directive import INT_MAX, Bool, Choice, Flag, Number, Text

_PART = "tls"

DIRECTIVES = (
    Number("tls-port", 0, 0, 65535, "TCP port for TLS clients; 0 for none.", part=_PART, promise=True),
    Text("tls-cert-file", "", "The server's certificate, PEM.", optional=True, flags=Flag.VOLATILE, part=_PART),
    Text("tls-key-file", "", "The key of that certificate, PEM.", optional=True, flags=Flag.VOLATILE, part=_PART),
    Text("tls-key-file-pass", "", "Password of the key file.", optional=True, flags=Flag.SENSITIVE,
         part=_PART),
    Text("tls-client-cert-file", "", "Certificate for outgoing connections, if not the server's.", optional=True,
         flags=Flag.VOLATILE, part=_PART),
    Text("tls-client-key-file", "", "The key of that certificate.", optional=True, flags=Flag.VOLATILE, part=_PART),
    Text("tls-client-key-file-pass", "", "Password of that key file.", optional=True, flags=Flag.SENSITIVE,
         part=_PART),
    Text("tls-dh-params-file", "", "Diffie-Hellman parameters, for OpenSSL before 3.0.", optional=True,
         flags=Flag.VOLATILE, part=_PART),
    Text("tls-ca-cert-file", "", "Certificates of the authorities that are trusted.", optional=True,
         flags=Flag.VOLATILE, part=_PART),
    Text("tls-ca-cert-dir", "", "Directory of such certificates.", optional=True, flags=Flag.VOLATILE, part=_PART),
    Choice("tls-auth-clients", "yes", ("no", "yes", "optional"), "Whether clients must show a certificate.",
           part=_PART),
    Bool("tls-replication", False, "Use TLS towards the master.", part=_PART, promise=True),
    Bool("tls-cluster", False, "Use TLS on the cluster bus.", part=_PART, promise=True),
    Text("tls-protocols", "", "TLS versions to offer, such as \"TLSv1.2 TLSv1.3\".", optional=True, part=_PART),
    Text("tls-ciphers", "", "Ciphers up to TLSv1.2, in OpenSSL's notation.", optional=True, part=_PART),
    Text("tls-ciphersuites", "", "Cipher suites of TLSv1.3.", optional=True, part=_PART),
    Bool("tls-prefer-server-ciphers", False, "Let the server's order of ciphers decide.", part=_PART),
    Bool("tls-session-caching", True, "Let clients resume TLS sessions.", part=_PART),
    Number("tls-session-cache-size", 20480, 0, INT_MAX, "Sessions to remember; 0 for no limit.", part=_PART),
    Number("tls-session-cache-timeout", 300, 0, INT_MAX, "Seconds a session is remembered.", part=_PART),
    Number("tls-auto-reload-interval", 0, 0, INT_MAX, "Seconds between looks at the files: are they new? 0 for none.",
           part=_PART),
)
