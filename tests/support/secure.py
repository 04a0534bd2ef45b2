"""A server with a TLS port, and those who come to it."""

import socket
import ssl
from pathlib import Path
from typing import Any

from tests.support.certificates import Authority
from tests.support.pace import patience
from tests.support.server import Server, free_port


class Secure:
    """A server with a TLS port, and those who come to it."""

    def __init__(self, server: Server, port: int, authority: Authority, client: tuple[Path, Path]) -> None:
        self.server = server
        self.port = port
        self.authority = authority
        self.client = client

    def context(self, *, shows: bool = True, **versions: Any) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=str(self.authority.file))
        if shows:
            context.load_cert_chain(*map(str, self.client))
        for name, version in versions.items():
            setattr(context, name, version)
        return context

    def connect(self, **options: Any) -> ssl.SSLSocket:
        plain = socket.create_connection(("127.0.0.1", self.port), patience(10))
        return self.context(**options).wrap_socket(plain, server_hostname="localhost")

    def ask(self, *commands: bytes, **options: Any) -> bytes:
        """What is answered until PONG comes."""
        with self.connect(**options) as stream:
            stream.sendall(b"".join(commands) + b"PING\r\n")
            got = b""
            while not got.endswith(b"+PONG\r\n"):
                more = stream.recv(65536)
                assert more, got
                got += more
            return got[:-7]

    def words(self) -> list[str]:
        """For redis-cli and redis-benchmark."""
        cert, key = self.client
        shown = ["--cacert", str(self.authority.file), "--cert", str(cert), "--key", str(key)]
        return ["-p", str(self.port), "--tls", *shown]

    def info(self) -> dict[str, str]:
        return self.server.info("tls")


def secure_server(folder: Path, authority: Authority, **directives: Any) -> tuple[Server, int]:
    port = free_port()
    cert, key = authority.issue("server")
    given = {"tls_port": port, "tls_cert_file": cert, "tls_key_file": key, "tls_ca_cert_file": authority.file}
    return Server(folder, **{**given, **directives}), port
