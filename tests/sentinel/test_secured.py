"""Passwords, users and TLS: sentinels that watch servers which let in only those who say who they are."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.certificates import Authority
from tests.support.pace import wait_until
from tests.support.sentinels import HURRY, NAME, OurSentinel, Watch, answers
from tests.support.server import Server, free_port

GUARD = "user guard on >secret ~* &* +@all"


@pytest.mark.timeout(120)
def test_a_user_of_the_servers_and_one_of_the_sentinels(tmp_path: Path) -> None:
    lines = [f"sentinel auth-user {NAME} guard", f"sentinel auth-pass {NAME} secret",
             "sentinel sentinel-user guard", "sentinel sentinel-pass secret", GUARD]
    with Watch(tmp_path, [OurSentinel] * 2, [Server] * 2, lines=lines, config=f"{GUARD}\n", masteruser="guard",
               masterauth="secret") as watch:
        watch.ready()
        for process in (*watch.servers, *watch.sentinels):
            with process.connect() as c:
                assert c("AUTH", "guard", "secret") == "OK"
                c.ok("ACL", "SETUSER", "default", "off")
                c("CLIENT", "KILL", "USER", "default", "SKIPME", "yes")

        def sees(one: OurSentinel) -> bool:
            with one.connect() as c:
                c.ok("AUTH", "guard", "secret")
                fields = dict(zip(*[iter(c("SENTINEL", "MASTER", NAME))] * 2, strict=True))
                return fields[b"flags"] == b"master" and c("SENTINEL", "CKQUORUM", NAME).startswith("OK 2")

        wait_until(lambda: all(answers(sees, one) for one in watch.sentinels), "all to be seen", 30)


@pytest.fixture
def authority(tmp_path: Path) -> Iterator[dict[str, Any]]:
    made = Authority(tmp_path / "ca")
    cert, key = made.issue("all")
    yield {"tls_cert_file": cert, "tls_key_file": key, "tls_ca_cert_file": made.file, "tls_replication": True}


@pytest.mark.timeout(120)
def test_tls_between_all_of_them(tmp_path: Path, authority: dict[str, Any]) -> None:
    secure = [free_port() for _ in range(2)]
    servers = [Server(tmp_path / "s0", tls_port=secure[0], **authority)]
    servers.append(Server(tmp_path / "s1", tls_port=secure[1], replicaof=f"127.0.0.1 {secure[0]}",
                          repl_diskless_sync_delay=0, **authority))
    config = f"sentinel monitor {NAME} 127.0.0.1 {secure[0]} 2"
    sentinels = [OurSentinel(tmp_path / f"w{n}", config=config, tls_port=free_port(), **authority) for n in range(2)]
    try:
        for one in sentinels:
            assert one.ask("SENTINEL", "DEBUG", *HURRY) == "OK"

        def knows(one: OurSentinel) -> bool:
            fields = one.master_fields()
            others = one.described("SENTINELS")
            ports = {str(other.directives["tls-port"]) for other in sentinels if other is not one}
            return (fields["flags"] == "master" and {other["port"] for other in others} == ports
                    and all(other["flags"] == "sentinel" for other in others)
                    and [each["port"] for each in one.described("REPLICAS")] == [str(secure[1])])

        wait_until(lambda: all(answers(knows, one) for one in sentinels), "all to be seen by TLS", 40)
        assert sentinels[0].ask("SENTINEL", "FAILOVER", NAME) == "OK"
        wait_until(lambda: all(one.address()[1] == secure[1] for one in sentinels), "another master", 30)
    finally:
        for process in (*sentinels, *servers):
            process.kill()
