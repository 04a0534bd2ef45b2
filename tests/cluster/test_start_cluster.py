"""A cluster for other people's tests, and one on the command line."""

import signal
import subprocess
import sys

import pytest

import remus_server
from tests.support.pace import wait_until
from tests.support.resp import Connection
from tests.support.server import ROOT


def test_it_serves_when_it_is_returned():
    with remus_server.start_cluster(masters=2, replicas=1, requirepass='a "secret"') as cluster:
        assert len(cluster.nodes) == 4
        folders = [node.folder for node in cluster.nodes]
        for number, node in enumerate(cluster.nodes):
            with Connection(node.port) as c:
                assert c("AUTH", 'a "secret"') == "OK"
                assert b"cluster_state:ok" in c("CLUSTER", "INFO")
                role = c("ROLE")
                assert role[0] == (b"master" if number < 2 else b"slave")
                if number >= 2:
                    assert role[2:4] == [cluster.nodes[number - 2].port, b"connected"]
        assert cluster.url.endswith(f"@127.0.0.1:{cluster.nodes[0].port}/0")
    assert not any(folder.exists() for folder in folders)


def test_what_cannot_start_says_why():
    with pytest.raises(RuntimeError, match="no-such-directive"):
        remus_server.start_cluster(1, 0, no_such_directive=1)
    with pytest.raises(ValueError, match="a port for each"):
        remus_server.start_cluster(3, 1, ports=[1])


def test_on_the_command_line():
    program = "import sys, remus_server; sys.exit(remus_server.cluster())"
    child = subprocess.Popen([sys.executable, "-c", program, "--masters", "1", "--replicas", "0", "maxmemory=7mb"],
                             stdout=subprocess.PIPE, text=True, cwd=ROOT)
    assert child.stdout is not None
    try:
        host, port = child.stdout.readline().split()[0].split(":")
        with Connection(int(port), host) as c:
            assert c("CONFIG", "GET", "maxmemory") == [b"maxmemory", b"7340032"]
            assert b"cluster_state:ok" in c("CLUSTER", "INFO")
    finally:
        child.send_signal(signal.SIGINT)
    assert child.wait(20) == 0

    def ended() -> bool:
        try:
            Connection(int(port), host).close()
        except ConnectionRefusedError:
            return True
        return False

    wait_until(ended, "the servers end with it")
