"""DEBUG about scripts."""

from server.observe.debug_settings import switch, yes

switch(
    "SET-DISABLE-DENY-SCRIPTS", "disable_deny_scripts", yes, "<0|1>", "Let scripts call what they may not, or not."
)
