"""Under which names the metrics port may be asked, and who is told names of keys."""

import http.client
import json
import socket
from collections.abc import Callable

import pytest

from tests.metrics.test_endpoint import get
from tests.support.server import Server, free_port


def asked(port: int, host: str, path: str = "/metrics") -> tuple[int, str]:
    """(status, body) when the port is asked for under that name."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.request("GET", path, headers={"Host": host})
        reply = connection.getresponse()
        return reply.status, reply.read().decode()
    finally:
        connection.close()


@pytest.fixture
def port() -> int:
    return free_port()


def test_names_that_only_we_have(new_server: Callable[..., Server], port: int) -> None:
    new_server(metrics_port=port)
    for host in ("localhost", "LOCALHOST.:1", "127.0.0.1", "10.1.2.3:9", f"[::1]:{port}", socket.gethostname()):
        assert asked(port, host)[0] == 200, host


@pytest.mark.parametrize("path", ["/metrics", "/", "/keys.json", "/slowlog.json", "/other"])
def test_a_name_of_somebody_else_is_refused(new_server: Callable[..., Server], port: int, path: str) -> None:
    new_server(metrics_port=port)
    status, text = asked(port, f"rebound.example:{port}", path)
    assert status == 403 and "metrics-host-names rebound.example" in text and "redis_" not in text


def test_names_that_are_configured(new_server: Callable[..., Server], port: int) -> None:
    c = new_server(metrics_port=port, metrics_host_names="redis, .Example.org").connect()
    for host, status in (("redis:9121", 200), ("a.example.org", 200), ("example.org", 403), ("badexample.org", 403)):
        assert asked(port, host)[0] == status, host
    c.ok("CONFIG", "SET", "metrics-host-names", "*")
    assert asked(port, "anything.example")[0] == 200
    c.ok("CONFIG", "SET", "metrics-host-names", "")
    assert asked(port, "redis")[0] == 403


def test_keys_are_not_named_where_the_server_would_ask_for_a_password(
    new_server: Callable[..., Server], port: int
) -> None:
    server = new_server(metrics_port=port, requirepass="secret")
    url = f"http://127.0.0.1:{port}"
    status, body = get(f"{url}/keys.json")
    assert status == 403 and "metrics-password" in json.loads(body)["refused"]
    assert get(f"{url}/metrics")[0] == 200
    c = server.connect()
    c.ok("AUTH", "secret")
    c.ok("CONFIG", "SET", "metrics-password", "other")
    assert get(f"{url}/keys.json")[0] == 401
    assert get(f"{url}/keys.json", user=":secret")[0] == 401
    assert get(f"{url}/keys.json", user=":other")[0] == 200


def test_metrics_page_keys(new_server: Callable[..., Server], port: int) -> None:
    new_server(metrics_port=port, metrics_page_keys="no")
    status, body = get(f"http://127.0.0.1:{port}/keys.json")
    assert (status, json.loads(body)) == (403, {"refused": "metrics-page-keys is no"})
