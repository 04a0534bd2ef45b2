"""Servers as each other's replicas, and what to wait for between them."""

from typing import Any

from tests.support.pace import wait_until


def linked(replica: Any) -> bool:
    """Whether its link to its master is up."""
    return bool(replica.info("replication").get("master_link_status") == "up")


def follow(replica: Any, master: Any) -> None:
    """REPLICAOF, and wait for the stream."""
    with replica.connect() as c:
        c.ok("REPLICAOF", "127.0.0.1", str(master.port))
    wait_until(lambda: linked(replica), "a link")


def digest(server: Any) -> Any:
    """DEBUG DIGEST."""
    with server.connect() as c:
        return c("DEBUG", "DIGEST")


def in_step(master: Any, *replicas: Any) -> None:
    """All have applied all, and hold the same."""
    def offsets() -> bool:
        end = master.info("replication")["master_repl_offset"]
        return all(replica.info("replication")["slave_repl_offset"] == end for replica in replicas)

    wait_until(offsets, "replicas that have everything")
    same = lambda: len({digest(server) for server in (master, *replicas)}) == 1  # noqa: E731 (expires come later)
    wait_until(same, "the same data")
