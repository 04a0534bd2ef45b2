"""Certificates for tests: an authority and who it vouches for, made by the openssl program once for a folder."""

import shutil
import subprocess
from pathlib import Path

import pytest


class Authority:
    """A certificate authority in a folder. `file` is its own certificate."""

    def __init__(self, folder: Path, name: str = "authority") -> None:
        if shutil.which("openssl") is None:
            pytest.skip("no openssl")
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.file = folder / f"{name}.crt"
        self._key = folder / f"{name}.key"
        openssl("req", "-x509", *NEW_KEY, *OF_AUTHORITY, "-nodes", "-days", "3", "-keyout", self._key, "-out",
                self.file, "-subj", f"/CN={name}")

    def issue(self, name: str, *, days: int = 2, password: str = "", rsa: bool = False) -> tuple[Path, Path]:
        """A certificate for 127.0.0.1 and localhost, and its key, an elliptic one or one of RSA (which asks for the
        password, if there is one)."""
        cert, key, request = (self.folder / f"{name}.{kind}" for kind in ("crt", "key", "csr"))
        names = self.folder / "names"
        names.write_text("subjectAltName=IP:127.0.0.1,DNS:localhost\nauthorityKeyIdentifier=keyid\n")
        secret = ["-passout", f"pass:{password}"] if password else ["-nodes"]
        new = ("-newkey", "rsa:2048") if rsa else NEW_KEY
        openssl("req", *new, *secret, "-keyout", key, "-out", request, "-subj", f"/CN={name}")
        openssl("x509", "-req", "-in", request, "-CA", self.file, "-CAkey", self._key, "-CAcreateserial", "-days",
                str(days), "-extfile", names, "-out", cert)
        return cert, key


OF_AUTHORITY = ("-addext", "keyUsage=critical,keyCertSign,cRLSign")     # which Python 3.13 wants to see
NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1")


def openssl(*words: object) -> None:
    """Run it; what it says is shown when it fails."""
    done = subprocess.run(["openssl", *map(str, words)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
