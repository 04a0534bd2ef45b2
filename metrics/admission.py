"""Who may read the metrics port: under which names it may be asked, and with which password.

A page of somebody else's, open in a browser on this machine, can point a name of its own at 127.0.0.1 and then read
what it fetches from there as if it were its own (DNS rebinding). So names are admitted that nobody else can give to our
address: the address itself, localhost, this machine's name, what metrics-bind says, and those of metrics-host-names.
"""

import base64
import hmac
import ipaddress
import socket
from typing import Any

from metrics.request import Reply, Request, told


class Admission:
    """Judges requests by the directives as they are at the moment. server: its config and its authentication."""

    def __init__(self, server: Any) -> None:
        self._server = server

    def refusal(self, request: Request) -> Reply | None:
        """Why a request is not answered at all, None when it may be."""
        if not self.knows(request.host):
            remedy = f"CONFIG SET metrics-host-names {request.host}"
            return told(403, f"This server does not know the name {request.host!r}. If it is one of its own: {remedy}")
        if not self.admits(request.headers.get("authorization", "")):
            how = 'Basic realm="metrics", charset="UTF-8"'
            return told(401, "metrics-user and metrics-password, please.", ("WWW-Authenticate", how))
        return None

    def knows(self, host: str) -> bool:
        """Whether a request may name that host. "" is a request of HTTP/1.0, which no browser sends."""
        if not host or is_address(host):
            return True
        config = self._server.config
        if host in ("localhost", socket.gethostname().lower(), config.metrics_bind.lower()):
            return True
        return any(fits(host, each.strip().lower()) for each in config.metrics_host_names.split(","))

    def admits(self, authorization: str) -> bool:
        """Whether a request shows metrics-user and metrics-password; anyone is welcome without a password."""
        config = self._server.config
        if not config.metrics_password:
            return True
        expected = config.metrics_user.encode("utf-8", "surrogateescape") + b":" + config.metrics_password
        scheme, _, shown = authorization.partition(" ")
        try:
            given = base64.b64decode(shown.strip(), validate=True)
        except ValueError:
            return False
        return scheme.lower() == "basic" and hmac.compare_digest(given, expected)

    def names_keys(self) -> str:
        """Why keys are not named to those who are admitted; "" when they are.

        Who has no password learns no key from the server itself, so it must not from its page.
        """
        if not self._server.config.metrics_page_keys:
            return "metrics-page-keys is no"
        if not self._server.config.metrics_password and not self._server.authentication.open:
            return "the server has a password, this page has none: set metrics-password"
        return ""


def is_address(host: str) -> bool:
    """Whether that is an IP address, which no name server can turn into another one."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def fits(host: str, allowed: str) -> bool:
    """Whether an item of metrics-host-names means that host: itself, `.example.org` all below it, `*` any."""
    return allowed in ("*", host) or (allowed.startswith(".") and host.endswith(allowed))
