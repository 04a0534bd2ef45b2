"""DEBUG about the configuration."""

from server.config.config import Config
from server.registry.debug import Subcommands
from server.registry.errors import CommandError
from server.registry.reply import OK


@Subcommands(Config)(
    "CONFIG-REWRITE-FORCE-ALL", 0, 0, "", "CONFIG REWRITE with every directive, even those at their default."
)
def config_rewrite_force_all(config: Config) -> str:
    """Errors: what the system says of the file."""
    config.force_rewrite = True
    try:
        config.rewrite()
    except OSError as failure:
        raise CommandError(f"ERR CONFIG-REWRITE-FORCE-ALL failed: {failure.strerror}") from None
    finally:
        config.force_rewrite = False
    return OK
