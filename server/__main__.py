"""From argv to a running server: `python -m server [config file] [--directive value ...] [-]`."""

import gc
import sys


def main(argv: list[str] | None = None) -> int:
    """Start a server as redis-server would; the exit status."""
    gc.disable()                     # nothing that start-up makes is garbage
    from server.config.config import Config
    from server.config.reader import ConfigError

    if without_lock():
        sys.stderr.write("This server's native modules need Python's global lock: do without PYTHON_GIL=0, -X gil=0.\n")
        return 1
    argv = sys.argv if argv is None else argv
    try:
        config = Config.from_argv(argv)
    except ConfigError as error:
        sys.stderr.write(error.text)
        return 1
    if not isinstance(config, Config):
        return act(config.name)
    try:
        if config.sentinel_mode:
            from server.sentinel_mode import SentinelServer

            return SentinelServer(config).run()
        from server.server import Server

        server = Server(config)
    except ConfigError as error:
        sys.stderr.write(error.text)
        return 1
    return server.run()


def without_lock() -> bool:
    """Whether a free-threaded CPython was told not to take its lock again for modules that need it. They are loaded."""
    return not getattr(sys, "_is_gil_enabled", lambda: True)()


def act(name: str) -> int:
    """--version, --help, and what redis-server offers besides."""
    from server.config.command_line import usage
    from server.version import REDIS_VERSION, VERSION

    if name == "version":
        bits = 64 if sys.maxsize > 2**32 else 32
        print(f"Redis server v={REDIS_VERSION} sha=00000000:0 malloc=remus-slab bits={bits} build=remus-{VERSION}")
        return 0
    if name == "help":
        sys.stderr.write(usage())
        return 1
    sys.stderr.write(f"--{name} is not offered by this server.\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
