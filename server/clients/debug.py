"""DEBUG about clients: what their memory is, and buffers of replies."""

from server.clients.limits import Limits
from server.observe.debug_settings import DEFAULT_PEAK_RESET_MS, DebugSettings, settings, switch, yes
from server.registry import args
from server.registry.debug import Subcommands, WrongWords
from server.registry.errors import CommandError
from server.registry.reply import OK, Verbatim

switch(
    "CLIENT-ENFORCE-REPLY-LIST",
    "reply_buffer_resizing",
    lambda word: settings.reply_buffer_resizing,
    "<0|1>",
    "Accepted: replies are always kept in a list here.",
)


@Subcommands(DebugSettings)(
    "REPLYBUFFER",
    2,
    2,
    "<PEAK-RESET-TIME <NEVER|RESET|milliseconds>|RESIZING <0|1>>",
    "When the peak use of reply buffers is forgotten, and whether they shrink.",
)
def replybuffer(settings: DebugSettings, what: bytes, value: bytes) -> str:
    """Chunks of replies are returned when they are sent, so this is only noted."""
    if what.upper() == b"PEAK-RESET-TIME":
        special = {b"NEVER": -1, b"RESET": DEFAULT_PEAK_RESET_MS}
        wanted = special.get(value.upper())
        settings.reply_buffer_peak_reset_ms = args.integer(value) if wanted is None else wanted
    elif what.upper() == b"RESIZING":
        settings.reply_buffer_resizing = yes(value)
    else:
        raise WrongWords
    return OK


_FIRST_CLASS_LOG = 15  # classes of client memory: below 32 KB, then by powers of two
_CLASSES = 19


@Subcommands(Limits)("CLIENT-EVICTION", 0, 0, "", "Show clients by how much memory they use (maxmemory-clients).")
def client_eviction(limits: Limits) -> Verbatim:
    """One line per class of memory use."""
    if not limits.client_memory_limit:
        raise CommandError("ERR maxmemory-clients is disabled.")
    memory = [0] * _CLASSES
    count = [0] * _CLASSES
    for used in limits.memory_of_each():
        at = min(_CLASSES - 1, max(0, used.bit_length() - _FIRST_CLASS_LOG))
        memory[at] += used
        count[at] += 1
    lines = []
    for at in range(_CLASSES):
        low = 0 if at == 0 else 1 << (at - 1 + _FIRST_CLASS_LOG)
        high = "+            : " if at == _CLASSES - 1 else f" - {(1 << (at + _FIRST_CLASS_LOG)) - 1:10d}: "
        lines.append(f"bucket {low:10d}{high}tot-mem: {memory[at]:10d}, clients: {count[at]}\n")
    return Verbatim("".join(lines))
