"""Pages whose commands are run: the blocks of shell in them, and the programs that these call."""

import re
import sys
from pathlib import Path

PROGRAMS = {"remus-server": "main", "remus-check-rdb": "check_rdb", "remus-check-aof": "check_aof"}


def script(page: str) -> str:
    """The shell commands of a page, as one script that ends at the first failure and says which block it is in."""
    blocks = re.findall(r"^```sh\n(.*?)^```", page, re.M | re.S)
    return "set -e\n" + "".join(f"echo '-- {number}'\n{block}" for number, block in enumerate(blocks))


def programs(folder: Path) -> None:
    """The console scripts, as an installation would make them."""
    folder.mkdir()
    for name, function in PROGRAMS.items():
        script = folder / name
        script.write_text(f"#!/bin/sh\nexec {sys.executable} -c 'import sys, remus_server; sys.argv[0] = \"{name}\"; "
                          f"sys.exit(remus_server.{function}())' \"$@\"\n")
        script.chmod(0o755)
