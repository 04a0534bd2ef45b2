
def encode_reply(value: object, resp: int) -> bytes: ...

class NativeReply:
    """A reply that needs no Python object per element. Commands return one; its bytes are `encode_reply`'s."""

class WrittenReply(NativeReply):
    """One whose RESP bytes were made when the command ran."""
