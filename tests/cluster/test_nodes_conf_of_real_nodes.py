"""A file of ours is a real node's, and a real node's is ours."""

import random
import time
from pathlib import Path

import pytest

from server.cluster.conf_format import conf_of, parse, view_of, write
from tests.simulation.world import confs
from tests.support.peer import Peer

pytestmark = pytest.mark.peer


def shown(text: str) -> dict[str, list[str]]:
    """By name: flags, master, epoch and slots of each node."""
    lines = [line.split() for line in text.splitlines() if not line.startswith("vars")]
    return {words[0]: [*words[2:4], words[6], *words[8:]] for words in lines}


def test_a_file_goes_there_and_back(tmp_path: Path) -> None:
    conf = confs(3, 1, acquainted=True)[4]          # a replica
    text = write(conf_of(view_of(conf, int(time.time() * 1000), random.Random(1))))
    (tmp_path / "nodes.conf").write_text(text)
    with Peer(tmp_path, cluster_enabled="yes") as peer:
        with peer.connect() as c:
            told = c.ok("CLUSTER", "NODES").decode()
            c.ok("CLUSTER", "SAVECONFIG")
        assert shown(told) == shown(text)
        theirs = (tmp_path / "nodes.conf").read_text()
    again = view_of(parse(theirs), 1, random.Random(1))
    again.check()
    assert shown(write(conf_of(again))) == shown(text)
    assert (again.current_epoch, len(again.voters)) == (3, 3)
